r"""The name of a Kafka header as text, whatever it is made of.

Kafka says that the name is text; brokers do not check it. Client libraries decode it while they unpack a fetch, so that
one such record makes its partition unreadable for ever. They are made to read `Readable` bytes instead.
"""

from typing import Any


class Readable(bytes):
    r"""Bytes that always become text: what is no UTF-8 is written as escapes (`\xff`)."""

    def __getitem__(self, item: Any) -> Any:  # noqa: ANN401 - as of bytes
        found = super().__getitem__(item)
        return Readable(found) if isinstance(item, slice) else found

    def decode(self, encoding: str = "utf-8", errors: str = "backslashreplace") -> str:
        """Text in UTF-8, whatever errors would else be raised."""
        del encoding, errors
        return super().decode("utf-8", "backslashreplace")
