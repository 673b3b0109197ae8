"""The worker's local state wiped, damaged, aged, or without its changelog: it recovers, and the ledger stays right.

Each test begins with the folder that the one before left behind, harms it while no worker runs, and starts the worker
again. Marks that can be had again are had again: an old version that is published once more is a duplicate. Marks that
are really gone cost a `duplicate` that reads `accepted`, and nothing else.
"""

import json
import os
import re
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Final, Protocol

import pytest
import rocksdict
from chaos import EVENTS, Load, conclude
from faust.stores.rocksdb import RocksDBOptions
from kafka import KafkaConsumer, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType, KafkaAdminClient, NewTopic
from kafka.errors import BrokerResponseError
from runs import LONG_FORM
from stack import wait_for

from brokers.partitioning import partition_of
from clustertrack.local.child import Child

pytestmark = [pytest.mark.integration, pytest.mark.extended, pytest.mark.timeout(300)]

WORKER: Final = "keeper"
SET_ASIDE: Final = "the marks of a partition cannot be used: set aside, read again from the changelog"
CUT_OFF: Final = "the changelog was cut off: versions from before may be accepted again, which changes no figure"
EMPTY: Final = "no marks here, they are read from the changelog"
LOST: Final = "the changelog of the marks was lost: a new one begins, and the former marks are gone"
OFFSET_KEY: Final = b"__faust\0offset__"


class Marks:
    """The keeper's marks on disk and their changelog."""

    def __init__(self, load: Load) -> None:
        self.stack = load.stack
        ((ledger,),) = self.stack.query("SELECT id FROM impact.ledger")
        self.app = f"clustertrack-{ledger}"
        self.changelog = f"{self.app}-seen-changelog"
        self.data = self.stack.folder / WORKER

    def folder(self, partition: int = 0) -> Path:
        """RocksDB of a partition."""
        (found,) = self.data.rglob(f"seen-{partition}.db")
        return found

    def open(self, partition: int = 0) -> rocksdict.Rdict:
        """The database itself, opened as Faust does; opening and closing it moves all marks into .sst files."""
        return RocksDBOptions(use_rocksdict=True).open(self.folder(partition))

    def ends(self) -> dict[TopicPartition, int]:
        """Ends of the changelog."""
        with closing(KafkaConsumer(bootstrap_servers=self.stack.bootstrap)) as consumer:
            places = [TopicPartition(self.changelog, partition) for partition in range(self.stack.partitions)]
            return dict(consumer.end_offsets(places))

    def cut_off(self) -> None:
        """Delete all records that the changelog holds; Kafka does that only while its policy is another one."""
        with closing(KafkaAdminClient(bootstrap_servers=self.stack.bootstrap)) as admin:
            policy = {"cleanup.policy": "delete"}
            admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, self.changelog, configs=policy)])
            wait_for(lambda: self._deleted(admin), 30, "the records to be deleted")
        self.stack.run("migrate")

    def _deleted(self, admin: KafkaAdminClient) -> bool:
        try:
            admin.delete_records(self.ends())
        except BrokerResponseError:
            return False  # the broker does not know the policy yet
        return True

    def delete_changelog(self, *, again: bool) -> None:
        """Delete the topic, and make an empty one of its name by hand."""
        with closing(KafkaAdminClient(bootstrap_servers=self.stack.bootstrap)) as admin:
            admin.delete_topics([self.changelog])
            wait_for(lambda: self.changelog not in admin.list_topics(), 30, "the topic to be gone")
            if again:
                admin.create_topics([NewTopic(self.changelog, self.stack.partitions, self.stack.nodes)])


@pytest.fixture(scope="module")
def marks(load: Load) -> Marks:
    """A worker has counted part of a load and was ended with -9."""
    worker = load.stack.start_worker(WORKER)
    load.publish(load.size(1600))
    load.stack.wait_counted(120)
    load.stack.kill(worker)
    return Marks(load)


class Said(Protocol):
    """Lines of the log."""

    def __call__(self, sentence: str) -> list[dict[str, Any]]:
        """Those that hold the sentence, since the worker was started."""


class Start(Protocol):
    """Starts the worker that the tests are about."""

    def __call__(self, *, wait: bool = True) -> Said:
        """Gives what looks into its log."""


Harm = Callable[[Marks, int], None]
"""Does something to the marks of a partition."""


@pytest.fixture
def keeper(load: Load, marks: Marks) -> Iterator[Start]:
    """Starts the worker; it ends with the test."""
    assert marks.data.is_dir()
    log = load.stack.folder / f"{WORKER}.log"

    def start(*, wait: bool = True) -> Said:
        begin = log.stat().st_size
        load.stack.start_worker(WORKER, wait=wait)

        def said(sentence: str) -> list[dict[str, Any]]:
            with log.open("rb") as file:
                file.seek(begin)
                lines = file.read().decode().splitlines()
            # A worker's last line is not JSON.
            return [json.loads(line) for line in lines if sentence in line and line.startswith("{")]

        return said

    yield start
    while load.stack.workers:
        load.stack.workers.pop().stop(20)


def publish_again(load: Load, old: list[tuple[bytes | None, bytes]]) -> set[tuple[int, int]]:
    """Publish records once more; returns where they are now."""
    with closing(load.stack.producer()) as producer:
        sent = [producer.send(EVENTS, key=key, value=value) for key, value in old]
        places = [future.get(timeout=60) for future in sent]
    load.published += len(places)
    return {(place.partition, place.offset) for place in places}


def repeated(load: Load, number: int = 60) -> Counter[str]:
    """Publish old records once more; what their receipts say."""
    wanted = publish_again(load, load._sent[:: max(1, len(load._sent) // number)])

    def receipts() -> dict[tuple[int, int], str] | None:
        rows = load.stack.query(
            "SELECT partition, offset, toString(status) FROM impact.receipt FINAL "
            "WHERE topic = {t:String} AND (partition, offset) IN {p:Array(Tuple(UInt16, UInt64))}",
            t=EVENTS,
            p=sorted(wanted),
        )
        found = {(partition, offset): status for partition, offset, status in rows}
        return found if found.keys() == wanted else None

    return Counter(wait_for(receipts, 120, "receipts of what was repeated").values())


# ---- a partition's database


def table_overwritten(marks: Marks, partition: int) -> None:
    """All .sst files hold noise."""
    marks.open(partition).close()
    for file in marks.folder(partition).glob("*.sst"):
        file.write_bytes(os.urandom(file.stat().st_size))


def table_deleted(marks: Marks, partition: int) -> None:
    """An .sst file is gone."""
    marks.open(partition).close()
    max(marks.folder(partition).glob("*.sst"), key=lambda file: file.stat().st_size).unlink()


def current_emptied(marks: Marks, partition: int) -> None:
    """The file that names the manifest is empty."""
    (marks.folder(partition) / "CURRENT").write_bytes(b"")


def manifest_cut(marks: Marks, partition: int) -> None:
    """The list of files breaks off."""
    for file in marks.folder(partition).glob("MANIFEST-*"):
        os.truncate(file, 20)


def no_folder(marks: Marks, partition: int) -> None:
    """A file is where the folder should be."""
    folder = marks.folder(partition)
    shutil.rmtree(folder)
    folder.write_text("")


def of_another_ledger(marks: Marks, partition: int) -> None:
    """Copied from a worker of another ledger: the same file names, marks of rows that this ledger need not have."""
    database = marks.open(partition)
    database[OFFSET_KEY] = b"1000000 another-topic-id"
    database.close()


def ahead(marks: Marks, partition: int) -> None:
    """Further than the changelog, which lost its end in a power cut."""
    database = marks.open(partition)
    offset, _, topic_id = database[OFFSET_KEY].partition(b" ")
    database[OFFSET_KEY] = b"%d %s" % (int(offset) + 1_000_000, topic_id)
    database.close()


def locked_by_the_dead(marks: Marks, partition: int) -> None:
    """The lock file of a process that is gone; it is not damage."""
    (marks.folder(partition) / "LOCK").write_text("4711")


@pytest.mark.parametrize(
    "harms",
    [
        pytest.param((table_overwritten, current_emptied, manifest_cut, locked_by_the_dead), id="files damaged"),
        pytest.param((table_deleted, no_folder, of_another_ledger, ahead), id="files gone or not its own"),
    ],
)
def test_marks_that_cannot_be_used_are_read_again(
    load: Load, marks: Marks, keeper: Start, harms: tuple[Harm, ...], request: pytest.FixtureRequest
) -> None:
    """A different harm in each partition: the worker says in one line each what it found; all marks are back."""
    for partition, harm in enumerate(harms):
        harm(marks, partition)
    said = keeper()
    load.publish(load.size(200))
    assert repeated(load).keys() == {"duplicate"}
    harmed = [n for n, harm in enumerate(harms) if harm is not locked_by_the_dead]
    assert sorted(line["partition"] for line in said(SET_ASIDE)) == harmed
    assert said(EMPTY) == []
    conclude(load, f"local state: {request.node.callspec.id}", faults=len(harms))


def no_mark_readable(marks: Marks) -> None:
    """Every mark of a partition is in a block that cannot be read; what is read at the start can be."""
    with closing(marks.open()) as database:
        database.compact_range(None, None)  # one table, so that nothing is left to compact when it is opened
        said = database.property_value("rocksdb.aggregated-table-properties")
        blocks = int(re.search(r"data block size=(\d+)", said)[1])
        # Written last, it gets a table of its own, and the one in the other table is not looked for any more.
        database[OFFSET_KEY] = database[OFFSET_KEY]
        database.flush()
    table = max(marks.folder().glob("*.sst"), key=lambda file: file.stat().st_size)
    # A table begins with its blocks of data. What follows them is read when the database is opened.
    table.write_bytes(bytes(blocks) + table.read_bytes()[blocks:])


def test_damage_that_shows_only_while_working(load: Load, marks: Marks, keeper: Start) -> None:
    """A block that cannot be read stops the worker; the next one finds nothing there and begins with the changelog."""
    no_mark_readable(marks)
    said = keeper(wait=False)
    known = [(key, value) for key, value in load._sent if partition_of(int(key), load.stack.partitions) == 0]
    publish_again(load, known[:20])
    load.publish(load.size(200))
    dying = load.stack.workers[-1]
    wait_for(lambda: dying.exit_code() is not None, 60, "the worker to end")
    assert [line["partition"] for line in said(SET_ASIDE)] == [0]
    keeper()
    assert repeated(load).keys() == {"duplicate"}
    assert [line["partition"] for line in said(SET_ASIDE)] == [0]
    conclude(load, "local state: block unreadable", faults=1)


# ---- the folder as a whole


def test_a_wiped_folder(load: Load, marks: Marks, keeper: Start) -> None:
    """All marks come from the changelog."""
    shutil.rmtree(marks.data)
    said = keeper()
    load.publish(load.size(200))
    assert repeated(load).keys() == {"duplicate"}
    assert len(said(EMPTY)) == load.stack.partitions
    conclude(load, "local state: wiped", faults=1)


def test_an_older_copy_of_the_folder(load: Load, marks: Marks, keeper: Start) -> None:
    """A backup is behind its changelog: what is missing is read from there."""
    copy = marks.data.with_name("copy")
    shutil.copytree(marks.data, copy)
    keeper()
    load.publish(load.size(200))
    load.stack.wait_counted(120)
    load.stack.kill(load.stack.workers[-1])
    shutil.rmtree(marks.data)
    copy.rename(marks.data)
    keeper()
    assert repeated(load).keys() == {"duplicate"}
    conclude(load, "local state: older copy", faults=1)


# ---- partitions that move


@LONG_FORM
def test_partitions_move_away_and_back(load: Load, keeper: Start) -> None:
    """Again and again to another worker and back, in one process: every database is closed and opened again."""
    said = keeper()
    stays = load.stack.workers[-1]
    before = databases(stays)
    publishing, turns = load.background(rate=150, seconds=20), load.size(2)
    for turn in range(turns):
        guest = load.stack.start_worker(f"guest-{turn}")
        wait_for(lambda: 0 < len(databases(stays)) < len(before), 30, "partitions to move away")
        assert guest.stop(20)
        wait_for(lambda: len(databases(stays)) == len(before), 30, "partitions to come back")
    load.stop()
    publishing.join(60)
    assert repeated(load).keys() == {"duplicate"}
    assert said("lock") == []
    conclude(load, "partitions away and back", faults=2 * turns)


def databases(worker: Child) -> set[str]:
    """The marks' databases that a worker has open: each holds its lock file open, exactly once."""
    opened = []
    for handle in Path(f"/proc/{worker.pid}/fd").iterdir():
        try:
            opened.append(str(handle.readlink()))
        except FileNotFoundError:
            continue  # closed while looking
    locks = [path for path in opened if path.endswith(".db/LOCK")]
    assert len(locks) == len(set(locks))
    return set(locks)


# ---- the changelog


def test_a_changelog_that_was_cut_off(load: Load, marks: Marks, keeper: Start) -> None:
    """With the folder all marks are there; without it those of before are gone, and cost `accepted` for `duplicate`."""
    marks.cut_off()
    keeper()
    assert repeated(load).keys() == {"duplicate"}
    load.publish(load.size(200))
    load.stack.wait_counted(120)
    load.stack.kill(load.stack.workers[-1])
    shutil.rmtree(marks.data)

    said = keeper()
    assert len(said(CUT_OFF)) == load.stack.partitions
    assert {"accepted"} <= repeated(load).keys() <= {"accepted", "retracted", "duplicate"}
    assert repeated(load).keys() == {"duplicate"}
    conclude(load, "changelog cut off, local state wiped", faults=2)


def test_a_changelog_that_was_recreated(load: Load, marks: Marks, keeper: Start) -> None:
    """Marks that no changelog vouches for are not used; repeats of old versions are marked again."""
    marks.delete_changelog(again=True)
    said = keeper()
    load.publish(load.size(200))
    assert {"accepted"} <= repeated(load).keys() <= {"accepted", "retracted", "duplicate"}
    assert repeated(load).keys() == {"duplicate"}
    assert len(said(LOST)) == 1
    assert len(said(SET_ASIDE)) == load.stack.partitions
    conclude(load, "changelog deleted and re-created by hand", faults=1)


def test_a_changelog_deleted_while_a_worker_runs(load: Load, marks: Marks, keeper: Start) -> None:
    """The worker stores nothing more and stops; the next one finds no changelog and begins a new one."""
    said = keeper()
    marks.delete_changelog(again=False)
    load.publish(load.size(200))
    ending = load.stack.workers[-1]
    wait_for(lambda: ending.exit_code() is not None, 60, "the worker to end")
    assert said("the next worker that starts begins a new one")
    keeper()
    assert [line["found"] for line in said(LOST)] == ["gone"]
    conclude(load, "changelog deleted under a worker", faults=1)
