"""Unpacks the records of a compressed batch piece by piece, so that the reader decides how much of it is wanted.

A batch of 60 kB may hold 60 MB, or with zstd far more. The libraries that Kafka clients use unpack all of it before any
of it can be inspected.
"""

import zlib
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any, Final

PIECE: Final = 1 << 20
"""Bytes of one piece at most; only snappy, which has no stream, gives a block as a whole."""
FRAMES: Final = 100
"""gzip and lz4 frames that one batch may consist of. Clients write one; empty ones turn a few bytes into much work."""
_LARGEST_WINDOW: Final = 1 << 27
"""Bytes to which zstd's levels for everyday use refer back at most, up to the highest (22)."""
_SNAPPY_GROWTH: Final = 22
"""snappy writes at most 64 bytes for 3: what claims to be more is damaged. Memory is taken for what is claimed."""
_LARGEST_BLOCK: Final = 64 << 20
_XERIAL: Final = b"\x82SNAPPY\x00"
_XERIAL_HEADER: Final = 16

CODECS: Final = {"gzip": 1, "snappy": 2, "lz4": 3, "zstd": 4}
"""Kafka's codecs by the number that a batch has."""
_PACKAGES: Final = {"cramjam": "cramjam", "lz4.frame": "lz4", "zstandard": "zstandard", "snappy": "python-snappy"}
"""Modules without which Kafka's clients cannot read some codec, and the packages that hold them."""


class DamagedError(Exception):
    """The bytes are not what the codec writes."""


def missing_packages() -> list[str]:
    """Packages that have to be installed before every codec of Kafka can be read."""
    return [package for module, package in _PACKAGES.items() if not _is_there(module)]


def pieces(codec: int, packed: bytes) -> Iterator[bytes]:
    """The unpacked bytes, in pieces of at most `PIECE` bytes; nothing is unpacked before it is needed.

    Args:
        codec: Kafka's number of it (`CODECS`).
        packed: what follows the header of the batch.

    Raises:
        DamagedError: at the point after which nothing can be read.
    """
    unpack = _UNPACK.get(codec)
    if unpack is None:
        raise DamagedError(f"Kafka has no codec {codec}")
    yield from unpack(packed)


def _is_there(module: str) -> bool:
    try:
        import_module(module)
    except ImportError:
        return False
    return True


def _gzip(packed: bytes) -> Iterator[bytes]:
    return _frames(packed, lambda: zlib.decompressobj(wbits=31), (zlib.error,))


def _lz4(packed: bytes) -> Iterator[bytes]:
    from lz4.frame import LZ4FrameDecompressor  # noqa: PLC0415  (only where a batch needs it)

    return _frames(packed, LZ4FrameDecompressor, (RuntimeError, EOFError, ValueError))


def _frames(packed: bytes, new: Callable[[], Any], errors: tuple[type[Exception], ...]) -> Iterator[bytes]:
    """One frame after the other, by decompressors that say where theirs ends."""
    for _ in range(FRAMES):
        decompressor = new()
        rest = packed
        try:
            while not decompressor.eof:
                piece = decompressor.decompress(rest, PIECE)
                # zlib hands back what it has not looked at yet, lz4 keeps it.
                rest = getattr(decompressor, "unconsumed_tail", b"")
                if piece:
                    yield piece
                elif not rest and not decompressor.eof:
                    raise DamagedError("the compressed bytes end too soon")
        except errors as error:
            raise DamagedError(str(error)) from error
        packed = decompressor.unused_data
        if not packed:
            return
    raise DamagedError(f"more than {FRAMES} compressed frames")


def _zstd(packed: bytes) -> Iterator[bytes]:
    import zstandard  # noqa: PLC0415  (only where a batch needs it)

    # Frames cost this reader next to nothing, so they are not counted.
    reader = zstandard.ZstdDecompressor(max_window_size=_LARGEST_WINDOW).stream_reader(packed, read_across_frames=True)
    try:
        while piece := reader.read(PIECE):
            yield piece
    except zstandard.ZstdError as error:
        raise DamagedError(str(error)) from error


def _snappy(packed: bytes) -> Iterator[bytes]:
    if not packed.startswith(_XERIAL):
        yield from _snappy_block(packed)
        return
    position = _XERIAL_HEADER
    while position < len(packed):
        size = int.from_bytes(packed[position : position + 4], "big", signed=True)
        position += 4
        if not 0 <= size <= len(packed) - position:
            raise DamagedError("a block of snappy is longer than the batch")
        yield from _snappy_block(packed[position : position + size])
        position += size


def _snappy_block(block: bytes) -> Iterator[bytes]:
    import cramjam  # noqa: PLC0415  (only where a batch needs it)

    claimed, shift = 0, 0
    for byte in block[:5]:
        claimed |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:  # noqa: PLR2004  (the last byte of a number)
            break
    else:
        raise DamagedError("a block of snappy does not say how long it is")
    if claimed > min(_LARGEST_BLOCK, _SNAPPY_GROWTH * len(block)):
        raise DamagedError("a block of snappy claims to be longer than it can be")
    try:
        yield bytes(cramjam.snappy.decompress_raw(block))
    except cramjam.DecompressionError as error:
        raise DamagedError(str(error)) from error


_UNPACK: Final[dict[int, Callable[[bytes], Iterator[bytes]]]] = {1: _gzip, 2: _snappy, 3: _lz4, 4: _zstd}
