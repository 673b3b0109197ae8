"""The data folder of the local stack: who may use it, and which versions wrote it."""

import importlib.metadata
import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from clustertrack.local.files import folder_lock
from clustertrack.local.kafka_jars import KAFKA_VERSION
from schemas.errors import UsageFault
from schemas.own_files import read_within, write_whole
from schemas.own_folders import close_folder, make_folder, private_folder

LAYOUT: Final = 1
STAMP: Final = "clustertrack.json"
LEAST_FREE_BYTES: Final = 512 * 1024 * 1024
"""Starting with four workers writes about 100 MB; below this, the disk would be full within the first hour."""
_LOCK: Final = ".lock"
_ANOTHER: Final = "choose another folder with --data"
_LARGEST_STAMP: Final = 64 * 1024


def versions() -> dict[str, str]:
    """What this installation would write into a new folder: layout and the engines' versions (major.minor)."""
    try:
        clickhouse = importlib.metadata.version("chdb-core")
    except importlib.metadata.PackageNotFoundError as error:
        raise UsageFault(
            "the local stack's packages are not installed: run scripts/setup, or pip install 'clustertrack[local]'"
        ) from error
    return {"layout": str(LAYOUT), "kafka": _minor(KAFKA_VERSION), "clickhouse": _minor(clickhouse)}


@contextmanager
def data_folder(folder: Path, ours: Mapping[str, str]) -> Iterator[Path]:
    """Hold the folder for this process alone; a new one gets its stamp, an old one must carry the same.

    Raises:
        NotOurs: the folder is not ours.
        UsageFault: other versions, not writable, disk full, in use.
    """
    try:
        private_folder(folder, advice=_ANOTHER)
        _check_stamp(folder, ours)  # before anything is written: it may not be ours
        with folder_lock(folder, wait=False):
            _check_stamp(folder, ours)
            close_folder(folder, advice=_ANOTHER)
            _check_space(folder)
            make_folder(folder / "logs")
            write_whole(folder / STAMP, json.dumps(ours, indent=1).encode() + b"\n")
            yield folder
    except OSError as error:
        if not str(error.filename or "").startswith(str(folder)):
            raise
        raise UsageFault(
            f"{folder} cannot be written ({error.strerror}): choose another folder with --data, or mend this one"
        ) from error


def _check_stamp(folder: Path, ours: Mapping[str, str]) -> None:
    stamp = folder / STAMP
    try:
        theirs = json.loads(read_within(stamp, _LARGEST_STAMP))
    except FileNotFoundError:
        if any(path.name != _LOCK for path in folder.iterdir()):
            raise UsageFault(
                f"{folder} is not empty and no data folder of clustertrack: choose another one with --data"
            ) from None
        return
    except ValueError as error:
        raise UsageFault(f"{stamp} cannot be read as JSON: choose another folder with --data") from error
    differing = [
        f"{name} {theirs.get(name) if isinstance(theirs, dict) else None} instead of {version}"
        for name, version in ours.items()
        if not isinstance(theirs, dict) or theirs.get(name) != version
    ]
    if differing:
        raise UsageFault(
            f"{folder} was written by another version ({', '.join(differing)}): start the version that wrote it, "
            "or choose another folder with --data and publish again"
        )


def _check_space(folder: Path) -> None:
    free = shutil.disk_usage(folder).free
    if free < LEAST_FREE_BYTES:
        raise UsageFault(
            f"the disk of {folder} has only {free // 2**20} MB left and {LEAST_FREE_BYTES // 2**20} MB are needed: "
            "free some space, or choose another folder with --data"
        )


def _minor(version: str) -> str:
    return ".".join(version.split(".")[:2])
