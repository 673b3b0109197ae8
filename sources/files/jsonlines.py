"""JSON lines of CloudEvents: what is sent goes to Kafka byte for byte; `sources.files.judged_rows` judges it.

Only two things are decided here. The key is the CVR number in `subject`, if one can be read there; a line without one
has no key. A line that Kafka could not take (over 1 MiB) is refused. Empty and blank lines are no records; a UTF-8 byte
order mark at the beginning of a line belongs to a file, of which there may be several in a row, not to the line.
"""

import codecs
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any, Final

from schemas.cvr import CvrError, format_cvr, parse_cvr
from sources.files.event_builder import Event
from sources.files.refused_rows import Refusal, RefusedLines
from sources.files.source_file import FileFault, open_bytes, read_head, refuse_other_kinds
from sources.publisher import MAX_VALUE

_CHUNK: Final = 1024 * 1024
_UTF16: Final = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


class JsonLines:
    """One file.

    Raises:
        FileFault: unreadable, empty, UTF-16, or evidently not text.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.line = b""
        """The line that `records` is at, as it is in the file."""
        head = read_head(path)
        refuse_other_kinds(path, head, "JSON lines")
        if head.startswith(_UTF16):
            raise FileFault(path, "is UTF-16: save it as UTF-8")
        if b"\0" in head and not any(line.lstrip().startswith(b"{") for line in head.split(b"\n")):
            raise FileFault(path, "is not JSON lines (zero bytes and no line that begins with a brace): check its name")

    def records(
        self, progress: Callable[[int], object], refused: RefusedLines | None
    ) -> Iterator[tuple[int, Event | Refusal]]:
        """(line, record or refusal) from first to last; what is refused is also copied to `refused`.

        Raises:
            FileFault: the file cannot be read to its end.
        """
        with open_bytes(self.path) as stream:
            number = 0
            try:
                if stream.read(len(codecs.BOM_UTF8)) != codecs.BOM_UTF8:
                    stream.seek(0)
                while line := stream.readline(MAX_VALUE + 2):
                    number += 1
                    value = _without_newline(line).removeprefix(codecs.BOM_UTF8)
                    if len(value) > MAX_VALUE:
                        size = len(line) + _skip_rest(stream, line, refused)
                        reason = f"has {size:,} bytes with its newline, more than Kafka takes ({MAX_VALUE:,})"
                        yield number, Refusal(str(self.path), number, "", reason)
                    elif value.strip():
                        self.line = line
                        yield number, Event(None, value)  # the key is found when it is judged
                    if not number & 0x3FF:
                        progress(stream.tell())
            except OSError as error:
                raise FileFault(
                    self.path, f"cannot be read any further ({error.strerror or error})", line=number
                ) from error


def subject_key(value: bytes) -> bytes | None:
    """The CVR number in `subject` as 8 digits; None when there is no object, or no readable number in it."""
    try:
        event: Any = json.loads(value)
        return format_cvr(parse_cvr(event["subject"])).encode()
    except (ValueError, TypeError, KeyError, RecursionError, CvrError):
        return None


def _without_newline(line: bytes) -> bytes:
    if line.endswith(b"\r\n"):
        return line[:-2]
    return line[:-1] if line.endswith(b"\n") else line


def _skip_rest(stream: IO[bytes], start: bytes, refused: RefusedLines | None) -> int:
    """Pass over the rest of a long line, a chunk at a time. Returns its bytes."""
    if refused is not None:
        refused.add(start)
    skipped = 0
    chunk = start
    while not chunk.endswith(b"\n"):
        chunk = stream.readline(_CHUNK)
        if not chunk:
            break
        skipped += len(chunk)
        if refused is not None:
            refused.add(chunk)
    return skipped
