"""What `publish --snapshot` would retract, as it is shown before anything is sent."""

from typing import Any, Final

from clustertrack.publish.dry_run_text import danish_time, day_in_words
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
    parts = [as_lines([head, *(f"  {_source(one)}" for one in plan.sources)])]
    shown = [[one.activity_id, f"{one.company_id:08d}", _day(one.occurred_on), one.event_type] for one in plan.shown]
    parts.append(table(shown[:_SHOWN], indent="    "))
    if plan.retracted > _SHOWN:
        parts.append(as_lines([f"    and {plan.retracted - _SHOWN:,} more; --json has them"]))
    if plan.revived:
        again = f"  in the export again after an earlier snapshot retracted them: {len(plan.revived):,}; they come back"
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
            }
            for one in plan.sources
        ],
        "retractions": [held_as_dict(one) for one in plan.shown],
    }


def _source(one: SourcePlan) -> str:
    share = f" ({100 * one.retracted / one.held:.1f} %)" if one.held else ""
    newer = f"; {one.newer:,} were recorded after it and stay" if one.newer else ""
    days = f"{_day(one.span.first)} to {_day(one.span.last)}"
    return f"{one.source}, {days}: {one.held:,} counted, {one.retracted:,} of them absent{share}{newer}"


def _day(days: int) -> str:
    return day_in_words(day_of(days))


def _iso(days: int) -> str:
    return day_of(days).isoformat()
