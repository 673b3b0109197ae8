"""What `reconcile` makes of an account: text, JSON, and metrics."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from brokers.topics import EVENTS
from clustertrack.reconcile.account import (
    DayAccount,
    FormerAccount,
    LostReceipt,
    LostReroute,
    PartitionAccount,
    Range,
    Reconciliation,
    Version,
)
from clustertrack.reconcile.account_metrics import ReconcileMetrics
from clustertrack.reconcile.account_text import as_dict, as_text
from schemas.errors import UsageFault


def account(**changes: Any) -> PartitionAccount:
    """A partition in which ten of ten offsets have their receipt."""
    fields: dict[str, Any] = {
        "topic": EVENTS,
        "topic_epoch": 0,
        "partition": 3,
        "low": 0,
        "high": 10,
        "committed": 10,
        "accepted": 6,
        "retracted": 1,
        "duplicate": 1,
        "rejected": 1,
        "rerouted": 1,
    }
    return PartitionAccount(**{**fields, **changes})


def result(*partitions: PartitionAccount, **changes: Any) -> Reconciliation:
    """An account of the ledger with nothing wrong but in its partitions."""
    return Reconciliation(partitions=partitions, **changes)


WHOLE = result(account())
HOLES = result(
    account(),
    account(partition=4, accepted=2, missing=2, holes=(Range(4, 5),), low=2, expired=2, expired_unread=(Range(0, 1),)),
)


def test_a_whole_ledger_as_text():
    """The verdict comes first, then a row per partition and one for all; nothing but zeros is no column."""
    lines = as_text(WHOLE).splitlines()
    rows = [line.split() for line in lines]
    figures = ["10", "10", "6", "1", "1", "1", "1"]
    assert [EVENTS, "3", *figures] in rows
    assert ["all", *figures] in rows
    assert lines[0] == "whole: all 10 offsets are accounted for."
    assert "pending" not in as_text(WHOLE)


@pytest.mark.parametrize("width", [80, 120])
def test_the_account_fits_the_screen(width: int):
    """With everything that there can be, no line is wider than the screen."""
    everything = dict.fromkeys(("missing", "expired", "acknowledged", "no_record", "unsettled", "without_row"), 1)
    text = as_text(result(account(topic_epoch=2, not_arrived=1, **everything), days=DAYS), by_day=True, width=width)
    assert max(map(len, text.splitlines())) <= width
    assert "acknowledged" in text


def test_pending_is_no_fault():
    """What is not committed yet is said, and the ledger is whole."""
    pending = result(account(accepted=3, committed=7))
    assert as_text(pending).startswith("whole: all 10 offsets are accounted for, 3 of them pending.\n")
    assert as_dict(pending)["pending"] == 3


def test_what_is_acknowledged_is_said_and_no_fault():
    """Nobody has to guess later why so few records were received."""
    known = result(account(accepted=3, acknowledged=3))
    assert as_text(known).startswith(
        "whole: all 10 offsets are accounted for, 3 of them expired unread and acknowledged as lost.\n"
    )
    made = as_dict(known)
    assert (made["whole"], made["acknowledged"], made["partitions"][0]["acknowledged"]) == (True, 3, 3)


@pytest.mark.parametrize(
    ("found", "words"),
    [
        pytest.param(HOLES, f"{EVENTS}/4: offsets 4 to 5 without a receipt, still in Kafka", id="hole"),
        pytest.param(HOLES, f"{EVENTS}/4: offsets 0 to 1 deleted by Kafka before they were read", id="expired"),
        pytest.param(
            HOLES, "NOT WHOLE: 2 offsets without a receipt, 2 offsets that expired unread.\n", id="verdict of both"
        ),
        pytest.param(
            result(receipt_without_row=1, receipts_without_row=(LostReceipt(EVENTS, 0, 3, 7, "accepted"),)),
            f"{EVENTS}/3: offset 7 accepted, but no row is there",
            id="receipt without row",
        ),
        pytest.param(
            result(row_without_receipt=1, rows_without_receipt=(Version("crm", "a1", 99),)),
            "crm a1, revision 99: a row without a receipt",
            id="row without receipt",
        ),
        pytest.param(
            result(
                receipt_without_row=4,
                receipts_without_row=tuple(
                    LostReceipt(EVENTS, epoch, 3, offset, status)
                    for epoch, offset, status in (
                        (0, 7, "accepted"),
                        (0, 8, "accepted"),
                        (0, 9, "retracted"),
                        (1, 10, "retracted"),
                    )
                ),
            ),
            f"{EVENTS}/3: offsets 7 to 8 accepted, but no row is there\n"
            f"{EVENTS}/3: offset 9 retracted, but no row is there\n"
            f"{EVENTS}@1/3: offset 10 retracted, but no row is there\n",
            id="ranges, epochs apart",
        ),
        pytest.param(
            result(reroute_not_arrived=1, reroutes_not_arrived=(LostReroute(EVENTS, 0, 3, 7, 5),)),
            f"{EVENTS}/3: offset 7 sent on to partition 5, but never arrived",
            id="reroute",
        ),
        pytest.param(
            result(rejected_without_row=1, rejections_without_row=(LostReceipt(EVENTS, 0, 3, 7, "rejected"),)),
            f"{EVENTS}/3: offset 7 rejected, but no row is there",
            id="rejected record",
        ),
        pytest.param(
            result(account(surplus=2)), f"{EVENTS}/3: 2 receipts more than offsets that have one", id="surplus"
        ),
        pytest.param(
            result(account(beyond=2)), f"{EVENTS}/3: 2 receipts after the end of the partition", id="beyond the end"
        ),
        pytest.param(
            result(account(beyond=2)),
            "NOT WHOLE: 2 receipts of offsets that Kafka has never given out.\n",
            id="verdict",
        ),
        pytest.param(result(account(accepted=5, missing=1)), "NOT WHOLE: 1 offset without a receipt.", id="one"),
        pytest.param(
            result(activity_difference=1_000), "1,000 activities different from their history", id="difference"
        ),
    ],
)
def test_what_is_wrong_is_listed(found: Reconciliation, words: str):
    """Every fault has its line with the place, and the verdict counts them."""
    assert words in as_text(found)
    assert as_dict(found)["whole"] is False


def test_as_json():
    """Counts, holes and verdict under plain keys; ranges as pairs, both ends included."""
    made = json.loads(json.dumps(as_dict(HOLES)))
    assert made["whole"] is False
    partition = made["partitions"][1]
    assert (partition["expected"], partition["received"], partition["missing"], partition["expired"]) == (10, 6, 2, 2)
    assert (partition["holes"], partition["expired_unread"]) == ([[4, 5]], [[0, 1]])


DAYS = (
    DayAccount(source="crm", day=date(2018, 5, 3), accepted=4),
    DayAccount(source="erp", day=date(2018, 5, 4), accepted=1, rerouted=2, not_arrived=1),
)


def test_sources_and_days():
    """The days with a fault are shown; all of them when asked for, and in JSON."""
    found = result(account(), days=DAYS)
    assert "2018-05-03" not in as_text(found)
    assert "2018-05-04" in as_text(found)
    shown = [line.split() for line in as_text(found, by_day=True).splitlines()]
    assert ["crm", "2018-05-03", "4", "4", "0", "0"] in shown
    assert ["erp", "2018-05-04", "3", "1", "2", "1"] in shown
    assert [(day["source"], day["received"], day["whole"]) for day in as_dict(found)["days"]] == [
        ("crm", 4, True),
        ("erp", 3, False),
    ]


def test_a_former_epoch():
    """It is listed with its receipts, apart from the offsets of the present one."""
    found = result(account(), former=(FormerAccount(topic=EVENTS, topic_epoch=0, partition=1, accepted=7),))
    assert ["former", "topic"] in [line.split()[:2] for line in as_text(found).splitlines()]
    assert [EVENTS, "1", "7", "7"] in [line.split() for line in as_text(found).splitlines()]
    [former] = as_dict(found)["former"]
    assert (former["partition"], former["received"], former["whole"]) == (1, 7, True)


def test_what_may_still_come_is_said():
    """Reroutes under way and rows in work are named, and are no fault."""
    found = result(account(accepted=2, unsettled=4), reroute_pending=2, unsettled=3)
    text = as_text(found)
    assert "3 rows without a receipt yet" in text
    assert "4 offsets without a receipt could not be looked up in Kafka in time" in text
    assert text.startswith(
        "whole: all 10 offsets are accounted for, 4 of them not looked up in Kafka yet, "
        "2 of them sent on and still to arrive.\n"
    )
    assert (as_dict(found)["unsettled"], as_dict(found)["unsettled_offsets"]) == (3, 4)


def samples(path: Path) -> dict[str, float]:
    """Series of a metrics file, as Prometheus would read it."""
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    return {series: float(value) for series, _, value in (line.rpartition(" ") for line in lines)}


def test_metrics(tmp_path: Path):
    """Every offset has a state, every fault its kind; a later account replaces the file."""
    path = tmp_path / "clustertrack.prom"
    for found in (HOLES, WHOLE):
        metrics = ReconcileMetrics()
        metrics.fill(found, now=1_800_000_000.5, seconds=2.5)
        metrics.write(path)
        read = samples(path)
        wrong = 0 if found is WHOLE else 2
        assert read["clustertrack_reconcile_whole"] == (found is WHOLE)
        assert read['clustertrack_reconcile_faults{kind="missing"}'] == wrong
        assert read['clustertrack_reconcile_faults{kind="expired"}'] == wrong
        assert read["clustertrack_reconcile_timestamp_seconds"] == 1_800_000_000.5
        for one in found.partitions:
            place = f'partition="{one.partition}",'
            states = [v for series, v in read.items() if "_offsets{" in series and place in series]
            assert sum(states) == one.expected
            assert read[f'clustertrack_reconcile_offsets{{{place}state="unsettled",topic="{EVENTS}"}}'] == 0
            holes = f'clustertrack_reconcile_holes{{partition="{one.partition}",topic="{EVENTS}"}}'
            assert read[holes] == one.missing + one.expired
    assert list(tmp_path.iterdir()) == [path]


def test_what_is_undecided_is_a_metric(tmp_path: Path):
    """What is neither proved nor a fault has a number for each kind, so that one which only grows can be noticed."""
    path = tmp_path / "clustertrack.prom"
    metrics = ReconcileMetrics()
    open_ones = result(account(unsettled=4), reroute_pending=2, unsettled=3)
    metrics.fill(open_ones, now=0, seconds=0)
    metrics.write(path)
    read = samples(path)
    assert {kind: read[f'clustertrack_reconcile_undecided{{kind="{kind}"}}'] for kind in open_ones.undecided} == {
        "unsettled_offsets": 4,
        "unsettled_rows": 3,
        "reroute_pending": 2,
    }
    assert read["clustertrack_reconcile_whole"] == 1


def test_metrics_that_cannot_be_written(tmp_path: Path):
    """A folder that is not there is the user's mistake."""
    with pytest.raises(UsageFault, match=r"--textfile .*nowhere.* cannot be written: No such file"):
        ReconcileMetrics().write(tmp_path / "nowhere" / "clustertrack.prom")
