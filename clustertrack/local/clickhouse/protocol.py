"""HTTP as uvicorn reads it, with two bounds that it lacks."""

from typing import Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_HEAD_BYTES: Final = 64 << 10
"""Of a request's line and headers, as in uvicorn's slower protocol."""


class BoundedProtocol(HttpToolsProtocol):
    """Cuts off a request whose head is too long, and lets a request end its connection: `scope["abort"]`."""

    _head = 0

    def data_received(self, data: bytes) -> None:
        """Count what is neither body nor a head that is complete."""
        self._head += len(data)
        super().data_received(data)
        if self._head > MAX_HEAD_BYTES and not self.transport.is_closing():
            self.send_400_response(f"The head of the request is longer than {MAX_HEAD_BYTES} bytes.")

    def on_headers_complete(self) -> None:
        """The head is read."""
        self._head = 0
        super().on_headers_complete()
        self.scope["abort"] = self.transport.abort  # type: ignore[typeddict-unknown-key]  # ASGI lets servers add keys

    def on_body(self, body: bytes) -> None:
        """So is this; headers may follow after the last piece."""
        self._head = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The next request begins."""
        self._head = 0
        super().on_message_complete()
