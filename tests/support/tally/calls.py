"""Every view of the ledger with arguments, and what the model says to each call."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from tally.figures import Figures
from tally.proofs import Proofs
from tally.records import NOW, Activity, Bound, History

Row = dict[str, Any]
WINDOWS = (1, 7, 30, 90, 365)
BASES = ("reported", "derived", "both")


@dataclass(frozen=True)
class Call:
    """One view with its arguments as SQL, and the rows that it must give."""

    view: str
    arguments: str
    rows: Callable[[], list[Row]]

    @property
    def sql(self) -> str:
        """The query, for a client whose database is the ledger."""
        return f"SELECT * FROM {self.view}" + (f"({self.arguments})" if self.arguments else "")


def calls(history: History, seed: int, years: Sequence[int]) -> list[Call]:
    """Every view at least once: as known now and on several instants, on the first and last day of what changes."""
    rng = random.Random(seed)
    figures, proofs = Figures(history), Proofs(history)
    middle = rng.choice(years[1:-1])
    instants = _instants(rng, history)
    found = [Call("impact_annual", f"year = {year}", lambda y=year: figures.impact_annual(y)) for year in years]
    for known in instants:
        for year in {middle, rng.choice(years)}:
            found.append(
                Call(
                    "impact_annual_as_known",
                    f"year = {year}, known = {_instant(known)}",
                    lambda y=year, k=known: figures.impact_annual_as_known(y, k),
                )
            )
    for year in {middle, rng.choice(years)}:
        for view in (figures.impact_annual_by, figures.impact_annual_at_activity, figures.impact_cluster):
            found.append(Call(view.__name__, f"year = {year}", lambda v=view, y=year: v(y)))
    return found + _rolling(rng, figures, middle) + _core(rng, figures, middle, instants) + _proofs(proofs, history)


def difference(history: History, strays: Sequence[Activity]) -> Call:
    """What the proof of the current table says when it holds rows that the history lacks."""
    return Call("activity_difference", "", lambda: Proofs(history).activity_difference(strays))


def _instants(rng: random.Random, history: History) -> list[datetime]:
    """Before anything was known, some instants between, the very millisecond of a record and the one before, now."""
    known = sorted({row.known_at for row in (*history.activities, *history.companies)})
    chosen = [rng.choice(known) for _ in range(3)]
    # Equal instants of many records: the release of a pipeline version.
    common = max(known, key=lambda instant: sum(row.known_at == instant for row in history.activities))
    millisecond = timedelta(milliseconds=1)
    return [known[0] - millisecond, *chosen, chosen[0] - millisecond, common, common - millisecond, known[-1], NOW]


def _rolling(rng: random.Random, figures: Figures, year: int) -> list[Call]:
    found = []
    for window in WINDOWS:
        last = rng.choice((date(year, 12, 31), date(year + 1, 1, 1), date(year, 7, 1)))
        first = last - timedelta(days=rng.choice((0, 30, 60)))
        span = f"from = '{first}', to = '{last}', window_days = {window}"
        found.append(
            Call("impact_rolling", span, lambda f=first, t=last, w=window: figures.impact_rolling(f, t, w))
        )
        for basis in BASES:
            found.append(
                Call(
                    "impact_rolling_basis",
                    f"{span}, basis = '{basis}'",
                    lambda f=first, t=last, w=window, b=basis: figures.impact_rolling_basis(f, t, w, b),
                )
            )
    return found


def _core(rng: random.Random, figures: Figures, year: int, instants: Sequence[datetime]) -> list[Call]:
    """The views on which the figures rest."""
    found = []
    for known in (NOW, rng.choice(instants)):
        at = _instant(known)
        found.append(Call("activity_at", f"known = {at}", lambda k=known: figures.activity_at(k)))
        found.append(Call("company_known", f"known = {at}", lambda k=known: figures.company_known(k)))
        for day in (date(year, 12, 31), date(year, rng.choice((1, 7)), 1)):
            found.append(
                Call(
                    "company_canonical",
                    f"as_at = '{day}', known = {at}",
                    lambda d=day, k=known: figures.company_canonical(d, k),
                )
            )
            found.append(
                Call(
                    "company_at", f"as_at = '{day}', known = {at}", lambda d=day, k=known: figures.company_at(d, k)
                )
            )
            first = date(year - 1, 12, 31)
            found.append(
                Call(
                    "fact",
                    f"from = '{first}', to = '{day}', as_at = '{day}', known = {at}",
                    lambda f=first, d=day, k=known: figures.fact(f, d, d, k),
                )
            )
    return found


def _proofs(proofs: Proofs, history: History) -> list[Call]:
    bounds = history.bounds
    text = f"bounds = [{', '.join(map(_bound, bounds))}]"
    return [
        *(
            Call(view.__name__, text, lambda v=view: v(bounds))
            for view in (proofs.receipt_hole, proofs.conservation, proofs.conservation_day)
        ),
        *(
            Call(view.__name__, "", view)
            for view in (
                proofs.receipt_without_row,
                proofs.row_without_receipt,
                proofs.activity_difference,
                proofs.activity_moved,
                proofs.retraction_without_activity,
            )
        ),
    ]


def _bound(bound: Bound) -> str:
    return f"('{bound.topic}', {bound.topic_epoch}, {bound.partition}, {bound.low}, {bound.high})"


def _instant(known: datetime) -> str:
    return f"'{known:%Y-%m-%d %H:%M:%S}.{known.microsecond // 1000:03d}'"
