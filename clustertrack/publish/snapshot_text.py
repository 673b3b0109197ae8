"""What `publish --snapshot` would retract, as it is shown before anything is sent."""

from typing import Any, Final

from clustertrack.publish.dry_run_text import danish_time, day_in_words
from clustertrack.publish.file_index import Span
from clustertrack.publish.held import held_as_dict
from clustertrack.publish.snapshot import Plan, SourcePlan
from schemas.counts import counted, one_or_many
from schemas.event_time import day_of, to_ms
from schemas.visible import Lines, as_lines, stacked, table
from sources.files.cell_dates import rfc3339

_SHOWN: Final = 20


def plan_text(plan: Plan) -> Lines:
    """What would be retracted of each source, the first activities, and why nothing is where rows are refused."""
    head = f"Snapshot of the export of {danish_time(to_ms(plan.instant))}:"
    if plan.refused:
        rows = f"{counted(plan.refused, 'row')} {one_or_many(plan.refused, 'has', 'have')}"
        return as_lines([head, f"  nothing is retracted: {rows} no activity, which may be one that seems to be absent"])
    sources = [_source(one) for one in plan.sources]
    sources += [
        f"{name}: nothing is compared, as its rows are on other days than those given, {spelled_days(rows)}"
        for name, rows in plan.outside.items()
    ]
    if not sources:
        sources = ["nothing is compared, as no row has a day; --from and --to compare a source that the mapping names"]
    parts = [as_lines([head, *(f"  {one}" for one in sources)])]
    shown = [[one.activity_id, f"{one.company_id:08d}", _day(one.occurred_on), one.event_type] for one in plan.shown]
    parts.append(table(shown[:_SHOWN], indent="    "))
    if plan.retracted > _SHOWN:
        parts.append(as_lines([f"    and {plan.retracted - _SHOWN:,} more; --json has them"]))
    if plan.revived:
        again = f"  in the export again after an earlier snapshot retracted them, and come back: {len(plan.revived):,}"
        parts.append(as_lines([again]))
    return stacked(parts)


def plan_as_dict(plan: Plan) -> dict[str, Any]:
    """The same for programs."""
    return {
        "exported_at": rfc3339(plan.instant),
        "refused": plan.refused,
        "retracted": plan.retracted,
        "percent": round(plan.percent, 2),
        "revived": len(plan.revived),
        "sources": [
            {
                "source": one.source,
                "from": _iso(one.span.first),
                "to": _iso(one.span.last),
                "held": one.held,
                "retracted": one.retracted,
                "newer": one.newer,
                "rows": None if one.rows is None else _as_dict(one.rows),
            }
            for one in plan.sources
        ],
        "not_compared": [{"source": name, "rows": _as_dict(rows)} for name, rows in plan.outside.items()],
        "retractions": [held_as_dict(one) for one in plan.shown],
    }


def _source(one: SourcePlan) -> str:
    share = f" ({100 * one.retracted / one.held:.1f} %)" if one.held else ""
    were, stay = one_or_many(one.newer, "was", "were"), one_or_many(one.newer, "stays", "stay")
    newer = f"; {one.newer:,} {were} recorded after it and {stay}" if one.newer else ""
    rows = ""
    if one.rows is None:
        rows = "; the export has no row of it"
    elif one.rows.last < one.span.first or one.span.last < one.rows.first:
        rows = f"; the export has no row of it on these days, only {spelled_days(one.rows)}"
    counts = f"{one.held:,} counted, {one.retracted:,} of them absent{share}{newer}"
    return f"{one.source}, {spelled_days(one.span)}: {counts}{rows}"


def spelled_days(span: Span) -> str:
    """The days of a span in Danish; a single one as that day."""
    return _day(span.first) if span.first == span.last else f"{_day(span.first)} to {_day(span.last)}"


def _as_dict(span: Span) -> dict[str, str]:
    return {"from": _iso(span.first), "to": _iso(span.last)}


def _day(days: int) -> str:
    return day_in_words(day_of(days))


def _iso(days: int) -> str:
    return day_of(days).isoformat()
