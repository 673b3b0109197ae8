"""The passwords of the local ClickHouse: made at the first start, readable by the owner of the data folder alone."""

import os
import secrets
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from schemas.errors import UsageFault
from schemas.own_files import OTHERS, read_within, write_whole

READER: Final = "reader"
_MOST_BYTES: Final = 4096


@dataclass(frozen=True)
class Secrets:
    """Paths of the files: a password each, and the reader's login as curl reads it (`--netrc-file`)."""

    operator: Path
    reader: Path
    netrc: Path


def secret_files(folder: Path) -> Secrets:
    """The files of a data folder; those that are missing are made. Raises UsageFault."""
    found = Secrets(folder / "clickhouse.password", folder / "reader.password", folder / "reader.netrc")
    _made(found.operator, secrets.token_urlsafe(24))
    password = _made(found.reader, secrets.token_urlsafe(24))
    _made(found.netrc, f"machine 127.0.0.1 login {READER} password {password}")
    return found


def _made(path: Path, text: str) -> str:
    """What the file holds; a new one holds the text."""
    try:
        try:
            found = path.lstat()
        except FileNotFoundError:
            write_whole(path, f"{text}\n".encode())
            return text
        if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & OTHERS:
            raise UsageFault(
                f"{path} is no file that only you can read: remove it and {READER}.netrc, and the next start makes "
                "another password"
            )
        held = read_within(path, _MOST_BYTES).decode("ascii", errors="replace").strip()
    except OSError as error:
        raise UsageFault(
            f"{path} cannot be used ({error.strerror}): remove it, and the next start makes another"
        ) from None
    if not held or not held.isprintable():
        raise UsageFault(f"{path} holds no password: remove it, and the next start makes another")
    return held
