"""The dedupe state: which versions were seen, and where first. RocksDB behind Faust's Table, one folder per partition.

Faust's Table brings the changelog topic, its assignment together with the events and its recovery; reading and writing
go to RocksDB in bulk, since a Table's own get and set take one message at a time.

Marks are kept permanently. Faust's option `ttl` must not be used: with it, rocksdict 0.3.29 drops every entry that a
compaction at the opening of a database comes across (from four files on), no matter how long the `ttl` is.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import rocksdict
import structlog
from faust import stores
from faust.stores.rocksdb import RocksDBOptions
from faust.stores.rocksdb import Store as RocksStore
from faust.types.tuples import TP

from schemas.own_folders import move, remove
from streams.interfaces import StateError

log = structlog.get_logger()

TABLE: Final = "seen"
STORE_URL: Final = "clustertrackrocks://"
MEBIBYTE: Final = 1024 * 1024
STORE_OPTIONS: Final = {
    "write_buffer_size": 8 * MEBIBYTE,
    "max_write_buffer_number": 2,
    "block_cache_size": 32 * MEBIBYTE,
    "bloom_filter_size": 10,
}
"""Bounds of the memory that RocksDB takes for each partition, and bits for each key of the filters that show without
the disk that a version is new. Faust's own bounds are 192 MB and 2 GB, and 3 bits."""
_MEMTABLE_FILTER: Final = 0.05
"""Part of a write buffer that its filter takes: about 10 bits for each mark."""
_NO_DAMAGE: Final = (
    "lock hold by",  # by this process
    "lock file",  # by another process
    "No space left",
    "Permission denied",
    "Read-only file system",
    "Too many open files",
)
"""Parts of RocksDB messages that do not blame the files: it offers no other way to tell errors apart."""


class MarkOptions(RocksDBOptions):  # type: ignore[misc]  # Faust has no types
    """Faust's options, and a filter in memory for what is not on the disk yet: most versions are new."""

    def as_options(self) -> Any:
        """What a database is opened with."""
        options = super().as_options()
        options.set_memtable_whole_key_filtering(True)
        options.set_memtable_prefix_bloom_ratio(_MEMTABLE_FILTER)
        return options


class ClosingStore(RocksStore):  # type: ignore[misc]  # Faust has no types
    """RocksDB store that closes a partition when it is revoked, and sets aside marks that cannot be trusted.

    Faust drops its reference and hopes for the garbage collector, so that a partition that comes back may still be
    locked by its own process.

    Marks that are damaged, or that do not belong to the changelog, are moved to `seen-N.db.set-aside` and read again
    from the changelog. That is always safe: the ledger keeps one row per version, so a mark too few costs a `duplicate`
    receipt that reads `accepted`. A mark too many, of another ledger, could cost a version.
    """

    def __init__(self, *args: Any, options: Mapping[str, Any], **kwargs: Any) -> None:
        """Options: those of Faust, and `changelog_id`, the topic id of the changelog that the marks must come from."""
        options = dict(options)
        self._changelog_id: str = options.pop("changelog_id")
        self._given_up: set[int] = set()
        self.told: set[int] = set()
        """Partitions for which the log already says why they begin without marks."""
        super().__init__(*args, options=options, **kwargs)
        self.rocksdb_options = MarkOptions(**options, use_rocksdict=True)

    # ---- which marks may be used

    def persisted_offset(self, tp: TP) -> int | None:
        """Offset up to which the changelog is applied; None when it has to be read from its beginning."""
        try:
            stored = self._db_for_partition(tp.partition).get(self.offset_key)
        except Exception as error:
            # rocksdict raises bare exceptions.
            if not is_damage(error):
                raise
            self.set_aside(tp.partition, str(error))
            return None
        offset, _, changelog_id = (stored or b"").decode("utf-8", "replace").partition(" ")
        if stored is not None and changelog_id != self._changelog_id:
            self.set_aside(tp.partition, "they belong to another changelog, or to one that was deleted")
            return None
        return int(offset) if stored is not None else None

    def set_persisted_offset(self, tp: TP, offset: int) -> None:
        """Remember how far the changelog is applied."""
        self._db_for_partition(tp.partition).put(self.offset_key, self.applied(offset))

    def applied(self, offset: int) -> bytes:
        """What is stored under `offset_key`: an offset means nothing without the topic that it counts in."""
        return f"{offset} {self._changelog_id}".encode()

    def set_aside(self, partition: int, found: str) -> None:
        """Move the marks of a partition out of the way; the next use begins with none. An earlier copy is deleted."""
        self._close(partition)
        path = self.partition_path(partition)
        kept = path.with_name(f"{path.name}.set-aside")
        remove(kept)
        move(path, kept)
        self.told.add(partition)
        log.warning(
            "the marks of a partition cannot be used: set aside, read again from the changelog",
            partition=partition,
            found=found,
            kept_as=str(kept),
        )

    def give_up(self, partition: int, found: str) -> None:
        """Set marks aside in the middle of work: nothing is opened in their place, for this process has to end."""
        if partition not in self._given_up:
            self._given_up.add(partition)
            self.set_aside(partition, found)

    def _open_for_partition(self, partition: int) -> Any:
        if partition in self._given_up:
            raise StateError(f"the marks of partition {partition} were set aside, the worker has to restart")
        try:
            return super()._open_for_partition(partition)
        except Exception as error:
            # rocksdict raises bare exceptions.
            if not is_damage(error):
                raise
            self.set_aside(partition, str(error))
            return super()._open_for_partition(partition)

    # ---- closing

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


def is_damage(error: Exception) -> bool:
    """Whether an error of RocksDB speaks against the files; if not, starting again with the same files may help."""
    return not any(sign in str(error) for sign in _NO_DAMAGE)


stores.STORES.aliases["clustertrackrocks"] = "streams.seen:ClosingStore"


class RocksSeen:
    """The dedupe state of one worker.

    Args:
        table: Faust's Table; its store is a `ClosingStore`.
    """

    def __init__(self, table: Any) -> None:
        self._table = table

    def get(self, partition: int, keys: list[bytes]) -> Sequence[bytes | None]:
        """Marks by their keys."""
        try:
            marks: Sequence[bytes | None] = self._database(partition).get(keys)
        except Exception as error:
            raise self._failure(partition, "read", error) from error
        return marks

    def write(self, partition: int, marks: Mapping[bytes, bytes], changelog_offset: int | None) -> None:
        """Store marks and how far the changelog is applied, at once."""
        batch = rocksdict.WriteBatch(raw_mode=True)
        for key, mark in marks.items():
            batch.put(key, mark)
        if changelog_offset is not None:
            batch.put(self._table.data.offset_key, self._table.data.applied(changelog_offset))
        self._write(partition, batch)

    def recover(self, partition: int, records: Sequence[Any]) -> None:
        """Apply changelog records in bulk: one write per fetch instead of one per record."""
        batch = rocksdict.WriteBatch(raw_mode=True)
        for record in records:
            if record.value is None:
                batch.delete(record.key)
            else:
                batch.put(record.key, record.value)
        batch.put(self._table.data.offset_key, self._table.data.applied(records[-1].offset))
        self._write(partition, batch)

    def compare(self, partition: int, first: int, end: int) -> None:
        """Before a recovery: do the marks fit the changelog, which holds the offsets from `first` to before `end`?"""
        tp = TP(self._table.changelog_topic_name, partition)
        applied = self._table.data.persisted_offset(tp)
        if applied is not None and applied >= end:
            self._table.data.set_aside(partition, f"they are ahead of the changelog ({applied}, it ends at {end})")
            self._table.app.tables.recovery.active_offsets[tp] = applied = None
        lost = first - (-1 if applied is None else applied) - 1
        if lost > 0:
            log.warning(
                "the changelog was cut off: versions from before may be accepted again, which changes no figure",
                partition=partition,
                begins_at=first,
                records_lost=lost,
            )
        elif applied is None and end > first and partition not in self._table.data.told:
            log.info("no marks here, they are read from the changelog", partition=partition, records=end - first)
        self._table.data.told.discard(partition)

    def _write(self, partition: int, batch: Any) -> None:
        try:
            self._database(partition).write(batch)
        except Exception as error:
            raise self._failure(partition, "written", error) from error

    def _failure(self, partition: int, what: str, error: Exception) -> StateError:
        # rocksdict raises bare exceptions; no record is to blame for any of them.
        if is_damage(error):
            self._table.data.give_up(partition, str(error))
        return StateError(f"dedupe state of partition {partition} cannot be {what}: {error}")

    def _database(self, partition: int) -> Any:
        return self._table.data._db_for_partition(partition)  # noqa: SLF001  (see test_faust_contract)
