"""The account of the ledger as a person reads it, and as JSON types."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any, Final, TypeVar

from clustertrack.reconcile.account import Counts, DayAccount, LostReceipt, LostReroute, Range, Reconciliation
from clustertrack.reconcile.account_run import LISTED
from reports.layout import fitted, prose
from schemas.counts import counted, number, one_or_many
from schemas.visible import Lines, stacked, visible

STATUSES: Final = ("received", "accepted", "retracted", "duplicate", "rejected", "rerouted")
FAULTS: Final = ("without_row", "not_arrived")
COUNTS: Final = (*STATUSES, "no_record", "pending", "unsettled", "missing", "expired", "acknowledged", *FAULTS)
"""Counts of a partition, as `clustertrack.reconcile.account.PartitionAccount` names them."""

_NAMED: Final = ("topic", "former topic", "partition", "offsets", "source", "day", "received")
"""Columns that are shown even where they are zero."""
_RECEIPTS: Final = (*STATUSES, *FAULTS)
"""Counts of a source and day, and of a partition of a former epoch."""
_FAULT_WORDS: Final = {
    "missing": ("offset", "without a receipt"),
    "expired": ("offset", "that expired unread"),
    "surplus": ("receipt", "of offsets that have one already"),
    "beyond": ("receipt", "of offsets that Kafka has never given out"),
    "receipt_without_row": ("receipt", "without a row"),
    "rejected_without_row": ("rejected record", "lost from the ledger"),
    "row_without_receipt": ("row", "without a receipt"),
    "reroute_not_arrived": ("record", "sent on that did not arrive"),
    "activity_difference": ("activity", ""),
    "replaced": ("offset", "that Kafka gave out again"),
}
"""Faults as `clustertrack.reconcile.account.Reconciliation` names them."""

Lost = TypeVar("Lost", LostReceipt, LostReroute)


def as_dict(result: Reconciliation) -> dict[str, Any]:
    """The result as JSON types."""
    return {
        "whole": result.whole,
        "pending": result.pending,
        "acknowledged": result.acknowledged,
        "partitions": [
            {
                **account.place._asdict(),
                "low": account.low,
                "high": account.high,
                "committed": account.committed,
                "expected": account.expected,
                **_counts(account, COUNTS),
                "holes": [list(hole) for hole in account.holes],
                "expired_unread": [list(hole) for hole in account.expired_unread],
                "surplus": account.surplus,
                "beyond": account.beyond,
                "whole": account.whole,
            }
            for account in result.partitions
        ],
        "former": [
            {**account.place._asdict(), **_counts(account, _RECEIPTS), "whole": account.proved}
            for account in result.former
        ],
        "days": [
            {"source": day.source, "day": day.day.isoformat(), **_counts(day, _RECEIPTS), "whole": day.proved}
            for day in result.days
        ],
        "row_without_receipt": result.row_without_receipt,
        "rows_without_receipt": [version._asdict() for version in result.rows_without_receipt],
        "receipt_without_row": result.receipt_without_row,
        "receipts_without_row": [lost._asdict() for lost in result.receipts_without_row],
        "rejected_without_row": result.rejected_without_row,
        "rejections_without_row": [lost._asdict() for lost in result.rejections_without_row],
        "reroute_not_arrived": result.reroute_not_arrived,
        "reroutes_not_arrived": [lost._asdict() for lost in result.reroutes_not_arrived],
        "reroute_pending": result.reroute_pending,
        "activity_difference": result.activity_difference,
        "replaced": result.replaced,
        "replaced_ranges": [{**place._asdict(), **found._asdict()} for place, found in result.replaced_ranges],
        "unsettled": result.unsettled,
        "unsettled_offsets": result.unsettled_offsets,
    }


def as_text(result: Reconciliation, *, by_day: bool = False, width: int = 120) -> Lines:
    """The verdict, what is wrong, and tables with a row per partition and one for all; columns of zeros are left out.

    Sources and days are listed where something is wrong with them, and all of them with `by_day`.
    """
    rows = [("topic", "epoch", "partition", "offsets", *_words(COUNTS))]
    rows += [
        (*map(str, account.place), number(account.expected), *_numbers(account, COUNTS))
        for account in result.partitions
    ]
    rows.append(("all", "", "", number(_expected(result)), *(number(_total(result, name)) for name in COUNTS)))
    former = [("former topic", "epoch", "partition", *_words(_RECEIPTS))]
    former += [(*map(str, account.place), *_numbers(account, _RECEIPTS)) for account in result.former]
    shown = [day for day in result.days if by_day or not day.proved]
    limited = shown if by_day else shown[:LISTED]
    days = [("source", "day", *_words(_RECEIPTS))]
    days += [(day.source, day.day.isoformat(), *_numbers(day, _RECEIPTS)) for day in limited]
    verdict = f"{'whole' if result.whole else 'NOT WHOLE'}: {verdict_of(result)}"
    lines = [*_faults(result), *_more(shown, len(limited), "sources and days")]
    tables = [fitted(_without_zeros(cells), width) for cells in (rows, former, days) if len(cells) > 1]
    return stacked(
        [prose(verdict, width), stacked([prose(line, width) for line in lines]), *tables], between=1, end=True
    )


def _without_zeros(rows: Sequence[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """The rows without the columns that hold nothing but zeros."""
    useful = [
        position
        for position, (title, *cells) in enumerate(zip(*rows, strict=True))
        if title in _NAMED or any(cell not in ("0", "") for cell in cells)
    ]
    return [tuple(row[position] for position in useful) for row in rows]


def verdict_of(result: Reconciliation) -> str:
    """One sentence."""
    if result.whole:
        still = {
            "pending": result.pending,
            "not looked up in Kafka yet": result.unsettled_offsets,
            "sent on and still to arrive": result.reroute_pending,
            "expired unread and acknowledged as lost": result.acknowledged,
        }
        waiting = "".join(f", {number(count)} of them {words}" for words, count in still.items() if count)
        return f"{_all(_expected(result))} accounted for{waiting}."
    found = ", ".join(_fault(count, *_FAULT_WORDS[kind]) for kind, count in result.faults.items() if count)
    return f"{found or 'receipts and offsets do not add up'}."


def _all(offsets: int) -> str:
    return one_or_many(offsets, "the only offset is", f"all {number(offsets)} offsets are")


def _fault(count: int, noun: str, words: str) -> str:
    if noun == "activity":
        return f"{counted(count, noun, 'activities')} different from {one_or_many(count, 'its', 'their')} history"
    return f"{counted(count, noun)} {words}"


def _faults(result: Reconciliation) -> list[str]:
    """A line for everything that is wrong, the first LISTED of each kind."""
    lines = []
    for words, ranges_of in (
        ("without a receipt, still in Kafka", "holes"),
        ("deleted by Kafka before they were read", "expired_unread"),
    ):
        found = [(account.place, hole) for account in result.partitions for hole in getattr(account, ranges_of)]
        lines += [f"{place}: {_offsets(hole)} {words}" for place, hole in found[:LISTED]]
        lines += _more(found, LISTED, f"ranges {words}")
    for account in result.partitions:
        if account.surplus:
            lines.append(f"{account.place}: {counted(account.surplus, 'receipt')} more than offsets that have one")
        if account.beyond:
            lines.append(f"{account.place}: {counted(account.beyond, 'receipt')} after the end of the partition")
    lines += [
        f"{first.place}: {_offsets(found)} {first.status}, but no row is there"
        for listed in (result.receipts_without_row, result.rejections_without_row)
        for first, found in _runs(listed, lambda lost: lost.status)
    ]
    lines += [
        f"{first.place}: {_offsets(found)} sent on to partition {first.sent_to}, but never arrived"
        for first, found in _runs(result.reroutes_not_arrived, lambda lost: lost.sent_to)
    ]
    lines += [
        f"{visible(row.source)} {visible(row.activity_id)}, revision {row.revision}: a row without a receipt"
        for row in result.rows_without_receipt
    ]
    lines += [
        f"{place}: {_offsets(found)} given out again by Kafka, which lost the records of these receipts: run "
        "`clustertrack migrate`, and the workers read all that Kafka still has again"
        for place, found in result.replaced_ranges
    ]
    if result.unsettled:
        lines.append(
            f"{counted(result.unsettled, 'row')} without a receipt yet: look again later, the "
            "records may still be in progress"
        )
    if result.unsettled_offsets:
        lines.append(
            f"{counted(result.unsettled_offsets, 'offset')} without a receipt could not be looked up in Kafka in time: "
            "the next run goes on from there"
        )
    return lines


def _runs(losses: Sequence[Lost], kind: Callable[[Lost], object]) -> Iterator[tuple[Lost, Range]]:
    """Losses of one kind at consecutive offsets, as the first of them and the range; they come in rising order."""
    for _, run in groupby(enumerate(losses), lambda at: (at[1].place, kind(at[1]), at[1].offset - at[0])):
        found = [lost for _, lost in run]
        yield found[0], Range(found[0].offset, found[-1].offset)


def _offsets(found: Range) -> str:
    return f"offset {found.first}" if found.size == 1 else f"offsets {found.first} to {found.last}"


def _more(found: Sequence[object], shown: int, words: str) -> list[str]:
    return [f"... and {number(len(found) - shown)} more {words}"] if len(found) > shown else []


def _words(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(name.replace("_", " ") for name in names)


def _counts(account: Counts, names: Iterable[str]) -> dict[str, int]:
    return {name: getattr(account, name) for name in names}


def _numbers(account: Counts | DayAccount, names: Iterable[str]) -> tuple[str, ...]:
    return tuple(number(count) for count in _counts(account, names).values())


def _total(result: Reconciliation, name: str) -> int:
    return sum(_counts(account, (name,))[name] for account in result.partitions)


def _expected(result: Reconciliation) -> int:
    return sum(account.expected for account in result.partitions)
