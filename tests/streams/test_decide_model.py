"""The pure step against a model that counts by looking back at all earlier records, over random histories.

A history is a list of small letters-and-numbers records; the model knows nothing about bytes, hashes or marks.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from deciding import CLUSTERS, PARTITIONS, home
from hypothesis import given, settings
from hypothesis import strategies as st
from samples import CVRS, event
from twins import Record

from streams.company_register import Register
from streams.decide import Batch, PartitionInfo, process_batch

TOPIC = "activity.events.v1"
ARRIVED = 1_600_000_000_000
"""13 September 2020, 12:26 UTC. Three records arrive in each millisecond."""
AHEAD_SECOND = 10
BROKEN = (b"", b"{", None, b"[]", b"\xff", event(subject="12345678"), event(data={"cpr": 1}))


@dataclass(frozen=True)
class Sent:
    """One record as its publisher sees it."""

    company: int
    activity: int
    second: int
    title: int
    retracts: bool
    broken: int
    """How it is broken; -1 is sound."""
    was_sent_on: bool
    ahead: bool
    """Whether its publisher's clock is more than an hour fast."""

    @property
    def version(self) -> tuple[Any, ...]:
        """Equal for records that say the same."""
        return (self.company, self.activity, self.ahead, self.second, self.title, self.retracts)

    def place(self, arrived: int) -> tuple[Any, ...]:
        """Where among the versions of its activity it belongs, if it arrived then: a claim cannot be ahead of that."""
        claimed = (AHEAD_SECOND if self.ahead else 0) + self.second
        return (arrived, claimed, self.retracts) if self.ahead else (0, claimed, self.retracts)

    def record(self, offset: int) -> Record:
        """As Kafka has it; no two records of a history have the same id."""
        value = BROKEN[self.broken] if self.broken >= 0 else self.value(offset)
        headers = [("ct-origin", b"t/0/0")] if self.was_sent_on else []
        return Record(offset, value, timestamp=ARRIVED + offset // 3, headers=headers)

    def value(self, number: int) -> bytes:
        """As CloudEvent."""
        data: dict[str, Any] = {"title": f"title {self.title}"}
        kind = "workshop.attended"
        if self.retracts:
            data |= {"reason": "x", "occurred_on": ...}
            kind = "activity.retracted"
        return event(
            self.company,
            f"A-{self.activity}",
            id=f"E-{number}",
            time=f"{'2020-09-13T14' if self.ahead else '2018-05-03T14'}:05:0{self.second}Z",
            type=f"org.clustertrack.{kind}.v1",
            data=data,
        )


sent = st.builds(
    Sent,
    company=st.sampled_from(CVRS[:4]),
    activity=st.integers(0, 1),
    second=st.integers(0, 1),
    title=st.integers(0, 1),
    retracts=st.booleans(),
    broken=st.sampled_from([-1] * 9 + [*range(len(BROKEN))]),
    was_sent_on=st.sampled_from([False] * 4 + [True]),
    ahead=st.booleans(),
)
histories = st.lists(sent, max_size=40)
partitions = st.integers(0, PARTITIONS - 1)


def expected(history: Sequence[Sent], partition: int) -> list[tuple[str, int]]:
    """What becomes of each record, and which record's row it is about (its own number without a row)."""
    found: list[tuple[str, int]] = []
    for number, record in enumerate(history):
        earlier = [
            n
            for n in range(number)
            if found[n][0] in {"accepted", "retracted"} and history[n].version == record.version
        ]
        if record.broken >= 0:
            found.append(("rejected", number))
        elif home(record.company) != partition:
            found.append(("rejected" if record.was_sent_on else "rerouted", number))
        elif earlier:
            found.append(("duplicate", earlier[0]))
        else:
            found.append(("retracted" if record.retracts else "accepted", number))
    return found


class Worker:
    """Runs batches one after the other and keeps what they say, as a ledger and a dedupe state would."""

    def __init__(self, partition: int) -> None:
        self.place = PartitionInfo(TOPIC, 0, partition, PARTITIONS)
        self.marks: dict[bytes, bytes] = {}
        self.total = Batch()

    def seen(self, keys: list[bytes]) -> list[bytes | None]:
        return [self.marks.get(key) for key in keys]

    def run(self, records: Sequence[Record], condemned: Mapping[int, str] | None = None) -> Batch:
        batch = process_batch(
            self.place,
            records,
            seen=self.seen,
            register=Register(),
            clusters=CLUSTERS,
            condemned=condemned or {},
        )
        self.marks |= batch.marks
        self.total.rows.extend(batch.rows)
        self.total.outputs += batch.outputs
        return batch


def cut(records: Sequence[Record], cuts: Sequence[int]) -> list[Sequence[Record]]:
    """The records in pieces that begin at the cuts."""
    ends = sorted({0, len(records), *(c for c in cuts if c < len(records))})
    return [records[begin:end] for begin, end in pairwise(ends)]


@given(histories, partitions, st.lists(st.integers(0, 40), max_size=6))
def test_any_history_in_any_pieces(history: list[Sent], partition: int, cuts: list[int]):
    """Every record has one receipt, in order, with the status that the model says; rows are first occurrences."""
    records = [one.record(offset) for offset, one in enumerate(history)]
    worker = Worker(partition)
    for piece in cut(records, cuts):
        worker.run(piece)
    total, model = worker.total, expected(history, partition)

    assert [receipt.offset for receipt in total.rows.receipts] == list(range(len(history)))
    assert [receipt.status for receipt in total.rows.receipts] == [status for status, _ in model]
    first = [number for number, (status, _) in enumerate(model) if status in {"accepted", "retracted"}]
    assert [row.event_id for row in total.rows.activities] == [f"E-{number}" for number in first]
    revisions = {number: row.revision for number, row in zip(first, total.rows.activities, strict=True)}
    assert [receipt.revision for receipt in total.rows.receipts] == [revisions.get(number, 0) for _, number in model]
    assert len({(row.activity_id, row.revision) for row in total.rows.activities}) == len(first)
    assert len(worker.marks) == len(first)
    for activity in range(2):
        mine = [number for number in first if history[number].activity == activity]
        by_revision = sorted(mine, key=revisions.__getitem__)
        assert [history[n].place(n // 3) for n in by_revision] == sorted(history[n].place(n // 3) for n in mine)
    told = [output for output in total.outputs if output.to == "enriched"]
    assert len(told) == len(first)
    assert [n for n, (status, _) in enumerate(model) if status == "rejected"] == [r.offset for r in total.rows.rejected]
    others = [output for output in total.outputs if output.to == "events"]
    assert len(others) == sum(status == "rerouted" for status, _ in model)
    assert len(total.outputs) == len(told) + len(others) + len(total.rows.rejected)


@given(histories, partitions, st.lists(st.integers(0, 40), max_size=6))
def test_the_cut_changes_nothing(history: list[Sent], partition: int, cuts: list[int]):
    """The same records in one batch or in many give the same rows, outputs and marks, in the same order."""
    records = [one.record(offset) for offset, one in enumerate(history)]
    whole, pieces = Worker(partition), Worker(partition)
    whole.run(records)
    for piece in cut(records, cuts):
        pieces.run(piece)
    assert pieces.total.rows == whole.total.rows
    assert pieces.total.outputs == whole.total.outputs
    assert pieces.marks == whole.marks


@given(histories, partitions, st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), max_size=5))
def test_crashes_change_nothing(history: list[Sent], partition: int, crashes: list[tuple[int, int]]):
    """Records read again after a crash, in any pieces, give the rows and outputs of the first time."""
    records = [one.record(offset) for offset, one in enumerate(history)]
    worker = Worker(partition)
    whole = worker.run(records)
    marks = dict(worker.marks)
    for begin, size in crashes:
        again = worker.run(records[begin : begin + size])
        offsets = {record.offset for record in records[begin : begin + size]}
        origins = {b"%s/%d/%d" % (TOPIC.encode(), partition, offset) for offset in offsets}
        assert again.rows.receipts == [r for r in whole.rows.receipts if r.offset in offsets]
        assert again.rows.rejected == [r for r in whole.rows.rejected if r.offset in offsets]
        assert {row.event_id for row in again.rows.activities} == {
            f"E-{r.offset}" for r in again.rows.receipts if r.status in {"accepted", "retracted"}
        }
        assert all(row in whole.rows.activities for row in again.rows.activities)
        assert again.outputs == [o for o in whole.outputs if dict(o.headers)["ct-origin"] in origins]
        assert worker.marks == marks


@given(histories, partitions, st.integers(0, 40))
def test_a_crash_before_the_marks_changes_nothing(history: list[Sent], partition: int, lost: int):
    """Where the marks of the last records were lost with the worker, the same records give the same rows."""
    records = [one.record(offset) for offset, one in enumerate(history)]
    whole, worker = Worker(partition), Worker(partition)
    whole.run(records)
    worker.run(records[:lost])
    kept = dict(worker.marks)
    worker.run(records[lost:])
    worker.marks = kept
    again = worker.run(records[lost:])
    assert again.rows.receipts == whole.total.rows.receipts[lost:]
    assert worker.marks == whole.marks


@given(histories, partitions, st.sets(st.integers(0, 40)))
def test_condemned_records_are_as_if_broken(history: list[Sent], partition: int, condemned: set[int]):
    """A record that cannot be stored has one receipt and hides no later one that says the same."""
    records = [one.record(offset) for offset, one in enumerate(history)]
    worker = Worker(partition)
    worker.run(records, dict.fromkeys(condemned, "not_storable"))
    broken = [Sent(**{**one.__dict__, "broken": 0}) if n in condemned else one for n, one in enumerate(history)]
    model = expected(broken, partition)
    assert [receipt.status for receipt in worker.total.rows.receipts] == [status for status, _ in model]
    reasons = {r.offset: r.reason for r in worker.total.rows.receipts}
    assert all(reasons[offset] == "not_storable" for offset in condemned if offset < len(history))


@settings(max_examples=50)
@given(st.lists(sent, min_size=1, max_size=30), st.data())
def test_all_partitions_together(history: list[Sent], data: st.DataObject):
    """Records on any partitions: each sound one is accepted once at its company's, after at most one step."""
    workers = [Worker(number) for number in range(PARTITIONS)]
    logs: list[list[Record]] = [[] for _ in workers]
    for one in history:
        log = logs[data.draw(partitions)]
        log.append(Sent(**{**one.__dict__, "was_sent_on": False}).record(len(log)))
    done = [0] * PARTITIONS
    while any(done[n] < len(logs[n]) for n in range(PARTITIONS)):
        for worker in workers:
            number = worker.place.partition
            piece, done[number] = logs[number][done[number] :], len(logs[number])
            for output in worker.run(piece).outputs:
                if output.to == "events":
                    target = logs[output.partition]
                    target.append(Record(len(target), output.value, key=output.key, headers=output.headers))
    rows = [row for worker in workers for row in worker.total.rows.activities]
    sound = {one.version for one in history if one.broken < 0}
    assert len(rows) == len(sound)
    assert {(row.company_id, row.activity_id) for row in rows} == {(v[0], f"A-{v[1]}") for v in sound}
    receipts = [receipt for worker in workers for receipt in worker.total.rows.receipts]
    assert len(receipts) == sum(map(len, logs))
    assert sum(receipt.status == "rejected" for receipt in receipts) == sum(one.broken >= 0 for one in history)
