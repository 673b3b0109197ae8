"""A connection on which a request was not answered in time is closed, so that the next request makes a new one.

aiokafka 0.14 does so for most requests, but not for those of metadata: a client whose connection died silently (a
firewall that forgot it, a host without power) asks on it again and again, and never finds a leader for a topic that it
does not know yet.
"""

from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any, Final

from aiokafka.conn import AIOKafkaConnection, CloseReason

answered: Final[list[Callable[[], None]]] = []
"""Called after each answer of Kafka."""

_send = AIOKafkaConnection.send


def install() -> None:
    """Make every connection of this process do so; a second call changes nothing."""
    AIOKafkaConnection.send = send


@wraps(_send)
def send(connection: AIOKafkaConnection, request: object, *arguments: object, **options: object) -> Awaitable[Any]:
    """As aiokafka's, and closes the connection when the answer does not come in time."""
    # Not a coroutine: the request is written at once, in the order of the calls.
    return _answer(connection, _send(connection, request, *arguments, **options))


async def _answer(connection: AIOKafkaConnection, waiting: Awaitable[Any]) -> Any:  # noqa: ANN401  (aiokafka has no types)
    try:
        answer = await waiting
    except TimeoutError:
        connection.close(reason=CloseReason.CONNECTION_TIMEOUT)
        raise
    for told in answered:
        told()
    return answer
