"""How records reach Kafka: every delivery confirmed, in a bounded time, on the partition that Java would choose.

    Publisher (Protocol)
    ├── Counter           only counts: dry runs
    ├── MemoryPublisher   keeps the records in a list: tests
    └── KafkaPublisher    kafka-python's idempotent producer, acks=all

Errors: those of `brokers.admin` before anything is sent; `DeliveryFailed` with the last place up to which
everything is confirmed.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import PurePath
from typing import Any, Final, NamedTuple, Protocol

from kafka.errors import KafkaError, KafkaTimeoutError, UnknownError

from brokers.admin import CONNECT_MS
from brokers.connection import KafkaConnection
from brokers.partitioning import key_hash
from brokers.record_headers import LINE
from schemas.counts import counted
from schemas.errors import Unreachable
from schemas.screen import note_reached
from sources.topic_producer import DELIVERY_MS, MAX_RECORD, REQUEST_MS, TopicProducer, open_producer, why_not_sent

MAX_VALUE: Final = MAX_RECORD - 512
"""Bytes of a value that certainly fit: a batch adds 61 bytes, a record up to 30, its key and its headers up to 350."""
_LONGEST_NAME: Final = 255
"""Bytes of a file's name: file systems take no more."""

_MOST_PENDING: Final = 20_000
_MOST_PENDING_BYTES: Final = 16 * 1024 * 1024
"""kafka-python 3 has no limit on what it buffers (its `buffer_memory` is gone), so the limit is here."""


Headers = Sequence[tuple[str, bytes]]


class SourceLine(NamedTuple):
    """Where a record comes from: the file as the user named it, and the line (or row) in it, counted from 1."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"line {self.line:,} of {self.file}"


class DeliveryFailed(Unreachable):
    """Kafka took or confirmed no more.

    Attributes:
        place: of the first record that is not confirmed.
        confirmed: the last place such that it and everything before it is confirmed; None when nothing is.
        records: how many records are confirmed up to there.
        cause: what Kafka or its client said.
    """

    def __init__(self, *, place: SourceLine, confirmed: SourceLine | None, records: int, cause: str) -> None:
        until = (
            f"{confirmed} is the last confirmed, with all before it ({counted(records, 'record')})"
            if confirmed
            else ("nothing is confirmed")
        )
        super().__init__(
            f"Kafka did not confirm {place} ({cause}): {until}; repeat the command when Kafka answers, "
            "what arrives twice is counted once"
        )
        self.place = place
        self.confirmed = confirmed
        self.records = records
        self.cause = cause


class Publisher(Protocol):
    """Takes records in order; `flush` returns only when every one is confirmed, else DeliveryFailed is raised."""

    @property
    def records(self) -> int:
        """Records confirmed so far, without a gap."""

    @property
    def confirmed(self) -> SourceLine | None:
        """Place of the last of them."""

    def send(self, key: bytes | None, value: bytes, place: SourceLine) -> None:
        """Hand over one record; may raise DeliveryFailed for this or any earlier one."""

    def flush(self) -> None:
        """Wait until all is confirmed."""


class MemoryPublisher:
    """Keeps what it is given, as (key, value, place)."""

    def __init__(self) -> None:
        self.sent: list[tuple[bytes | None, bytes, SourceLine]] = []

    @property
    def records(self) -> int:
        """Number of records kept."""
        return len(self.sent)

    @property
    def confirmed(self) -> SourceLine | None:
        """Place of the last record."""
        return self.sent[-1][2] if self.sent else None

    def send(self, key: bytes | None, value: bytes, place: SourceLine) -> None:
        """Keep one record."""
        self.sent.append((key, value, place))

    def flush(self) -> None:
        """All is kept already."""


class Counter:
    """The publisher of a dry run: counts, and lets go."""

    confirmed: SourceLine | None = None

    def __init__(self) -> None:
        self.records = 0

    def send(self, key: bytes | None, value: bytes, place: SourceLine) -> None:
        """Count one record."""
        del key, value
        self.records += 1
        self.confirmed = place

    def flush(self) -> None:
        """There is nothing to wait for."""


class KafkaPublisher:
    """Sends to one topic and confirms every record, in order of sending. Use `kafka_publisher` to open one."""

    def __init__(self, producer: TopicProducer, *, headers: Headers, patience: float) -> None:
        self._producer = producer
        self._without_key = 0
        self._file, self._name = "", b""
        self._headers = list(headers)
        self._patience = patience
        self._pending: deque[tuple[Any, SourceLine, int]] = deque()
        self._pending_bytes = 0
        self.records = 0
        self.confirmed: SourceLine | None = None

    @property
    def handed_over(self) -> bool:
        """Whether there was anything to send."""
        return bool(self.records or self._pending)

    def send(self, key: bytes | None, value: bytes, place: SourceLine) -> None:
        """Hand over one record, waiting while too much is unconfirmed."""
        try:
            future = self._append(key, value, place)
        except KafkaError as error:
            # Settle what was sent before, so that the place named is the first one in doubt.
            self.flush()
            raise self._failure(place, error) from error
        size = len(value)
        self._pending.append((future, place, size))
        self._pending_bytes += size
        if self._pending[0][0].is_done:
            self._settle()
        while len(self._pending) > _MOST_PENDING or self._pending_bytes > _MOST_PENDING_BYTES:
            self._await_oldest()

    def _append(self, key: bytes | None, value: bytes, line: SourceLine) -> Any:  # noqa: ANN401  (kafka-python carries no types)
        if key is None:
            self._without_key += 1
            number = self._without_key
        else:
            number = key_hash(key)
        headers = [*self._headers, (LINE, b"%b:%d" % (self._file_name(line.file), line.line))]
        return self._producer.append(number, key, value, headers)

    def _file_name(self, file: str) -> bytes:
        """The name without its folder, which is private; many records share one file."""
        if file != self._file:
            self._file, self._name = file, PurePath(file).name.encode("utf-8", "replace")[-_LONGEST_NAME:]
        return self._name

    def flush(self) -> None:
        """Wait until every record is confirmed."""
        try:
            self._producer.flush(self._patience)
        except KafkaTimeoutError:
            # The loop below names the first record in doubt.
            self._patience = 0.0
        except UnknownError:  # kafka-python takes a batch that was split for one without an answer
            pass
        while self._pending:
            self._await_oldest()

    def _await_oldest(self) -> None:
        future, place, _ = self._pending[0]
        try:
            future.get(timeout=self._patience)
        except KafkaError as error:
            raise self._failure(place, error) from error
        self._settle()

    def _settle(self) -> None:
        """Count the confirmed records at the head of the queue."""
        pending = self._pending
        while pending and pending[0][0].is_done:
            future, place, size = pending[0]
            if future.failed():
                raise self._failure(place, future.exception)
            pending.popleft()
            self._pending_bytes -= size
            self.records += 1
            self.confirmed = place

    def _failure(self, place: SourceLine, cause: BaseException) -> DeliveryFailed:
        reason = why_not_sent(self._producer.topic, cause)
        return DeliveryFailed(place=place, confirmed=self.confirmed, records=self.records, cause=reason)


@contextmanager
def kafka_publisher(
    kafka: KafkaConnection,
    topic: str,
    *,
    headers: Headers = (),
    connect_ms: int = CONNECT_MS,
    request_ms: int = REQUEST_MS,
    delivery_ms: int = DELIVERY_MS,
) -> Iterator[KafkaPublisher]:
    """A publisher to `topic`, closed at the end. The caller flushes: leaving without it may leave records unconfirmed.

    Args:
        kafka: where the brokers are.
        topic: must exist.
        headers: of every record; `ct-line`, which says where each comes from, is added.
        connect_ms: how long to try to reach a broker, and to learn of the topic.
        request_ms: how long one request may take before it is repeated.
        delivery_ms: how long a record may take, repetitions included; at least `request_ms`.

    Raises:
        KafkaUnreachable, CheckFailed, Unreachable
    """
    producer = open_producer(kafka, topic, connect_ms=connect_ms, request_ms=request_ms, delivery_ms=delivery_ms)
    with closing(producer):
        publisher = KafkaPublisher(producer, headers=headers, patience=(delivery_ms + request_ms) / 1000)
        try:
            yield publisher
        finally:
            if publisher.handed_over:
                note_reached(f"Kafka confirmed {counted(publisher.records, 'record')}")
