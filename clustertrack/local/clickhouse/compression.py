"""Compression of bodies, as Content-Encoding and Accept-Encoding name it."""

import sys
import zlib
from collections.abc import Callable
from typing import Final, Protocol

import lz4.frame

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

from clustertrack.local.clickhouse.engine_errors import (
    INCORRECT_DATA,
    QUERY_IS_TOO_LARGE,
    UNKNOWN_COMPRESSION_METHOD,
    EngineError,
)


class Compressor(Protocol):
    """Compresses one response body piece by piece."""

    def compress(self, data: bytes) -> bytes:
        """Take in `data`; what comes back may lag behind."""

    def flush(self) -> bytes:
        """End the body."""


class _Frame(Protocol):
    """What zlib and lz4 call a decompressor."""

    @property
    def eof(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


class _Lz4:
    """One LZ4 frame; its header goes out with the first piece."""

    def __init__(self) -> None:
        self._frame = lz4.frame.LZ4FrameCompressor()
        self._pending: bytes = self._frame.begin()

    def compress(self, data: bytes) -> bytes:
        start, self._pending = self._pending, b""
        return start + bytes(self._frame.compress(data))

    def flush(self) -> bytes:
        start, self._pending = self._pending, b""
        return start + bytes(self._frame.flush())


def _gzip() -> Compressor:
    return zlib.compressobj(level=3, wbits=31)


def _deflate() -> Compressor:
    return zlib.compressobj(level=3)


def _zstd() -> Compressor:
    return zstd.ZstdCompressor(level=1)


COMPRESSORS: Final[dict[str, Callable[[], Compressor]]] = {
    "lz4": _Lz4,
    "zstd": _zstd,
    "gzip": _gzip,
    "deflate": _deflate,
}
"""In order of preference where the client has none: the cheapest for the two ends of a loopback first."""


def accepted(header: str | None) -> str | None:
    """The encoding to answer with for an Accept-Encoding header, or None for none of ours.

    The first of ours with the highest q, as written by the client.
    """
    if not header:
        return None
    best: tuple[float, str] | None = None
    for part in header.split(","):
        name, _, parameter = part.strip().partition(";")
        name = name.strip().lower()
        try:
            weight = float(parameter.partition("=")[2]) if parameter else 1.0
        except ValueError:
            weight = 0.0
        if name in COMPRESSORS and weight > 0 and (best is None or weight > best[0]):
            best = (weight, name)
    return None if best is None else best[1]


def decompress(data: bytes, encoding: str, limit: int) -> bytes:
    """The whole body, from any number of frames.

    Raises:
        EngineError: UNKNOWN_COMPRESSION_METHOD, INCORRECT_DATA for broken input, QUERY_IS_TOO_LARGE
            beyond `limit` bytes (stops there, so that a small body cannot fill the memory).
    """
    encoding = encoding.lower()
    if encoding in ("", "identity"):
        return data
    reader = _READERS.get(encoding)
    if reader is None:
        names = ", ".join(_READERS)
        raise EngineError(UNKNOWN_COMPRESSION_METHOD, f"Content-Encoding {encoding!r} is not one of {names}")
    try:
        plain = reader(data, limit)
    except (RuntimeError, zlib.error, zstd.ZstdError, EOFError) as error:
        raise EngineError(INCORRECT_DATA, f"The body is not valid {encoding}: {error}") from error
    if len(plain) > limit:
        raise EngineError(QUERY_IS_TOO_LARGE, f"The unpacked body is larger than the limit of {limit} bytes")
    return plain


def _unframe(data: bytes, limit: int, start: Callable[[], _Frame]) -> bytes:
    """Unpack concatenated frames; clients send one frame per block of an insert."""
    pieces: list[bytes] = []
    room = limit + 1
    while data and room > 0:
        frame = start()
        piece = frame.decompress(data, room)
        room -= len(piece)
        pieces.append(piece)
        if not frame.eof:
            if room > 0:
                raise EOFError("it ends in the middle")
            break
        data = frame.unused_data or b""
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


_READERS: Final[dict[str, Callable[[bytes, int], bytes]]] = {
    "lz4": lambda data, limit: _unframe(data, limit, lz4.frame.LZ4FrameDecompressor),
    "zstd": lambda data, limit: _unframe(data, limit, zstd.ZstdDecompressor),
    "gzip": lambda data, limit: _unframe(data, limit, lambda: zlib.decompressobj(wbits=31)),
    "deflate": lambda data, limit: _unframe(data, limit, zlib.decompressobj),
}
