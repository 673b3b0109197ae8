"""Can the data folder still be written to? Checked when a child has ended, because it does not report a full disk."""

import shutil
from pathlib import Path
from typing import Final

from clustertrack.local.folder import LEAST_FREE_BYTES
from schemas.own_files import nameless_file

_TRIED_BYTES: Final = 64 * 1024
"""More than a block: a quota, or a file system without inodes, refuses it although its disk has space."""


def trouble_with(folder: Path, least: int = LEAST_FREE_BYTES) -> str:
    """Why nothing can be written there, for a sentence; empty if it can.

    Args:
        folder: the data folder.
        least: bytes below which the disk counts as full.
    """
    try:
        free = shutil.disk_usage(folder).free
        if free < least:
            return f"the disk of {folder} has only {free // 2**20} MB left: free some space"
        with nameless_file(folder=folder) as tried:
            tried.write(bytes(_TRIED_BYTES))
            tried.flush()
    except OSError as error:
        return f"{folder} cannot be written ({error.strerror or error}): free some space, or fix the folder"
    return ""
