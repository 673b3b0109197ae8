"""bytewax 0.21: a dataflow with keyed state, its Kafka connector, and a sink for the ledger.

After its documentation: "Kafka connector" (`KafkaSource`, `KafkaSink`), "Stateful operators" (`stateful_flat_map`,
state by key), "Custom connectors" (`DynamicSink`) and "Recovery" (a SQLite store that holds offsets and state, a
snapshot every second: what the others call commit). The state of a company is the versions seen of it.
"""

from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path

import bytewax.operators as op
from bytewax.connectors.kafka import KafkaSink, KafkaSinkMessage, KafkaSource, KafkaSourceMessage
from bytewax.dataflow import Dataflow
from bytewax.outputs import DynamicSink, StatelessSinkPartition
from bytewax.recovery import RecoveryConfig, init_db_dir
from bytewax.run import cli_main
from common import Buffer, Decision, Judge, Setup

Versions = dict[bytes, int]


class LedgerPartition(StatelessSinkPartition[Decision]):
    """Inserts the records that arrive together."""

    def __init__(self, setup: Setup) -> None:
        self._writer, self._buffer = setup.writer(), Buffer()

    def write_batch(self, values: list[Decision]) -> None:
        """Insert."""
        for decision in values:
            self._buffer.add(decision)
        self._writer.insert(self._buffer.take())


class LedgerSink(DynamicSink[Decision]):
    """One partition per worker."""

    def __init__(self, setup: Setup) -> None:
        self._setup = setup

    def build(self, _step_id: str, _worker_index: int, _worker_count: int) -> LedgerPartition:
        """See `DynamicSink`."""
        return LedgerPartition(self._setup)


def main() -> None:
    """Run until killed."""
    setup = Setup.read()
    judge = Judge(setup)

    def decide(versions: Versions | None, message: KafkaSourceMessage) -> tuple[Versions, Iterable[Decision]]:
        known = versions if versions is not None else {}
        decision = judge.decide(
            message.partition,
            message.offset,
            message.timestamp[1],
            message.key,
            message.value,
            message.headers,
            known.setdefault,
        )
        return known, (decision,)

    def outputs(decision: Decision) -> KafkaSinkMessage | None:
        if decision.output is None:
            return None
        topic, key, value, headers = decision.output
        return KafkaSinkMessage(key, value, topic, headers)

    flow = Dataflow("ledger")
    records = op.input(
        "events", flow, KafkaSource([setup.bootstrap], [setup.topic], batch_size=20_000 // setup.partitions)
    )
    keyed = op.key_on("company", records, lambda message: message.key.decode())
    decided = op.key_rm("decided", op.stateful_flat_map("decide", keyed, decide))
    op.output("ledger", decided, LedgerSink(setup))
    produced = op.filter_map("outputs", decided, outputs)
    sink = KafkaSink([setup.bootstrap], None, add_config={"linger.ms": "5", "batch.size": "900000"})
    op.output("enriched", produced, sink)

    folder = Path(setup.folder)
    folder.mkdir(parents=True)
    init_db_dir(folder, 1)
    cli_main(flow, epoch_interval=timedelta(seconds=1), recovery_config=RecoveryConfig(str(folder), timedelta(0)))


if __name__ == "__main__":
    main()
