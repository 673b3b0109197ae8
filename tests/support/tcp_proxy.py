"""A TCP proxy on this machine that a test can make cut all connections, or forget them."""

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Coroutine
from typing import Any

from clustertrack.local.ports import HOST

_CHUNK = 64 * 1024
_RESET_AT_CLOSE = struct.pack("ii", 1, 0)
_SECONDS = 10


class TcpProxy:
    """Forwards bytes from one port to another, by an event loop in a thread of its own."""

    def __init__(self, port: int, target: int) -> None:
        self._target = target
        self._loop = asyncio.new_event_loop()
        self._writers: set[asyncio.StreamWriter] = set()
        self._gates: list[asyncio.Event] = []
        self._open_gate()
        self.connections = 0
        """How many were ever opened."""
        self.cuts = 0
        """How many were cut."""
        self.carried = 0
        """Bytes forwarded, both ways."""
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._server = self._call(asyncio.start_server(self._serve, HOST, port))

    def _call(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(_SECONDS)

    def cut(self) -> int:
        """Reset all connections, on both sides, at any moment; returns how many they were."""

        async def run() -> int:
            cut = len(self._writers)
            for writer in self._writers:
                with contextlib.suppress(OSError):  # its own side has just closed it
                    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_AT_CLOSE)
                writer.transport.abort()
            self._writers.clear()
            return cut // 2

        cut = int(self._call(run()))
        self.cuts += cut
        return cut

    def silence(self) -> None:
        """Forward nothing more on the connections that are open; new ones work. Neither side is informed."""

        async def run() -> None:
            self._gates[-1].clear()
            self._open_gate()

        self._call(run())

    def release(self) -> None:
        """Forward what silent connections received since: it arrives late."""

        async def run() -> None:
            for gate in self._gates:
                gate.set()

        self._call(run())

    def _open_gate(self) -> None:
        gate = asyncio.Event()
        gate.set()
        self._gates.append(gate)

    def close(self) -> None:
        """Take no more connections, and cut those that are open."""

        async def run() -> None:
            self._server.close()
            await asyncio.gather(*asyncio.all_tasks() - {asyncio.current_task()})

        self.release()
        self.cut()
        self._call(run())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_SECONDS)
        self._loop.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        gate = self._gates[-1]
        try:
            far_reader, far_writer = await asyncio.open_connection(HOST, self._target)
        except OSError:
            writer.transport.abort()
            return
        ends = {writer, far_writer}
        self._writers |= ends
        try:
            await asyncio.gather(self._forward(reader, far_writer, gate), self._forward(far_reader, writer, gate))
        finally:
            self._writers -= ends
            for end in ends:
                end.close()

    async def _forward(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, gate: asyncio.Event) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(_CHUNK):
                await gate.wait()
                self.carried += len(data)
                sink.write(data)
                await sink.drain()
        sink.close()
