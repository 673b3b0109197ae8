"""Every view of the ledger with arguments, and what the model says to each call."""

import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import pairwise
from typing import Any

from tally.figures import Figures
from tally.proofs import Proofs
from tally.records import NOW, Activity, Bound, History

Row = dict[str, Any]
WINDOWS = (1, 7, 30, 90, 365)
BASES = ("reported", "derived", "both")
MILLISECOND = timedelta(milliseconds=1)


class Model:
    """The figures and the proofs of one history."""

    def __init__(self, history: History) -> None:
        self.history = history
        self.figures = Figures(history)
        self.proofs = Proofs(history)


@dataclass(frozen=True)
class Call:
    """One view with its arguments as SQL, and the rows that it must give for the history of a model."""

    view: str
    arguments: str
    rows: Callable[[Model], list[Row]]

    @property
    def sql(self) -> str:
        """The query, for a client whose database is the ledger."""
        return f"SELECT * FROM {self.view}" + (f"({self.arguments})" if self.arguments else "")


def calls(history: History, seed: int, years: Sequence[int], *, thorough: bool = False) -> list[Call]:
    """Every view at least once: as known now and on several instants, on the first and last day of what changes.

    Every window with every basis, and thorough also of more years. Another seed draws other arguments.
    """
    rng = random.Random(seed)
    instants = _instants(rng, history)
    some = rng.sample(years, 2) if thorough else [rng.choice(years[1:-1])]
    return [
        *_annual(rng, years, some, instants),
        *_rolling(rng, _edges(history, some)),
        *_core(rng, some, instants[: 4 if thorough else 2]),
        *_proofs(history.bounds),
        *_touching(rng, history),
    ]


def one_of_each(rng: random.Random, wanted: Sequence[Call]) -> list[Call]:
    """One call of each view."""
    chosen = {call.view: call for call in rng.sample(wanted, len(wanted))}
    return list(chosen.values())


def rolling(wanted: Sequence[Call]) -> list[Call]:
    """The calls of the rolling views, which ask every window."""
    return [call for call in wanted if call.view.startswith("impact_rolling")]


def difference(strays: Sequence[Activity]) -> Call:
    """What the proof of the current table says when the table holds rows that the history lacks."""
    return Call("activity_difference", "", lambda model: model.proofs.activity_difference(strays))


def _instants(rng: random.Random, history: History) -> list[datetime]:
    """Before anything was known, some instants between, the very millisecond of a record and the one before, now."""
    known = sorted({row.known_at for row in history.activities} | {row.known_at for row in history.companies})
    chosen = [rng.choice(known) for _ in range(3)]
    versions = [row.known_at for row in history.registries]
    chosen += rng.sample(versions, min(1, len(versions)))
    # Equal instants of many records: the release of a pipeline version.
    common = max(known, key=lambda instant: sum(row.known_at == instant for row in history.activities))
    return [NOW, *chosen, chosen[0] - MILLISECOND, common, common - MILLISECOND, known[-1], known[0] - MILLISECOND]


def _annual(
    rng: random.Random, years: Sequence[int], some: Sequence[int], instants: Sequence[datetime]
) -> Iterator[Call]:
    for year in sorted(years, key=lambda year: year not in some):
        yield _figures("impact_annual", f"year = {year}", year)
    for known in instants:
        year = rng.choice(years[1:-1])
        for view in ("impact_annual_figures", "impact_annual_as_known"):
            yield _figures(view, f"year = {year}, known = {_instant(known)}", year, known)
    for year in some:
        for view in ("impact_annual_by", "impact_annual_at_activity", "impact_cluster"):
            yield _figures(view, f"year = {year}", year)


def _edges(history: History, years: Sequence[int]) -> list[list[date]]:
    """For each year the ten days with most activity."""
    found = []
    for year in years:
        days = Counter(row.occurred_on for row in history.activities if row.occurred_on.year == year)
        found.append([day for day, _ in days.most_common(10)] or [date(year, 1, 1)])
    return found


def _rolling(rng: random.Random, edges: Sequence[Sequence[date]]) -> Iterator[Call]:
    for window in WINDOWS:
        for days in edges:
            # A day with activity is the first of the first window, leaves it on the next, or is the last asked for.
            first = rng.choice(days) + timedelta(days=window - 1)
            last = min((day for day in days if day > first), default=first + timedelta(days=rng.choice((0, 30))))
            span = f"from = '{first}', to = '{last}', window_days = {window}"
            yield _figures("impact_rolling", span, first, last, window)
            for basis in BASES:
                yield _figures("impact_rolling_basis", f"{span}, basis = '{basis}'", first, last, window, basis)


def _touching(rng: random.Random, history: History) -> Iterator[Call]:
    """Windows that end for one activity of a company when they begin for its next one, or a day before that."""
    days: dict[int, set[date]] = {}
    for row in history.activities:
        days.setdefault(row.company_id, set()).add(row.occurred_on)
    pairs = [
        (one, other) for found in days.values() for one, other in pairwise(sorted(found)) if (other - one).days <= 90
    ]
    for one, other in rng.sample(pairs, min(5, len(pairs))):
        first, last = one - timedelta(days=1), other + timedelta(days=1)
        for window in {(other - one).days, max(1, (other - one).days - 1)}:
            span = f"from = '{first}', to = '{last}', window_days = {window}"
            yield _figures("impact_rolling", span, first, last, window)


def _core(rng: random.Random, years: Sequence[int], instants: Sequence[datetime]) -> Iterator[Call]:
    """The views on which the figures rest."""
    for known in instants:
        at = f"known = {_instant(known)}"
        yield _figures("activity_at", at, known)
        for view in ("company_known", "registry_known", "cluster_known"):
            yield _figures(view, at, known)
        for year in years:
            day = rng.choice((date(year, 12, 31), date(year, 12, 30), date(year, 7, 1), date(year, 1, 1)))
            for view in ("company_canonical", "company_at", "institution_at"):
                yield _figures(view, f"as_at = '{day}', {at}", day, known)
            first, last = date(year - 1, 12, 31), date(year + 1, 1, 1)
            yield _figures("fact", f"from = '{first}', to = '{last}', as_at = '{day}', {at}", first, last, day, known)


def _proofs(bounds: Sequence[Bound]) -> Iterator[Call]:
    text = f"bounds = [{', '.join(map(_bound, bounds))}]"
    yield _of("proofs", "receipt_hole", text, bounds)
    for view in (
        "receipt_without_row",
        "row_without_receipt",
        "reroute_not_arrived",
        "activity_difference",
        "activity_moved",
        "retraction_without_activity",
    ):
        yield _of("proofs", view, "")


def _figures(view: str, arguments: str, *values: Any) -> Call:
    return _of("figures", view, arguments, *values)


def _of(part: str, view: str, arguments: str, *values: Any) -> Call:
    """A view, its arguments as SQL and as the function of the same name takes them."""

    def rows(model: Model) -> list[Row]:
        return list(getattr(getattr(model, part), view)(*values))

    return Call(view, arguments, rows)


def _bound(bound: Bound) -> str:
    return f"('{bound.topic}', {bound.topic_epoch}, {bound.partition}, {bound.low}, {bound.high})"


def _instant(known: datetime) -> str:
    return f"'{known:%Y-%m-%d %H:%M:%S}.{known.microsecond // 1000:03d}'"
