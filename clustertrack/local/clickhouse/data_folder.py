"""The data folder: ours alone, and of this engine."""

import contextlib
import json
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Final

from schemas.errors import UsageFault
from schemas.own_files import NotOurs, TooLarge, read_within, write_whole
from schemas.own_folders import close_folder, locked, make_folder, private_folder, remove

_STAMP: Final = "clustertrack-engine.json"
_LOCK: Final = "clustertrack.lock"
_ANOTHER: Final = "choose another --path"
_MAX_STAMP: Final = 64 * 1024


def engine_version() -> str:
    """Year and number of the engine's release, "26.9": data of another one is not opened."""
    return ".".join(version("chdb-core").split(".")[:2])


@contextlib.contextmanager
def claim(path: Path) -> Iterator[None]:
    """Make the folder if it is missing and hold it for this process.

    Raises:
        UsageFault: it is not ours or cannot be written, another process holds it, another engine made
            it, or it holds something else.
    """
    with contextlib.ExitStack() as held:
        try:
            private_folder(path, advice=_ANOTHER)
            _check_stamp(path)  # before anything is written: it may not be ours
            held.enter_context(locked(path / _LOCK, wait=False))
        except NotOurs as error:
            raise UsageFault(f"cannot use the data folder: {error}") from None
        except BlockingIOError:
            raise UsageFault(
                f"the data folder {path} is in use by another process; stop that one or choose another --path"
            ) from None
        except OSError as error:
            raise UsageFault(
                f"cannot write to the data folder {path}: {error.strerror}; choose another --path"
            ) from None
        _check_stamp(path)
        try:
            close_folder(path, advice=_ANOTHER)
        except (OSError, NotOurs) as error:
            raise UsageFault(f"cannot use the data folder: {error}") from None
        yield


def scratch_folder(path: Path) -> str:
    """A folder within the data folder for temporary files: the server writes nowhere else, and works in it.

    It has an empty configuration: as it is loaded, the engine obeys the first that it finds in the working folder, in
    `~/.clickhouse-local` and in `/etc/clickhouse-local`.
    """
    scratch = path.absolute() / "scratch"
    remove(scratch)
    make_folder(scratch)
    write_whole(scratch / "config.xml", b"<clickhouse/>\n")
    return str(scratch)


def _check_stamp(path: Path) -> None:
    stamp = path / _STAMP
    ours = engine_version()
    try:
        theirs = str(json.loads(read_within(stamp, _MAX_STAMP))["engine"])
    except FileNotFoundError:
        if others := sorted(entry.name for entry in path.iterdir() if entry.name != _LOCK):
            raise UsageFault(
                f"the folder {path} holds {others[0]} and no {_STAMP}, so it was not made by this server; "
                "choose an empty --path"
            ) from None
        write_whole(stamp, json.dumps({"engine": ours}).encode() + b"\n")
        return
    except (OSError, TooLarge, ValueError, KeyError, TypeError):
        raise UsageFault(f"cannot read {stamp}; restore it or choose another --path") from None
    if theirs != ours:
        raise UsageFault(
            f"the data folder {path} was made by ClickHouse engine {theirs} and this is {ours}; "
            f"install chdb-core {theirs} to read it, or choose another --path and load again"
        )
