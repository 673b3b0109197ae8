"""The first check of an input file: can it be read, is it what its name says, in which encoding. Nothing is guessed."""

import codecs
import re
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final

from schemas.errors import UsageFault
from schemas.own_files import open_file

_HEAD: Final = 64 * 1024
_CHUNK: Final = 1024 * 1024

_BOMS: Final = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # begins like the mark of UTF-16
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_WIDE: Final = ("utf-16", "utf-32")
"""How the names of encodings begin in which a letter has zero bytes."""

_OTHER_KINDS: Final = (
    (b"PK\x03\x04", "a ZIP archive or a workbook: if Excel opens it, name it .xlsx"),
    (b"\xd0\xcf\x11\xe0", "an old .xls or a workbook with a password: save it as .xlsx without one"),
    (b"\x1f\x8b", "compressed: unpack it first"),
    (b"%PDF", "a PDF: export the table itself"),
)

_NO_CHANCE: Final = 2
"""Characters beyond ASCII that are UTF-8 and are no coincidence, where they are a tenth of all."""
_CONTROLS: Final = re.compile(rb"[\x80-\x9f]")
_ESCAPED: Final = re.compile("[\udc80-\udcff]")


ZERO_BYTE: Final = "has a zero byte, which no text has: export it as CSV in UTF-8"


class FileFault(UsageFault):
    """A file that cannot be used at all; nothing of it was sent.

    Attributes:
        path: the file.
        line: where the trouble is, if it is in one place.
    """

    def __init__(self, path: Path, message: str, *, line: int | None = None) -> None:
        super().__init__(f"{path}{f' line {line:,}' if line else ''} {message}")
        self.path = path
        self.line = line


def open_bytes(path: Path) -> IO[bytes]:
    """Open for reading.

    Raises:
        FileFault
    """
    try:
        return open_file(path)
    except OSError as error:
        raise FileFault(path, f"cannot be read ({error.strerror or error}): check its name and rights") from error


def read_head(path: Path) -> bytes:
    """The first 64 KiB of a file that is not empty and not of another well-known kind.

    Raises:
        FileFault
    """
    with open_bytes(path) as stream:
        try:
            head = stream.read(_HEAD)
        except OSError as error:
            raise FileFault(path, f"cannot be read ({error.strerror or error})") from error
    if not head.strip() and len(head) < _HEAD:
        raise FileFault(path, "is empty: export it again")
    return head


def refuse_other_kinds(path: Path, head: bytes, wanted: str, advice: str = "") -> None:
    """Raise FileFault when the file is an archive, a workbook or another thing that is `wanted` only by its name.

    Args:
        path: the file.
        head: how it begins.
        wanted: what it should be.
        advice: what to do, where another kind of file would not do.
    """
    for magic, kind in _OTHER_KINDS:
        if head.startswith(magic):
            what, _, usual = kind.partition(": ")
            raise FileFault(path, f"is not {wanted} but {what}: {advice or usual}")


def is_wide(encoding: str) -> bool:
    """Whether a letter has zero bytes in it."""
    return codecs.lookup(encoding).name.startswith(_WIDE)


def find_encoding(path: Path, head: bytes, stated: str | None, advice: str) -> str:
    """The encoding of a text file: its byte order mark, else what the mapping states, else UTF-8 if it is.

    A file without a mark and without a stated encoding counts as UTF-8 when all of it is, or when by far most of what
    lies beyond ASCII is (a few broken rows are refused one by one later). Else it is refused: cp1252 and MacRoman
    cannot be told apart, and a wrong guess writes wrong names permanently.

    A stated encoding of which the file shows the contrary is refused by the same measure: letters beyond ASCII that are
    UTF-8 come about by chance in no other encoding.

    Raises:
        FileFault
    """
    for mark, name in _BOMS:
        if head.startswith(mark):
            return name
    if stated and is_wide(stated):
        return _with_order(path, head, stated)
    if b"\0" in head:
        line = head.count(b"\n", 0, head.index(b"\0")) + 1
        raise FileFault(path, ZERO_BYTE, line=line)
    if stated and codecs.lookup(stated).name == "utf-8":
        return stated
    good, bad, line = _utf8_evidence(path)
    is_utf8 = bad * 10 <= good
    if stated:
        if good and is_utf8:
            but = f" but for {'1 byte' if bad == 1 else f'{bad:,} bytes'}" if bad else ""
            raise FileFault(
                path,
                f"is UTF-8{but}, and its mapping states {stated}: remove `encoding` from the mapping",
                line=line if bad else None,
            )
        if good >= _NO_CHANCE and good * 10 >= bad:
            raise FileFault(
                path,
                f"is not UTF-8, and {good:,} characters elsewhere are: it mixes encodings, save all of it in one",
                line=line,
            )
        if codecs.lookup(stated).name.startswith("iso8859"):
            _check_controls(path, stated)
        return stated
    if bad and not is_utf8:
        raise FileFault(
            path,
            f"is not UTF-8: {advice}",
            line=line,
        )
    return "utf-8"


def _with_order(path: Path, head: bytes, stated: str) -> str:
    """A wide encoding with the order of its bytes; where neither mark nor name says it, the zero bytes do."""
    name = codecs.lookup(stated).name
    if name not in _WIDE:
        return stated
    size = 2 if name == "utf-16" else 4
    first, last = head[0::size].count(0), head[size - 1 :: size].count(0)
    if first == last:
        raise FileFault(
            path, f"is not {stated}, or hides the order of its bytes: state {name}-le, {name}-be or another"
        )
    return f"{name}-{'be' if first > last else 'le'}"


def _utf8_evidence(path: Path) -> tuple[int, int, int]:
    """Counts (characters beyond ASCII, undecodable bytes, line of the first such byte)."""
    good = bad = first = 0
    lines = 1
    decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
    for chunk in _chunks(path):
        text = decoder.decode(chunk)
        if not text.isascii():
            sound = text.encode("utf-8", "ignore").decode()
            good += len(sound) - len(sound.encode("ascii", "ignore"))
            if not bad and (broken := _ESCAPED.search(text)):
                first = lines + text.count("\n", 0, broken.start())
            bad += len(text) - len(sound)
        lines += text.count("\n")
    bad += len(_ESCAPED.findall(decoder.decode(b"", final=True)))
    return good, bad, first or lines


def _check_controls(path: Path, stated: str) -> None:
    """ISO 8859 has control characters where Windows has dashes and quotation marks: no table holds any of them."""
    lines = 1
    for chunk in _chunks(path):
        if found := _CONTROLS.search(chunk):
            raise FileFault(
                path,
                f'has the byte 0x{found[0].hex()}, which is no character of {stated}: state encoding = "cp1252" in its '
                "mapping if Windows wrote it",
                line=lines + chunk.count(b"\n", 0, found.start()),
            )
        lines += chunk.count(b"\n")


def _chunks(path: Path) -> Iterator[bytes]:
    with open_bytes(path) as stream:
        try:
            while chunk := stream.read(_CHUNK):
                yield chunk
        except OSError as error:
            raise FileFault(path, f"cannot be read to its end ({error.strerror or error})") from error
