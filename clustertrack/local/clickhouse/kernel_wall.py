"""What the kernel refuses this process, even if the engine is tricked: Linux's Landlock.

The lists of walls.py decide what runs; this is for what nobody thought of. The data folder can be read and written,
the programs' own folders and those of the system read; nothing else can be opened, no program started, no address
connected to. A kernel without Landlock (before 5.13, or another system) leaves the other two walls.
"""

import ctypes
import os
import sys
from pathlib import Path
from typing import Final

import clustertrack
import schemas
import sinks

_CREATE_RULESET: Final = 444
_ADD_RULE: Final = 445
_RESTRICT_SELF: Final = 446
_PATH_BENEATH: Final = 1
_NO_NEW_PRIVILEGES: Final = 38
_VERSION: Final = 1

_WRITE_FILE: Final = 1 << 1
_READ_FILE: Final = 1 << 2
_READ_DIR: Final = 1 << 3
_OF_FILES: Final = 0b111 | 1 << 14 | 1 << 15
_ALL: Final = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 4: (1 << 15) - 1}
"""Rights over files that each version of Landlock knows; later ones know one more, of devices."""

_MAKE_SPECIAL: Final = 1 << 6 | 1 << 9 | 1 << 10 | 1 << 11
_EXECUTE: Final = 1
_CONNECT_TCP: Final = 1 << 1
_KNOWS_NETWORK: Final = 4

_SYSTEM: Final = (
    "/usr", "/lib", "/lib32", "/lib64", "/opt", "/nix", "/sys", "/dev", "/proc/self", "/proc/sys",
    "/proc/meminfo", "/proc/cpuinfo", "/proc/stat", "/proc/loadavg", "/proc/uptime",
    "/etc/ld.so.cache", "/etc/localtime",
    "/etc/ssl",
)  # fmt: skip
"""Where programs and libraries are, and what the engine asks of the kernel. Of /proc nothing of other processes."""
_CODE: Final = tuple(package.__path__[0] for package in (clustertrack, schemas, sinks))
"""Our own packages that the server is made of."""


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed_access", ctypes.c_uint64), ("parent_fd", ctypes.c_int32))


def confine(data: Path) -> bool:
    """Confine this thread, and all that it will start, to the data folder; False where the kernel cannot."""
    if sys.platform != "linux":
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    version = libc.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), _VERSION)
    if version < 1:
        return False
    everything = _ALL.get(version, (1 << 16) - 1)
    handled = (ctypes.c_uint64 * 2)(everything, _CONNECT_TCP)
    size = 16 if version >= _KNOWS_NETWORK else 8
    ruleset = libc.syscall(_CREATE_RULESET, ctypes.byref(handled), ctypes.c_size_t(size), 0)
    if ruleset < 0:
        return False
    try:
        for path in (*_SYSTEM, sys.prefix, sys.base_prefix, *_CODE):
            _allow(libc, ruleset, path, (_READ_FILE | _READ_DIR) & everything)
        _allow(libc, ruleset, "/dev/null", (_READ_FILE | _WRITE_FILE) & everything)
        _allow(libc, ruleset, str(data), everything & ~_EXECUTE & ~_MAKE_SPECIAL)
        libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0)
        return bool(libc.syscall(_RESTRICT_SELF, ruleset, 0) == 0)
    finally:
        os.close(ruleset)


def _allow(libc: ctypes.CDLL, ruleset: int, path: str, access: int) -> None:
    try:
        descriptor = os.open(path, os.O_PATH)
    except OSError:
        return  # not on this system
    try:
        if not Path(path).is_dir():
            access &= _OF_FILES
        rule = _PathBeneath(access, descriptor)
        libc.syscall(_ADD_RULE, ruleset, _PATH_BENEATH, ctypes.byref(rule), 0)
    finally:
        os.close(descriptor)
