"""Records that break the step, and rows that the ledger refuses: the one to blame is rejected, the others go on."""

from collections.abc import Callable
from typing import Any

from delivering import Bench, run
from samples import event
from twins import Record

from schemas.ledger import LedgerRefused, Rows


def test_a_record_that_breaks_the_step_is_rejected_and_the_others_go_on() -> None:
    """Halving finds it, wherever it is."""
    poison = b'{"poison": true}'

    async def go(bench: Bench) -> None:
        bench.poison = {poison}
        records = [Record(n, event(activity=f"WS-{n}")) for n in range(7)]
        records[4] = Record(4, poison)
        records.append(Record(7, event(activity="WS-0")))
        await bench.add(*records)
        await bench.until(lambda: bench.acked)

    bench = run(go)
    assert bench.statuses() == ["accepted"] * 4 + ["rejected"] + ["accepted"] * 2 + ["duplicate"]
    (rejection,) = bench.ledger.rejected.values()
    assert rejection.payload == poison
    assert rejection.faults[0].code == "unprocessable"
    assert bench.crashes == []


def test_a_row_that_cannot_be_stored_is_rejected_with_its_repeats() -> None:
    """Its mark goes with it, so that no duplicate points at a missing row; what came later is decided again."""

    async def go(bench: Bench) -> None:
        bench.ledger.refuses = lambda activity: activity.activity_id == "BAD"
        await bench.add(Record(0, event()), Record(1, event(activity="BAD")), Record(2, event(activity="WS-2")))
        await bench.until(lambda: bench.ledger.inserts > 0)
        await bench.add(Record(3, event(activity="BAD")), Record(4, event()))
        await bench.until(lambda: len(bench.acked) == 2)

    bench = run(go)
    assert bench.statuses() == ["accepted", "rejected", "accepted", "rejected", "duplicate"]
    assert {r.faults[0].code for r in bench.ledger.rejected.values()} == {"not_storable"}
    assert len(bench.seen.marks[0]) == 2
    assert bench.pipeline.seen(0, list(bench.seen.marks[0])) == list(bench.seen.marks[0].values())


def test_a_refusal_that_passes_condemns_no_record() -> None:
    """A ledger that refuses every row for a while, in any words, gets them all when it is healthy again."""

    async def go(bench: Bench) -> None:
        bench.ledger.refuses = lambda _activity: True
        bench.ledger.probes = [LedgerRefused("the trouble of a moment")] * 10_000
        await bench.add(*(Record(n, event(activity=f"WS-{n}")) for n in range(4)))
        await bench.until(lambda: len(bench.ledger.probes) < 9_980)
        assert bench.pipeline.waiting_since is not None
        assert "trouble of a moment" in bench.pipeline.waiting_for
        bench.ledger.refuses = lambda _activity: False
        bench.ledger.probes = []
        await bench.until(lambda: bench.acked)

    bench = run(go)
    assert bench.statuses() == ["accepted"] * 4
    assert bench.ledger.rejected == {}
    assert bench.pipeline.waiting_since is None


def test_a_refusal_now_and_then_condemns_no_record() -> None:
    """Two of three inserts are refused, in this order forever: no record is rejected between two that succeed."""
    turn = 0

    async def go(bench: Bench) -> None:
        inner, probe = bench.ledger.insert, bench.ledger.probe

        def flaky(call: Callable[..., None], *args: Any) -> None:
            nonlocal turn
            turn += 1
            if turn % 3:
                raise LedgerRefused("now and then")
            call(*args)

        bench.ledger.insert = lambda rows: flaky(inner, rows)  # type: ignore[method-assign]  # a twin that fails
        bench.ledger.probe = lambda rows: flaky(probe, rows)  # type: ignore[method-assign]  # a twin that fails
        await bench.add(Record(0, event()), Record(1, event(activity="WS-2")))
        await bench.until(lambda: turn > 60)
        bench.ledger.insert, bench.ledger.probe = inner, probe  # type: ignore[method-assign]  # a twin that fails
        await bench.until(lambda: bench.acked)

    bench = run(go)
    assert bench.statuses() == ["accepted"] * 2
    assert bench.ledger.rejected == {}


def test_a_refused_rejection_is_waited_for() -> None:
    """No record is to blame for that: the worker neither stops nor goes on without it."""

    async def go(bench: Bench) -> None:
        inner, refusing = bench.ledger.insert, True

        def insert(rows: Rows) -> None:
            if refusing and (rows.rejected or rows.activities):
                raise LedgerRefused("neither the row nor its rejection")
            inner(rows)

        bench.ledger.insert = insert  # type: ignore[method-assign]  # a twin that fails
        await bench.add(Record(0, event()))
        await bench.until(lambda: "rejection" in bench.pipeline.waiting_for)
        assert bench.crashes == []
        refusing = False
        await bench.until(lambda: bench.acked)

    assert len(run(go).ledger.receipts) == 1
