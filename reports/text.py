"""The report for people: the published sentence, the figures beneath, and what they rest on."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from reports.as_known import danish_day
from reports.layout import fitted, prose
from reports.model import FIGURES, AnnualReport, ClusterFigures, NationalFigures, NotCounted
from reports.sentence import sentence
from schemas.counts import number
from schemas.event_time import COPENHAGEN
from schemas.indicators import LABELS
from schemas.visible import Lines, as_lines, stacked

WIDTH: Final = 120
"""Columns of a report that goes anywhere but to a terminal."""

_CLUSTERS: Final = (*(outcome.removeprefix("new_") for outcome in FIGURES), "other participants")
_NOT_COUNTED: Final = ("cluster", "rejected", "stray retractions", "several companies", "not in register")

_SIZES: Final = (
    "Companies are counted once in the whole country, after mergers. Public bodies and institutions are not companies: "
    "they are the other participants. A size that is not known never counts as under 50."
)
_BASIS: Final = (
    "An outcome is reported by the cluster, or derived from the type of the activity where the cluster stated none. "
    "In the sum of clusters a company that two of them helped counts twice."
)
_MAPPING: Final = "What is derived from which type of activity (mapping {version}):"
_WAITING: Final = (
    "Worth a look. Rejected: rejected records still open, of any year. Stray retractions: they name no activity known "
    "here, of any year. Several companies: activities of the year whose versions name several; the newest counts. Not "
    "in register: companies that count, with unknown size."
)


def annual_text(report: AnnualReport, names: Mapping[str, str], width: int = WIDTH) -> Lines:
    """The whole report as plain text that fits `width` columns, a newline at the end.

    `names` has the name of a cluster for its short one; a cluster without one is shown without.
    """
    nothing = _nothing_known(report)
    if nothing:
        waiting = _not_counted(report, width) if report.not_counted.clusters else []
        return stacked([_title(report, width), prose(nothing, width), *waiting], between=1, end=True)
    blocks = [
        _title(report, width),
        prose(sentence(report), width),
        *_figures(report, width),
        _mapping(report),
        _clusters(report, names, width),
        *_not_counted(report, width),
        as_lines([f"sha256 {report.sha256}"]),
    ]
    return stacked(blocks, between=1, end=True)


def _title(report: AnnualReport, width: int) -> Lines:
    known = f"As known {_asked(report)}; sizes" if report.as_known_on else "Sizes"
    provisional = " PROVISIONAL: the year had not ended." if report.provisional and report.begun else ""
    return stacked(
        [
            as_lines([f"Companies helped by clusters in {report.year}"]),
            prose(f"{known} and mergers as at {report.size_as_at}.{provisional}", width),
        ]
    )


def _asked(report: AnnualReport) -> str:
    """What the report speaks for, in words."""
    asked = report.as_known_on
    if isinstance(asked, datetime):
        return f"at {asked.astimezone(COPENHAGEN):%Y-%m-%d %H:%M:%S} in Denmark"
    return f"at the end of {asked}" if asked else "now"


def _nothing_known(report: AnnualReport) -> str:
    """Why there are no figures to show; empty where there are some, zeros included."""
    if not report.begun:
        had = f"had not begun {_asked(report)}" if report.as_known_on else "has not begun"
        return f"{report.year} {had}: nothing is known of it."
    if report.known_since is not None:
        return ""
    if report.ledger_begins is None:
        return "The ledger holds no activity yet: publish some, and wait for it with `clustertrack status --wait 60`."
    # The seconds after it are rounded up, as the option has no fractions of them here.
    begun = (report.ledger_begins + timedelta(seconds=1)).astimezone(COPENHAGEN).replace(microsecond=0)
    return (
        f"The ledger knew nothing {_asked(report)}: its first activity became known on "
        f"{danish_day(report.ledger_begins)}. Name that time or a later one: --as-known-on {begun:%Y-%m-%dT%H:%M:%S}"
    )


def _figures(report: AnnualReport, width: int) -> list[Lines]:
    """Legend and table of the sizes, then of the basis."""
    before = report.previous_year
    sizes: list[tuple[str, ...]] = [
        ("", "companies", *((str(before.year), "change") if before else ()), "under 50", "size unknown")
    ]
    basis: list[tuple[str, ...]] = [("", "reported", "derived", "sum of clusters", "other participants")]
    for name, figures in report.figures().items():
        then = (before.companies[name],) if before else ()
        compared = (text for count in then for text in (number(count), _change(figures.companies - count)))
        sizes.append(
            (LABELS[name], number(figures.companies), *compared, number(figures.under_50), number(figures.unknown_size))
        )
        basis.append((LABELS[name], *_basis_row(figures)))
    return [prose(_SIZES, width), fitted(sizes, width), prose(_BASIS, width), fitted(basis, width)]


def _change(difference: int) -> str:
    return f"{difference:+,}" if difference else "0"


def _basis_row(figures: NationalFigures) -> tuple[str, ...]:
    # Helped has no basis: there is nothing to tell apart.
    basis = ("-" if count is None else number(count) for count in (figures.reported, figures.derived))
    return (*basis, number(figures.sum_over_clusters), number(figures.participants_other))


def _mapping(report: AnnualReport) -> Lines:
    mapping = [
        f"  {event_type} -> {', '.join(LABELS[outcome] for outcome in outcomes)}"
        for event_type, outcomes in sorted(report.mapping.derived.items())
    ]
    return as_lines([_MAPPING.format(version=report.mapping.version), *mapping])


def _clusters(report: AnnualReport, names: Mapping[str, str], width: int) -> Lines:
    if not report.clusters:
        return as_lines([])
    rows = [("cluster", "name", *_CLUSTERS)]
    rows += [_cluster_row(cluster, names) for cluster in report.clusters]
    return fitted(rows, width, texts=2)


def _cluster_row(cluster: ClusterFigures, names: Mapping[str, str]) -> tuple[str, ...]:
    counts = (number(getattr(cluster, outcome).companies) for outcome in FIGURES)
    return (cluster.cluster, names.get(cluster.cluster, ""), *counts, number(cluster.helped.participants_other))


def _not_counted(report: AnnualReport, width: int) -> list[Lines]:
    counted = report.not_counted
    if not counted.clusters:
        return [
            prose(
                "Nothing to look at: no open rejected record, no stray retraction, no company outside the register.",
                width,
            )
        ]
    rows = [_NOT_COUNTED, *(_not_counted_row(row.cluster, row) for row in counted.clusters)]
    if len(counted.clusters) > 1:
        rows.append(_not_counted_row("all", counted))
    return [prose(_WAITING, width), fitted(rows, width)]


def _not_counted_row(name: str, row: NotCounted) -> tuple[str, ...]:
    return (
        name,
        number(row.rejected),
        number(row.retractions_without_activity),
        number(row.activities_of_several_companies),
        number(row.companies_without_register_row),
    )
