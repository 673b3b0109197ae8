"""quixstreams 3.28: a StreamingDataFrame with durable state, its producer, and a batching sink.

After its documentation: "Stateful Processing" (`stateful=True`, RocksDB with a changelog), "Creating a Custom Sink"
(`BatchingSink`: written at every checkpoint, before the offsets are committed), "Checkpointing" (`commit_every`,
`commit_interval`) and "Configuration" (`consumer_extra_config`, `producer_extra_config`). Keys and values of the
state are bytes, which spares it JSON.
"""

from common import Buffer, Decision, Headers, Judge, Output, Setup
from quixstreams import Application, State, message_context
from quixstreams.models import BytesSerializer, SerializationContext
from quixstreams.sinks import BatchingSink, SinkBatch


class LedgerSink(BatchingSink):
    """Stores what was decided since the last checkpoint, all partitions in one insert."""

    def __init__(self, setup: Setup) -> None:
        super().__init__()
        self._writer, self._buffer = setup.writer(), Buffer()

    def keep(self, decision: Decision) -> None:
        """Add one record. Not in `add`: two branches of a dataframe would pickle and copy every record."""
        self._buffer.add(decision)

    def add(self, *_: object, **__: object) -> None:
        """Nothing: see `keep`."""

    def write(self, batch: SinkBatch) -> None:
        """Nothing: see `flush`."""

    def flush(self) -> None:
        """Insert; an exception aborts the checkpoint."""
        if self._buffer:
            self._writer.insert(self._buffer.take())


class ValueOf(BytesSerializer):
    """The value of an output."""

    def __call__(self, value: Output, ctx: SerializationContext) -> bytes:
        """See `Serializer`."""
        return super().__call__(value.value, ctx)


def main() -> None:
    """Run until killed."""
    setup = Setup.read()
    judge = Judge(setup)
    application = Application(
        broker_address=setup.bootstrap,
        consumer_group=setup.group,
        auto_offset_reset="earliest",
        commit_every=20_000,
        commit_interval=1.0,
        state_dir=setup.folder,
        auto_create_topics=True,
        loglevel="WARNING",
        producer_extra_config={"linger.ms": 20, "batch.size": 900_000, "queue.buffering.max.messages": 200_000},
    )
    events = application.topic(setup.topic, key_deserializer="bytes", value_deserializer="bytes")
    topics = {
        name: application.topic(name, key_serializer="bytes", value_serializer=ValueOf())
        for name in (setup.enriched, setup.rejected)
    }
    sink = LedgerSink(setup)

    def decide(value: bytes, key: bytes, timestamp: int, headers: Headers, state: State) -> Decision:
        def first_seen(version: bytes, offset: int) -> int:
            found = state.get_bytes(version)
            if found is not None:
                return int(found)
            state.set_bytes(version, b"%d" % offset)
            return offset

        place = message_context()
        return judge.decide(place.partition, place.offset, timestamp, key, value, headers, first_seen)

    (
        application.dataframe(events)
        .apply(decide, stateful=True, metadata=True)
        .update(sink.keep)
        .filter(lambda decision: decision.output is not None)
        .apply(lambda decision: decision.output)
        .set_headers(lambda output, *_: output.headers)
        .to_topic(lambda output, *_: topics[output.topic])
        .sink(sink)
    )
    application.run()


if __name__ == "__main__":
    main()
