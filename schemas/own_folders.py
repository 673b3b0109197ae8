"""Folders of our own: data, caches, what the simulator writes. See also `schemas/own_files.py`.

They are ours, 0700, and nobody else can replace what leads to them, so plain names inside of them are safe.
"""

import errno
import fcntl
import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from schemas.own_files import OTHERS, NotOurs, regular


def set_private_umask() -> None:
    """From now on this process and its children make files and folders that only their owner can use."""
    os.umask(0o077)


def private_folder(path: Path, *, advice: str, code: bool = False) -> None:
    """Make a folder, or check that it is ours: nobody else owns it, can write to it, or can replace it or its parents.

    An existing folder is not changed: a caller that knows that it is one of the product's closes it next.

    Args:
        path: the folder; its missing parents are made too.
        advice: what to do if it is not ours.
        code: a folder of programs, which the system's administrator may own as well.

    Raises:
        OSError, NotOurs
    """
    path = path.absolute()
    for parent in reversed(path.parents):
        _check_parent(parent, path, advice)
        with suppress(FileExistsError):
            parent.mkdir(mode=0o700)
    for parent in (path.parent.resolve() / path.name).parents:  # where links of ours and the system's lead
        _check_parent(parent, path, advice)
    with suppress(FileExistsError):
        path.mkdir(mode=0o700)
    found = path.lstat()
    if stat.S_ISLNK(found.st_mode):
        raise NotOurs(f"{path} is a symbolic link: {advice}")
    if found.st_uid == 0 != os.geteuid():
        # The system's administrator can do everything anyway, and makes volumes of containers for a group.
        closed = found.st_gid == os.getegid() and not found.st_mode & stat.S_IRWXO
        if closed or (code and not found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)):
            return
    if not stat.S_ISDIR(found.st_mode):
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(path))
    if found.st_uid != os.geteuid():
        raise NotOurs(f"{path} belongs to another user: {advice}")
    if found.st_mode & stat.S_IWOTH:
        raise NotOurs(f"everybody may write to {path}: check what is in it, then chmod 700 it, or {advice}")


def close_folder(path: Path, *, advice: str, deep: bool = True) -> None:
    """Close a folder that `private_folder` has checked: older versions let others read.

    Args:
        path: the folder.
        advice: what to do if something in it is not ours.
        deep: close also all that is in it.

    Raises:
        OSError, NotOurs: something in it is not ours, or leads out of it.
    """
    found = path.lstat()
    if found.st_uid != os.geteuid():
        return  # of the system's administrator
    if found.st_mode & OTHERS:
        path.chmod(0o700)
    if deep:
        _close_tree(path, path.resolve(), advice)


def _check_parent(parent: Path, path: Path, advice: str) -> None:
    """Raise NotOurs if another user than the system's could put something else in the place of the folder."""
    try:
        link, found = parent.lstat(), parent.stat()
    except FileNotFoundError:
        return  # it will be made by us
    if not {link.st_uid, found.st_uid} <= {0, os.geteuid()}:
        raise NotOurs(f"{path} lies in {parent}, which belongs to another user: {advice}")
    others = found.st_mode & stat.S_IWOTH or (found.st_mode & stat.S_IWGRP and found.st_gid != os.getegid())
    if others and not found.st_mode & stat.S_ISVTX:
        raise NotOurs(f"{path} lies in {parent}, to which other users may write: {advice}")


def _close_tree(folder: Path, top: Path, advice: str) -> None:
    """Close everything in a folder of ours for others; refuse what is not ours or leads out of it."""
    # Another process of ours may be using a cache: what is gone meanwhile needs no closing.
    with suppress(FileNotFoundError), os.scandir(folder) as entries:
        for entry in entries:
            with suppress(FileNotFoundError):
                _close_entry(entry, top, advice)
            if entry.is_dir(follow_symlinks=False):
                _close_tree(Path(entry.path), top, advice)


def _close_entry(entry: os.DirEntry[str], top: Path, advice: str) -> None:
    found = entry.stat(follow_symlinks=False)
    if found.st_uid != os.geteuid():
        raise NotOurs(f"{entry.path} belongs to another user: {advice}")
    if entry.is_symlink():
        # ClickHouse has links from a table's name to its data.
        if not Path(entry.path).resolve().is_relative_to(top):
            raise NotOurs(f"{entry.path} is a symbolic link that leads out of the folder: {advice}")
    elif found.st_mode & OTHERS:
        Path(entry.path).chmod(stat.S_IMODE(found.st_mode) & ~OTHERS)


def make_folder(path: Path) -> None:
    """A folder within one of ours.

    Raises:
        OSError
    """
    path.mkdir(mode=0o700, parents=True, exist_ok=True)


def open_appending(path: Path) -> IO[bytes]:
    """Open a file in a folder of ours, or make it, for writing at its end; never through a link.

    Raises:
        OSError
    """
    return os.fdopen(regular(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW), "ab")


@contextmanager
def locked(path: Path, *, wait: bool) -> Iterator[None]:
    """Hold a lock file in a folder of ours; the lock ends with the process, however that ends.

    Raises:
        BlockingIOError: another process holds it, and we do not wait.
        OSError
    """
    with open_appending(path) as file:
        fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        yield


def move(path: Path, to: Path) -> None:
    """Rename within a folder of ours.

    Raises:
        OSError
    """
    path.replace(to)


def remove(path: Path) -> None:
    """Remove a file, a link or a folder with all that is in it from a folder of ours; fine if there is none.

    Raises:
        OSError
    """
    try:
        path.unlink(missing_ok=True)
    except (IsADirectoryError, PermissionError):  # macOS has the latter for folders
        shutil.rmtree(path)
