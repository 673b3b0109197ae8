"""The data folder: ours alone, and of this engine."""

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

from sinks.embedded.faults import CannotStart

_STAMP = "clustertrack-engine.json"
_LOCK = "clustertrack.lock"


def engine_version() -> str:
    """Year and number of the engine's release, "26.9": data of another one is not opened."""
    return ".".join(version("chdb-core").split(".")[:2])


@contextlib.contextmanager
def claim(path: Path) -> Iterator[None]:
    """Make the folder if it is missing and hold it for this process.

    Raises CannotStart when it cannot be written, another process holds it, another engine made it, or it holds
    something else.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        lock = os.open(path / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise CannotStart(f"cannot write to the data folder {path}: {error.strerror}; choose another --path") from None
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise CannotStart(
                f"the data folder {path} is in use by another process; stop that one or choose another --path"
            ) from None
        _check_stamp(path)
        yield
    finally:
        os.close(lock)


def _check_stamp(path: Path) -> None:
    stamp = path / _STAMP
    ours = engine_version()
    try:
        theirs = str(json.loads(stamp.read_text(encoding="utf-8"))["engine"])
    except FileNotFoundError:
        if others := sorted(entry.name for entry in path.iterdir() if entry.name != _LOCK):
            raise CannotStart(
                f"the folder {path} holds {others[0]} and no {_STAMP}, so it was not made by this server; "
                "choose an empty --path"
            ) from None
        stamp.write_text(json.dumps({"engine": ours}) + "\n", encoding="utf-8")
        return
    except (OSError, ValueError, KeyError, TypeError):
        raise CannotStart(f"cannot read {stamp}; restore it or choose another --path") from None
    if theirs != ours:
        raise CannotStart(
            f"the data folder {path} was made by ClickHouse engine {theirs} and this is {ours}; "
            f"install chdb-core {theirs} to read it, or choose another --path and load again"
        )
