import gzip
import zlib

import lz4.frame
import pytest

from clustertrack.local.clickhouse.compression import (  # type: ignore[attr-defined]  # zstd is by version of Python
    COMPRESSORS,
    accepted,
    decompress,
    zstd,
)
from clustertrack.local.clickhouse.engine_errors import (
    INCORRECT_DATA,
    QUERY_IS_TOO_LARGE,
    UNKNOWN_COMPRESSION_METHOD,
    EngineError,
)

_PACK = {
    "lz4": lz4.frame.compress,
    "zstd": zstd.compress,
    "gzip": gzip.compress,
    "deflate": zlib.compress,
}


@pytest.mark.parametrize("encoding", sorted(COMPRESSORS))
def test_bodies_come_back(encoding: str):
    """What is compressed in pieces is read back as one body."""
    compressor = COMPRESSORS[encoding]()
    packed = (
        compressor.compress(b"abc" * 1000) + compressor.compress(b"") + compressor.compress(b"xyz") + compressor.flush()
    )
    assert decompress(packed, encoding, 10_000) == b"abc" * 1000 + b"xyz"


@pytest.mark.parametrize("encoding", sorted(_PACK))
def test_concatenated_frames_are_one_body(encoding: str):
    """Clients compress each block of an insert by itself."""
    packed = b"".join(_PACK[encoding](part) for part in (b"one", b"", b"two" * 500))
    assert decompress(packed, encoding, 10_000) == b"one" + b"two" * 500


@pytest.mark.parametrize("encoding", sorted(_PACK))
def test_a_bomb_is_stopped(encoding: str):
    """A body that unpacks beyond the limit is refused."""
    with pytest.raises(EngineError) as caught:
        decompress(_PACK[encoding](bytes(50_000_000)), encoding, 1_000_000)
    assert caught.value.code == QUERY_IS_TOO_LARGE


@pytest.mark.parametrize("encoding", sorted(_PACK))
def test_a_body_of_the_limit_fits(encoding: str):
    """The limit itself is allowed."""
    assert len(decompress(_PACK[encoding](bytes(5000)), encoding, 5000)) == 5000


@pytest.mark.parametrize("encoding", sorted(_PACK))
@pytest.mark.parametrize("damage", ["cut", "garbage"])
def test_broken_bodies_are_refused(encoding: str, damage: str):
    """A body that is cut short or not compressed at all is the client's mistake."""
    packed = _PACK[encoding](b"abc" * 1000)
    with pytest.raises(EngineError) as caught:
        decompress(packed[:-3] if damage == "cut" else b"not compressed", encoding, 10_000)
    assert caught.value.code == INCORRECT_DATA


def test_unknown_encodings_are_refused():
    """An encoding that is not served is named."""
    with pytest.raises(EngineError, match="'br' is not one of lz4, zstd, gzip, deflate") as caught:
        decompress(b"x", "br", 10)
    assert caught.value.code == UNKNOWN_COMPRESSION_METHOD


@pytest.mark.parametrize(
    ("header", "chosen"),
    [
        pytest.param(None, None, id="none"),
        pytest.param("", None, id="empty"),
        pytest.param("br, identity", None, id="unknown"),
        pytest.param("lz4,zstd,gzip", "lz4", id="first"),
        pytest.param("gzip;q=0.5, zstd", "zstd", id="weight"),
        pytest.param("gzip;q=0, zstd;q=0.1", "zstd", id="refused"),
        pytest.param("GZIP", "gzip", id="case"),
        pytest.param("gzip;q=x", None, id="broken"),
    ],
)
def test_the_client_chooses_the_encoding(header: str | None, chosen: str | None):
    """The first of ours with the highest weight in Accept-Encoding is taken."""
    assert accepted(header) == chosen
