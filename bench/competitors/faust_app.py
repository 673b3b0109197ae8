"""Faust as it comes: an agent that takes one message at a time, a Table in RocksDB with its changelog, `send`.

After its user guide: "Agents", "Tables" (`store="rocksdb://"`), "Streams" (`noack()`, so that a record is acked only
when it is stored). Rows are gathered and inserted by a timer, in a thread while the agent goes on; a record is acked
when its row is stored and what `send` gave back is confirmed. Fetching, buffering and producing are left as Faust has
them; with FAUST_TUNED in the environment they are set as the product sets them, which no guide of Faust's does.
"""

import asyncio
import os
from functools import partial
from pathlib import Path

import faust
from common import Buffer, Judge, Setup

ROWS = 20_000
SECONDS = 0.3
TUNED = {
    "broker_max_poll_records": 8_000,
    "stream_buffer_maxsize": 16_384,
    "producer_linger": 0.02,
    "producer_max_batch_size": 900_000,
    "producer_max_request_size": 4_000_000,
}

setup = Setup.read()
judge = Judge(setup)
writer = setup.writer()
app = faust.App(
    setup.group,
    broker=f"kafka://{setup.bootstrap}",
    store="rocksdb://",
    datadir=Path(setup.folder),
    topic_partitions=setup.partitions,
    topic_disable_leader=True,
    topic_replication_factor=1,
    table_standby_replicas=0,
    consumer_auto_offset_reset="earliest",
    broker_commit_interval=0.5,
    producer_acks=-1,
    web_enabled=False,
    **(TUNED if "FAUST_TUNED" in os.environ else {}),
)
raw = {"key_type": bytes, "value_type": bytes, "key_serializer": "raw", "value_serializer": "raw"}
events = app.topic(setup.topic, partitions=setup.partitions, **raw)
topics = {name: app.topic(name, partitions=setup.partitions, **raw) for name in (setup.enriched, setup.rejected)}
table = app.Table("seen", partitions=setup.partitions, key_type=bytes, value_type=bytes)
buffer, taken, sent = Buffer(), [], []


def first_seen(version: bytes, offset: int) -> int:
    """See `Judge.decide`."""
    found = table.get(version)
    if found is not None:
        return int(found)
    table[version] = b"%d" % offset
    return offset


@app.agent(events)
async def take(stream: faust.Stream) -> None:
    """Decide on the records one by one."""
    async for event in stream.noack().events():
        message = event.message
        taken.append((stream, event))
        decision = judge.decide(
            message.partition,
            message.offset,
            round(message.timestamp * 1000),
            message.key,
            message.value,
            message.headers,
            first_seen,
        )
        buffer.add(decision)
        if decision.output is not None:
            topic, key, value, headers = decision.output
            sent.append(await topics[topic].send(key=key, value=value, headers=headers))
        if len(buffer) >= ROWS:
            await flush()


lock = asyncio.Lock()


@app.timer(SECONDS)
async def flush() -> None:
    """Store what was taken, wait until everything sent is confirmed, then ack."""
    async with lock:
        rows, acks, confirmations = buffer.take(), taken[:], sent[:]
        taken.clear()
        sent.clear()
        if not acks:
            return
        await asyncio.get_running_loop().run_in_executor(None, partial(writer.insert, rows))
        await asyncio.gather(*confirmations)
        for stream, event in acks:
            await stream.ack(event)


if __name__ == "__main__":
    faust.Worker(app, loglevel="WARNING", quiet=True).execute_from_commandline()
