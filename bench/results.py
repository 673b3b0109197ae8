"""From runs to ratios, tables, the chart and the guard against regressions: no I/O.

A run is a dict with the fields of `contest.Run` and `round`. Ratios are ours divided by theirs, of the same round:
anything else that the machine does then slows both. What is shown of them is the median over the rounds.
"""

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any
from xml.sax.saxutils import escape

OURS = "clustertrack"
THEIRS = ("faust", "faust_tuned", "quixstreams", "librdkafka", "bytewax")
TARGETS = {"faust": 15.0, "quixstreams": 2.0, "librdkafka": 0.6, "bytewax": 2.0}
"""Least ratio, by wall clock and per CPU-second."""
DROP = 0.25
"""A ratio may fall by this part before `--check` fails: more than two runs of one commit differ by."""
NAMES = {
    OURS: "clustertrack worker",
    "faust": "Faust as it comes",
    "faust_tuned": "Faust, tuned as the worker is",
    "quixstreams": "quixstreams",
    "librdkafka": "librdkafka loop (no durable state)",
    "bytewax": "bytewax",
}
SPREAD = {"median_s", "min_s", "max_s"}
"""Names of what is shown as one cell: seconds of the median run, and of the shortest and the longest one."""
MEASURES = {"ratios": "rate", "ratios_cpu": "rate_per_cpu"}

Run = Mapping[str, Any]


def ratios_of(runs: Sequence[Run], measure: str) -> dict[str, dict[str, float] | None]:
    """Competitor -> median, least and greatest ratio over the rounds; None for one that never ran."""
    found: dict[str, dict[str, float] | None] = {}
    for name in THEIRS:
        by_round = {run["round"]: run[measure] for run in runs if run["contender"] == name}
        ours = {run["round"]: run[measure] for run in runs if run["contender"] == OURS}
        values = [ours[number] / by_round[number] for number in by_round if number in ours]
        found[name] = {"median": median(values), "min": min(values), "max": max(values)} if values else None
    return found


def report_of(runs: Sequence[Run], missing: Mapping[str, str], machine: Mapping[str, Any]) -> dict[str, Any]:
    """The whole result: what `--json` writes.

    Args:
        runs: all of them.
        missing: competitor -> why it did not run.
        machine: what it was measured on, and versions.
    """
    report: dict[str, Any] = {}
    for key, measure in MEASURES.items():
        spread = ratios_of(runs, measure)
        report[key] = {name: found and round(found["median"], 3) for name, found in spread.items()}
        report[f"{key}_spread"] = spread
    return report | {"missing": dict(missing), "targets": TARGETS, "machine": dict(machine), "runs": list(runs)}


def check(report: Mapping[str, Any], baseline: Mapping[str, Any]) -> list[str]:
    """Sentences about ratios that fell by more than `DROP` since the stored run, or are now missing."""
    found = []
    for key, what in (("ratios", "by wall clock"), ("ratios_cpu", "per CPU-second")):
        for name, before in baseline[key].items():
            now = report[key].get(name)
            if before is None:
                continue
            if now is None:
                found.append(f"{name}: no ratio {what} now, was {before:.2f}.")
            elif now < before * (1 - DROP):
                found.append(f"{name}: the ratio {what} fell from {before:.2f} to {now:.2f}, by more than {DROP:.0%}.")
    return found


def short_of_target(report: Mapping[str, Any]) -> list[str]:
    """Sentences about ratios below their target."""
    return [
        f"{name}: the ratio {what} is {report[key][name]:.2f}, the target is {target:g}."
        for key, what in (("ratios", "by wall clock"), ("ratios_cpu", "per CPU-second"))
        for name, target in TARGETS.items()
        if report[key][name] is not None and report[key][name] < target
    ]


def table(report: Mapping[str, Any]) -> str:
    """Markdown: one line a contender, rates as median (least to greatest)."""
    runs = report["runs"]
    lines = [
        (
            "| | events a run | events/s | events per CPU-second | CPU seconds per million events: own, Kafka, "
            "ClickHouse | ours / theirs, wall | ours / theirs, CPU | wanted |"
        ),
        "|---|---|---|---|---|---|---|---|",
    ]
    for name in (OURS, *THEIRS):
        mine = [run for run in runs if run["contender"] == name]
        if not mine:
            why = report["missing"].get(name, "left out")
            lines.append(f"| {NAMES[name]} | | {why} | | | | | |")
            continue
        costs = ", ".join(
            f"{median([run[cost] / run['counted'] * 1e6 for run in mine]):.1f}"
            for cost in ("cpu", "cpu_kafka", "cpu_clickhouse")
        )
        shown = [
            NAMES[name],
            f"{mine[0]['events']:,}",
            _spread([run["rate"] for run in mine]),
            _spread([run["rate_per_cpu"] for run in mine]),
            costs,
            *(_ratio(report[f"{key}_spread"].get(name)) for key in MEASURES),
            f">= {TARGETS[name]:g}" if name in TARGETS else "",
        ]
        lines.append("| " + " | ".join(shown) + " |")
    return "\n".join(lines)


def described(report: Mapping[str, Any]) -> str:
    """The machine and the versions in a sentence or two."""
    machine = report["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    rounds = len({run["round"] for run in report.get("runs", ())})
    often = f"{rounds} rounds, " if rounds else ""
    return (
        f"{machine['cpu']}, {machine['cores']} cores for everything, {machine['system']}, {machine['when']}; "
        f"{often}load average at the start {machine['load']:.1f}. {versions}."
    )


def cluster(report: Mapping[str, Any], cores: Sequence[int] = (1, 4, 16, 64)) -> str:
    """Markdown: what this many cores of workers would carry, and keep busy elsewhere, by the costs in the table."""
    ours = [run for run in report["runs"] if run["contender"] == OURS]
    own, kafka, clickhouse = (
        median([run[cost] / run["counted"] for run in ours]) for cost in ("cpu", "cpu_kafka", "cpu_clickhouse")
    )
    lines = [
        "| cores of workers | events/s | events a day | cores of brokers, without replicas | cores of ClickHouse |",
        "|--:|--:|--:|--:|--:|",
    ]
    lines += [
        f"| {number} | {number / own:,.0f} | {number / own * 86_400 / 1e9:,.1f} billion | {number * kafka / own:.1f} "
        f"| {number * clickhouse / own:.1f} |"
        for number in cores
    ]
    return "\n".join(lines)


def listed(found: Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> str:
    """Markdown: a table with a line for each mapping; names as they are in the JSON."""
    rows = [_flat(row) for row in ([found] if isinstance(found, Mapping) else found)]
    names = list(dict.fromkeys(name for row in rows for name in row))
    if len(rows) == 1:
        return "\n".join(["| | |", "|---|--:|", *(f"| {name} | {_shown(rows[0][name])} |" for name in names)])
    lines = [names, ["---"] + ["--:"] * (len(names) - 1)]
    lines += [[_shown(row.get(name, "")) for name in names] for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _flat(row: Mapping[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in row.items():
        if isinstance(value, Mapping) and set(value) == SPREAD:
            median_s, min_s, max_s = (f"{value[part]:.2f}" for part in ("median_s", "min_s", "max_s"))
            flat[f"{name}, s"] = f"{median_s} ({min_s} to {max_s})"
        elif isinstance(value, Mapping):
            flat |= {f"{name}: {inner}": found for inner, found in _flat(value).items()}
        else:
            flat[name] = value
    return flat


def _shown(value: object) -> str:
    return f"{value:,}" if isinstance(value, int | float) else str(value)


def chart(report: Mapping[str, Any]) -> str:
    """An SVG: events/s of each contender, a bar to the median and a line from least to greatest."""
    found = {name: [run["rate"] for run in report["runs"] if run["contender"] == name] for name in (OURS, *THEIRS)}
    shown = {name: rates for name, rates in found.items() if rates}
    left, width, step, top = 250, 440, 38, 44
    scale = width / max(max(rates) for rates in shown.values())
    height = top + step * len(shown) + 16
    parts = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {left + width + 90} {height}" '
            'font-family="sans-serif" font-size="13">'
        ),
        "<title>Events per second through the whole path</title>",
        f'<rect width="100%" height="{height}" fill="white"/>',
        (
            f'<text x="10" y="24" font-size="15">Events per second through the whole path, one process, '
            f"{report['machine']['cores']} cores for everything</text>"
        ),
    ]
    for number, (name, rates) in enumerate(shown.items()):
        y, middle = top + step * number, median(rates)
        color = "#1f5f8b" if name == OURS else "#9aa7b1"
        parts += [
            f'<text x="{left - 10}" y="{y + 17}" text-anchor="end">{escape(NAMES[name])}</text>',
            f'<rect x="{left}" y="{y}" width="{middle * scale:.1f}" height="24" fill="{color}"/>',
            (
                f'<line x1="{left + min(rates) * scale:.1f}" x2="{left + max(rates) * scale:.1f}" y1="{y + 12}" '
                f'y2="{y + 12}" stroke="black"/>'
            ),
            f'<text x="{left + max(*rates, middle) * scale + 8:.1f}" y="{y + 17}">{middle:,.0f}</text>',
        ]
    return "\n".join([*parts, "</svg>"]) + "\n"


def between(text: str, name: str, content: str) -> str:
    """A document with the text between its markers of that name replaced; ValueError when it has none."""
    begin, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
    if begin not in text or end not in text:
        raise ValueError(f"the document has no {begin} and {end}")
    head, _, rest = text.partition(begin)
    return f"{head}{begin}\n{content}\n{end}{rest.partition(end)[2]}"


def _spread(values: Sequence[float]) -> str:
    return f"{median(values):,.0f} ({min(values):,.0f} to {max(values):,.0f})"


def _ratio(found: Mapping[str, float] | None) -> str:
    return "" if found is None else f"**{found['median']:.2f}** ({found['min']:.2f} to {found['max']:.2f})"
