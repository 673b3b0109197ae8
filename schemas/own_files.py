"""Every file and folder that the product writes, renames or removes; `scripts/house_rules.py` refuses it elsewhere.

This module writes next to other people's files, as in a drop folder with a CRM's exports: under a random name, relative
to the opened folder, and only a whole file gets its final name. Links of other people lead nowhere, and what is there
already is replaced only if it is provably our own. Folders of our own are those of `schemas/own_folders.py`.

What is read is read with a bound (`read_within`), and never from a pipe or a device.
"""

import errno
import hashlib
import os
import secrets
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Final, cast

from schemas.errors import UsageFault

OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO
"""Rights of everybody but the owner: nothing of ours has any of them."""

_MOST_LINKS: Final = 40
"""Symbolic links on one path: as many as Linux follows."""

_MOST_LISTS: Final = 100
"""Other names that are tried next to a file before someone has to tidy up."""

_LONGEST_NAME: Final = 255
"""Bytes of a name on every usual file system."""

_SEAL: Final = "user.clustertrack.sha256"
"""Extended attribute of a file that we left next to someone else's: the hash of what we wrote. A file that has it is
ours; one whose content still has this hash is ours and unchanged, so it may be replaced."""

_CHUNK: Final = 1024 * 1024


class NotOurs(UsageFault):
    """A file or folder that belongs to someone else, or that someone else could replace."""


class TooLarge(UsageFault):
    """A file that is larger than what is read of its kind."""


# ---- reading


def open_file(path: Path) -> IO[bytes]:
    """Open a file for reading; never waits for a pipe, never reads a device.

    Symbolic links are followed as by `open_folder`: anyone else who may write into a folder must not choose which of
    our files is read, and sent.

    Raises:
        OSError: also where it is no regular file.
        NotOurs: a link of another user.
    """
    given = path
    for _ in range(_MOST_LINKS):
        folder = open_folder(path.parent)
        try:
            opened = regular(path.name or ".", os.O_RDONLY | os.O_NOFOLLOW, folder=folder)
            return os.fdopen(opened, "rb", buffering=_CHUNK)
        except OSError as error:
            if error.errno not in {errno.ELOOP, errno.EMLINK}:
                raise
            path = path.parent / _trusted_link(path.name, folder, given)
        finally:
            os.close(folder)
    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(given))


def read_within(path: Path, most: int) -> bytes:
    """The content of a file of at most `most` bytes.

    Raises:
        OSError, TooLarge
    """
    with open_file(path) as stream:
        content = stream.read(most + 1)
    if len(content) > most:
        raise TooLarge(f"{path} is larger than {most:,} bytes, the limit for such a file: check its name")
    return content


def regular(path: Path | str, flags: int, *, mode: int = 0o600, folder: int | None = None) -> int:
    """As `os.open`, for regular files only.

    Raises:
        OSError
    """
    descriptor = os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC, mode, dir_fd=folder)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        is_folder = stat.S_ISDIR(os.fstat(descriptor).st_mode)
        os.close(descriptor)
        number = errno.EISDIR if is_folder else errno.EINVAL
        raise OSError(number, "it is a folder" if is_folder else "it is a pipe or a device, not a file", str(path))
    return descriptor


# ---- folders of other people


def open_folder(path: Path) -> int:
    """Descriptor of a folder. Symbolic links on the way are followed only if they are our own or the system's.

    Raises:
        OSError, NotOurs
    """
    # O_PATH: a folder in which one may write but not list is fine.
    flags = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_CLOEXEC
    here = os.open("/" if path.is_absolute() else ".", flags)
    names = [part for part in reversed(path.parts) if part != "/"]
    links = 0
    try:
        while names:
            name = names.pop()
            try:
                there = os.open(name, flags | os.O_NOFOLLOW, dir_fd=here)
            except OSError as error:
                if error.errno not in {errno.ELOOP, errno.ENOTDIR, errno.EMLINK}:
                    raise
                target, links = _trusted_link(name, here, path), links + 1
                if links > _MOST_LINKS:
                    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path)) from None
                names += [part for part in reversed(Path(target).parts) if part != "/"]
                if not target.startswith("/"):
                    continue
                there = os.open("/", flags)
            os.close(here)
            here = there
    except BaseException:  # Ctrl-C too
        os.close(here)
        raise
    return here


def _trusted_link(name: str, folder: int, path: Path) -> str:
    """Where a link leads. Of the owner of a link we know that they decide where it leads."""
    found = os.stat(name, dir_fd=folder, follow_symlinks=False)
    if not stat.S_ISLNK(found.st_mode):
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(path))
    if found.st_uid not in {0, os.geteuid()}:
        raise NotOurs(f"{path} leads through the symbolic link {name!r} of another user: name what it leads to")
    return os.readlink(name, dir_fd=folder)


class Beginning:
    """A new file on its way to its name in a folder: whole or not at all, readable only for its owner.

    Args:
        folder: where; `OSError` and `NotOurs` if it cannot be used.
        mode: rights of the file, less the umask.
        same: identity of the folder as it was seen before; another one in its place is not written to.
    """

    def __init__(self, folder: Path, *, mode: int = 0o600, same: tuple[int, int] | None = None) -> None:
        self._path = folder
        self._folder = open_folder(folder)
        self._name = f".clustertrack-{secrets.token_hex(8)}.part"
        try:
            found = os.fstat(self._folder)
            if same is not None and (found.st_dev, found.st_ino) != same:
                raise NotOurs(f"{folder} was replaced by another folder while the command ran: repeat the command")  # noqa: TRY301  (one place that closes)
            flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
            self.stream: IO[bytes] = os.fdopen(regular(self._name, flags, mode=mode, folder=self._folder), "w+b")
        except BaseException:  # Ctrl-C too
            os.close(self._folder)
            raise

    def replace(self, name: str) -> None:
        """Give it its name; a file of ours that has it is replaced.

        Raises:
            OSError, NotOurs: what has the name is no file of ours.
        """
        self.stream.flush()
        with suppress(FileNotFoundError):
            found = os.stat(name, dir_fd=self._folder, follow_symlinks=False)
            if not stat.S_ISREG(found.st_mode):
                raise NotOurs(f"{self._path / name} is a link, a folder or a device, and would be replaced")
            if found.st_uid != os.geteuid():
                raise NotOurs(f"{self._path / name} belongs to another user, and would be replaced")
        os.rename(self._name, name, src_dir_fd=self._folder, dst_dir_fd=self._folder)
        self._close()

    def leave(self, stem: str, suffix: str) -> str:
        """Give it the name STEM + SUFFIX, or one with a number where another file has it. Returns the name.

        Only a file that we left there ourselves, and that is unchanged since, is replaced.

        Raises:
            OSError
        """
        self.stream.flush()
        _seal(self.stream)
        for number in range(1, _MOST_LISTS + 1):
            name = _fitting(stem, suffix if number == 1 else _numbered(suffix, number))
            if _left_by_us(name, self._folder):
                os.rename(self._name, name, src_dir_fd=self._folder, dst_dir_fd=self._folder)
            elif not self._link(name):
                continue
            self._check(name)
            self._close()
            return name
        raise OSError(errno.EEXIST, f"{_MOST_LISTS} lists of earlier runs are there: remove them", str(self._path))

    def _link(self, name: str) -> bool:
        """Take a name that is free; False if it is taken."""
        try:
            os.link(self._name, name, src_dir_fd=self._folder, dst_dir_fd=self._folder, follow_symlinks=False)
        except FileExistsError:
            return False
        except OSError as error:
            if error.errno not in {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}:
                raise
            # A file system without hard links: take the name with an empty file of ours, and replace that.
            try:
                os.close(regular(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, folder=self._folder))
            except FileExistsError:
                return False
            os.rename(self._name, name, src_dir_fd=self._folder, dst_dir_fd=self._folder)
            return True
        os.unlink(self._name, dir_fd=self._folder)
        return True

    def _check(self, name: str) -> None:
        """The owner of the folder may rename files in it: the file with this name must still be what we wrote."""
        found, ours = os.stat(name, dir_fd=self._folder, follow_symlinks=False), os.fstat(self.stream.fileno())
        if (found.st_dev, found.st_ino) != (ours.st_dev, ours.st_ino):
            raise OSError(errno.ESTALE, "somebody else renames files there at the same time", str(self._path / name))

    def abandon(self) -> None:
        """Leave nothing behind."""
        if not self.stream.closed:
            with suppress(OSError):
                os.unlink(self._name, dir_fd=self._folder)
            self._close()

    def _close(self) -> None:
        os.close(self._folder)
        self.stream.close()


def identity(folder: Path) -> tuple[int, int]:
    """What distinguishes a folder from another one that has its name later.

    Raises:
        OSError
    """
    found = folder.stat()
    return found.st_dev, found.st_ino


@contextmanager
def beginning(path: Path, *, mode: int = 0o600) -> Iterator[IO[bytes]]:
    """A stream; what was written to it is at `path` when the block ends, and nothing if it fails.

    Raises:
        OSError, NotOurs
    """
    new = Beginning(path.parent, mode=mode)
    try:
        yield new.stream
        new.replace(path.name)
    finally:
        new.abandon()


def write_whole(path: Path, content: bytes, *, mode: int = 0o600) -> None:
    """Write a file so that it is there whole, or as it was before.

    Raises:
        OSError, NotOurs
    """
    with beginning(path, mode=mode) as stream:
        stream.write(content)


def remove_left(folder: Path, stem: str, suffix: str, *, same: tuple[int, int] | None) -> None:
    """Remove the file that `leave` left under its first name; one that was changed, or that someone else made, stays.

    Raises:
        OSError, NotOurs
    """
    descriptor = open_folder(folder)
    try:
        found = os.fstat(descriptor)
        name = _fitting(stem, suffix)
        if same in {None, (found.st_dev, found.st_ino)} and _left_by_us(name, descriptor):
            os.unlink(name, dir_fd=descriptor)
    finally:
        os.close(descriptor)


def _seal(stream: IO[bytes]) -> None:
    # File systems (and systems) without extended attributes: the file counts as someone's work, and is never replaced.
    if hasattr(os, "setxattr"):
        with suppress(OSError):
            os.setxattr(stream.fileno(), _SEAL, _digest(stream))


def _digest(stream: IO[bytes]) -> bytes:
    stream.seek(0)
    return hashlib.file_digest(stream, "sha256").hexdigest().encode()  # type: ignore[arg-type]  # IO[bytes] has all it asks


def _left_by_us(name: str, folder: int) -> bool:
    """Whether we left this very file there, and its content is still what we wrote."""
    if not hasattr(os, "getxattr"):
        return False
    try:
        descriptor = regular(name, os.O_RDONLY | os.O_NOFOLLOW, folder=folder)
    except OSError:
        return False
    with os.fdopen(descriptor, "rb") as stream:
        found = os.fstat(descriptor)
        if found.st_uid != os.geteuid() or found.st_nlink != 1 or found.st_mode & OTHERS:
            return False
        try:
            seal = os.getxattr(descriptor, _SEAL)
        except OSError:
            return False
        return seal == _digest(stream)


def _numbered(suffix: str, number: int) -> str:
    """`.refused.csv` -> `.refused-2.csv`."""
    head, dot, ending = suffix[1:].partition(".")
    return f".{head}-{number}{dot}{ending}"


def _fitting(stem: str, suffix: str) -> str:
    while len(os.fsencode(stem + suffix)) > _LONGEST_NAME:
        stem = stem[:-1]
    return stem + suffix


def nameless_file(in_memory: int = 0, *, folder: Path | None = None) -> IO[bytes]:
    """A file without a name in a folder of ours, gone with the process; up to `in_memory` bytes stay in memory."""
    if in_memory:
        return cast("IO[bytes]", tempfile.SpooledTemporaryFile(in_memory))
    return cast("IO[bytes]", tempfile.TemporaryFile(dir=folder))


def open_null(number: int, *, writable: bool) -> IO[str]:
    """Open the null device under a number that is free, for children too. Not `writable`: each write fails."""
    opened = os.open(os.devnull, os.O_WRONLY if writable else os.O_RDONLY)
    if opened != number:
        os.dup2(opened, number)
        os.close(opened)
    os.set_inheritable(number, True)
    return open(number, "w" if number else "r", encoding="utf-8", closefd=False)
