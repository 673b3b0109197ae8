"""The body of a request, piece by piece: unpacked, within limits of bytes and of time."""

import asyncio
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, MutableMapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

from brokers.unpacking import FRAMES
from sources.collector.limits import Budget
from sources.collector.problems import ProblemError

PIECE: Final = 64 << 10
"""Bytes of one unpacked piece at most."""
BUSY_SECONDS: Final = 1
"""When a client may try again that found no room."""
_GZIP: Final = ("gzip", "x-gzip")

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]


class DisconnectedError(Exception):
    """The client is gone: nobody reads an answer."""


@dataclass(frozen=True, slots=True)
class BodyLimits:
    """What one body may take."""

    size: int
    """Bytes, as they come and unpacked."""
    idle_seconds: float
    """Between two pieces."""
    seconds: float
    """For all of it."""


class Body:
    """Reads one body; `release` gives back the room that it holds.

    Args:
        receive: of ASGI.
        encoding: the Content-Encoding, empty for none.
        length: the Content-Length, None without one.
        limits: of this body.
        budget: of all requests together.
        arrived: all of it is there already, so nothing has to be waited for.
    """

    def __init__(
        self,
        receive: Receive,
        encoding: str,
        length: int | None,
        limits: BodyLimits,
        budget: Budget,
        *,
        arrived: bool = False,
    ) -> None:
        if encoding and encoding not in (*_GZIP, "identity"):
            raise ProblemError(
                HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
                "unsupported_encoding",
                f"Content-Encoding is {encoding[:40]}: compress the body with gzip, or leave it as it is",
                headers={"Accept-Encoding": "gzip"},
            )
        if length is not None and length > limits.size:
            raise _too_large(limits)
        self._receive, self._limits, self._budget, self._arrived = receive, limits, budget, arrived
        self._gunzip = Gunzip() if encoding in _GZIP else None
        self._held = 0
        self._more = True
        self._end = 0.0
        self.received = 0
        """Bytes so far, as they came."""

    async def whole(self) -> bytes:
        """All of it; errors as of `pieces`."""
        if self._gunzip is not None:
            return b"".join([piece async for piece in self.pieces()])
        piece = await self._next()
        self._hold(len(piece))
        if not self._more:
            return piece
        pieces = [piece]
        while self._more:
            piece = await self._next()
            self._hold(len(piece))
            pieces.append(piece)
        return b"".join(pieces)

    async def pieces(self) -> AsyncIterator[bytes]:
        """One after the other; those of a compressed body unpacked.

        Raises:
            ProblemError: it is too large, comes too slowly, is damaged, or there is no room.
            DisconnectedError: the client is gone.
        """
        unpacked = 0
        while self._more:
            for piece in self._unpack(await self._next()):
                unpacked += len(piece)
                if unpacked > self._limits.size:
                    raise _too_large(self._limits)
                self._hold(len(piece))
                yield piece
        if self._gunzip is not None and not self._gunzip.ended:
            raise _damaged("it ends too soon")

    def release(self) -> None:
        """Nothing of what was read so far is needed any more."""
        self._budget.give(self._held)
        self._held = 0

    async def _next(self) -> bytes:
        """What comes next, as it comes."""
        message = await (self._receive() if self._arrived else self._in_time())
        if message["type"] != "http.request":
            raise DisconnectedError
        self._more = message.get("more_body", False)
        piece: bytes = message.get("body", b"")
        self.received += len(piece)
        if self.received > self._limits.size:
            raise _too_large(self._limits)
        return piece

    async def _in_time(self) -> MutableMapping[str, Any]:
        now = asyncio.get_running_loop().time()
        self._end = self._end or now + self._limits.seconds
        try:
            async with asyncio.timeout_at(min(self._end, now + self._limits.idle_seconds)):
                return await self._receive()
        except TimeoutError:
            raise ProblemError(
                HTTPStatus.REQUEST_TIMEOUT,
                "too_slow",
                f"the body did not come within {self._limits.seconds:g} s, or nothing of it for "
                f"{self._limits.idle_seconds:g} s: send it again, in smaller parts",
            ) from None

    def _unpack(self, packed: bytes) -> Iterator[bytes]:
        return iter((packed,)) if self._gunzip is None else self._gunzip.unpack(packed)

    def _hold(self, size: int) -> None:
        if not self._budget.take(size):
            raise no_room()
        self._held += size


def no_room() -> ProblemError:
    """Too much is in work already."""
    return ProblemError(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "busy",
        "the collector has as much in work as it takes at once: send it again later",
        retry_after=BUSY_SECONDS,
    )


class Gunzip:
    """Unpacks a gzip stream as it comes, in pieces of at most `PIECE` bytes."""

    def __init__(self) -> None:
        self._frames = 0
        self._inside = self._new()

    @property
    def ended(self) -> bool:
        """Whether the stream is complete."""
        return bool(self._inside.eof)

    def unpack(self, packed: bytes) -> Iterator[bytes]:
        """What a piece of it holds.

        Raises:
            ProblemError: it is damaged.
        """
        try:
            while packed:
                if self._inside.eof:
                    self._inside = self._new()
                piece = self._inside.decompress(packed, PIECE)
                packed = self._inside.unused_data if self._inside.eof else self._inside.unconsumed_tail
                if piece:
                    yield piece
        except zlib.error as error:
            raise _damaged(str(error)) from error

    def _new(self) -> "zlib._Decompress":
        self._frames += 1
        if self._frames > FRAMES:
            raise _damaged(f"it has more than {FRAMES} parts")
        return zlib.decompressobj(wbits=31)


def _too_large(limits: BodyLimits) -> ProblemError:
    return ProblemError(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        "body_too_large",
        f"the body is larger than {limits.size:,} bytes, as it is sent or unpacked: send it in several requests",
    )


def _damaged(what: str) -> ProblemError:
    return ProblemError(
        HTTPStatus.BAD_REQUEST, "damaged_gzip", f"the body is no whole gzip stream ({what}): compress it again"
    )
