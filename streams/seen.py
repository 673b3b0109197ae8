"""The dedupe state: which versions were seen, and where first. RocksDB behind Faust's Table, one folder per partition.

Faust's Table brings the changelog topic, its assignment beside the events and its recovery; reading and writing go
to RocksDB in bulk, since a Table's own get and set take one message at a time.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import rocksdict
from faust import stores
from faust.stores.rocksdb import Store as RocksStore
from faust.types.tuples import TP

from streams.pipeline import StateFailure

TABLE: Final = "seen"
STORE_URL: Final = "clustertrackrocks://"
KEEP_SECONDS: Final = 400 * 24 * 3600
"""A version that was seen is forgotten after 400 days; the ledger, which never forgets, is the final word."""


class ClosingStore(RocksStore):  # type: ignore[misc]
    """RocksDB store that closes a partition when it is revoked.

    Faust drops its reference and hopes for the garbage collector, so that a partition that comes back may still be
    locked by its own process.
    """

    def revoke_partitions(self, table: Any, tps: set[TP]) -> None:
        """Close the databases of revoked partitions."""
        for tp in tps:
            if tp.topic in table.changelog_topic.topics:
                self._close(tp.partition)

    async def stop(self) -> None:
        """Close all databases."""
        for partition in list(self._dbs):
            self._close(partition)

    def _close(self, partition: int) -> None:
        database = self._dbs.pop(partition, None)
        if database is not None:
            database.close()


stores.STORES.aliases["clustertrackrocks"] = "streams.seen:ClosingStore"


class RocksSeen:
    """The dedupe state of one worker."""

    def __init__(self, table: Any) -> None:
        """Args: table: Faust's Table; its store is a `ClosingStore`."""
        self._table = table

    def get(self, partition: int, keys: list[bytes]) -> Sequence[bytes | None]:
        """Marks by their keys."""
        try:
            marks: Sequence[bytes | None] = self._database(partition).get(keys)
        except Exception as error:
            # rocksdict raises bare exceptions; whatever it is, no record is to blame.
            raise StateFailure(f"dedupe state of partition {partition} cannot be read: {error}") from error
        return marks

    def write(self, partition: int, marks: Mapping[bytes, bytes], changelog_offset: int | None) -> None:
        """Store marks and how far the changelog is applied, at once."""
        batch = rocksdict.WriteBatch(raw_mode=True)
        for key, mark in marks.items():
            batch.put(key, mark)
        if changelog_offset is not None:
            batch.put(self._table.data.offset_key, b"%d" % changelog_offset)
        self._write(partition, batch)

    def recover(self, partition: int, records: Sequence[Any]) -> None:
        """Apply changelog records in bulk: one write per fetch instead of one per record."""
        batch = rocksdict.WriteBatch(raw_mode=True)
        for record in records:
            if record.value is None:
                batch.delete(record.key)
            else:
                batch.put(record.key, record.value)
        batch.put(self._table.data.offset_key, b"%d" % records[-1].offset)
        self._write(partition, batch)

    def _write(self, partition: int, batch: Any) -> None:
        try:
            self._database(partition).write(batch)
        except Exception as error:
            raise StateFailure(f"dedupe state of partition {partition} cannot be written: {error}") from error

    def _database(self, partition: int) -> Any:
        return self._table.data._db_for_partition(partition)  # noqa: SLF001 - see test_faust_contract
