"""What a worker does not need in memory. Measured by `scripts/bench --only memory`.

A worker fills and empties tens of megabytes with every group, in several threads. glibc keeps an arena for each of them
and returns freed memory late, Arrow's own pool even later: together a third of the worker's memory. Giving all of it
back at once costs time, in page faults.
"""

import ctypes
import platform
import sys
from importlib.abc import MetaPathFinder
from typing import Final

import pyarrow as pa

_TRIM_THRESHOLD: Final = -1
_MMAP_THRESHOLD: Final = -3
_ARENA_MAX: Final = -8
"""Parameters of glibc's mallopt (malloc.h)."""
_KEPT: Final = 16 * 1024 * 1024
"""Bytes at the end of the heap from which on they are given back."""
_LARGE: Final = 4 * 1024 * 1024
"""Bytes of a block that is mapped by itself, and gone when it is freed: larger than a batch for Kafka or a fetch."""
_ARENAS: Final = 2


class _WithoutPandas(MetaPathFinder):
    """Arrow imports pandas with its first column wherever it is installed (the local ClickHouse brings it): 43 MB."""

    def find_spec(self, fullname: str, *_: object) -> None:
        if fullname == "pandas":
            raise ModuleNotFoundError("a worker has no use for pandas", name=fullname)


def bound() -> None:
    """Let one allocator serve all, and let it give memory back. Without glibc nothing is changed but Arrow's pool."""
    sys.meta_path.insert(0, _WithoutPandas())
    pa.set_memory_pool(pa.system_memory_pool())
    if platform.libc_ver()[0] == "glibc":
        libc = ctypes.CDLL(None)
        libc.mallopt(_TRIM_THRESHOLD, _KEPT)
        libc.mallopt(_MMAP_THRESHOLD, _LARGE)
        libc.mallopt(_ARENA_MAX, _ARENAS)
