"""The report for people: the published sentence, the figures beneath, and what they rest on."""

import textwrap
from typing import Final

from reports.layout import number
from reports.model import FIGURES, AnnualReport, ClusterFigures, NationalFigures, NotCounted
from reports.sentence import sentence
from schemas.indicators import HELPED, LABELS
from schemas.visible import Lines, as_lines, stacked, table

WIDTH: Final = 100
"""Columns of the explanations; tables and the sentence are as wide as they are."""

_FIGURES: Final = (
    "",
    "companies",
    "under 50",
    "size unknown",
    "reported",
    "derived",
    "sum of clusters",
    "other participants",
)
_CLUSTERS: Final = ("cluster", *(outcome.removeprefix("new_") for outcome in FIGURES), "other participants")
_NOT_COUNTED: Final = ("worth a look", "rejected", "stray retractions", "several companies", "not in register")

_BASIS: Final = (
    "Companies are counted once in the whole country, after mergers; in the sum of clusters a company that two of them "
    "helped counts twice. Public bodies and institutions are not companies: they are the other participants. A size "
    "that is not known never counts as under 50. Basis of an outcome: reported by the cluster, or derived from the "
    "type of the activity where the cluster stated no outcome (mapping {version}):"
)
_WAITING: Final = (
    "rejected: refused records still open, of any year. stray retractions: they name no activity known here, of any "
    "year. several companies: activities of the year whose versions name several; the newest counts. not in register: "
    "companies that count, with unknown size."
)


def annual_text(report: AnnualReport) -> Lines:
    """The whole report as plain text with aligned columns, a newline at the end."""
    blocks = [
        as_lines([sentence(report)]),
        _figures(report),
        _basis(report),
        _clusters(report),
        _not_counted(report),
        as_lines([f"sha256 {report.sha256}"]),
    ]
    return stacked(blocks, between=1, end=True)


def _headline(report: AnnualReport) -> str:
    known = f", as known at the end of {report.as_known_on}" if report.as_known_on else ""
    provisional = ", PROVISIONAL: the year had not ended" if report.provisional else ""
    return f"{report.year}{known}, sizes and mergers as at {report.size_as_at}{provisional}"


def _figures(report: AnnualReport) -> Lines:
    rows = [_FIGURES, *(_figure_row(name, figures) for name, figures in report.figures().items())]
    return stacked([as_lines([_headline(report)]), table(rows, numbers=True)], between=1)


def _figure_row(name: str, figures: NationalFigures) -> tuple[str, ...]:
    # Helped has no basis: there is nothing to tell apart.
    basis = ("-", "-") if name == HELPED else (number(figures.reported), number(figures.derived))
    return (
        LABELS[name],
        number(figures.companies),
        number(figures.under_50),
        number(figures.unknown_size),
        *basis,
        number(figures.sum_over_clusters),
        number(figures.participants_other),
    )


def _basis(report: AnnualReport) -> Lines:
    mapping = [
        f"  {event_type} -> {', '.join(LABELS[outcome] for outcome in outcomes)}"
        for event_type, outcomes in sorted(report.mapping.derived.items())
    ]
    return stacked([_prose(_BASIS.format(version=report.mapping.version)), as_lines(mapping)])


def _prose(text: str) -> Lines:
    return as_lines(textwrap.wrap(text, WIDTH, break_on_hyphens=False, break_long_words=False))


def _clusters(report: AnnualReport) -> Lines:
    if not report.clusters:
        return as_lines([])
    return table([_CLUSTERS, *(_cluster_row(cluster) for cluster in report.clusters)], numbers=True)


def _cluster_row(cluster: ClusterFigures) -> tuple[str, ...]:
    counts = (number(getattr(cluster, outcome).companies) for outcome in FIGURES)
    return (cluster.cluster, *counts, number(cluster.helped.participants_other))


def _not_counted(report: AnnualReport) -> Lines:
    counted = report.not_counted
    if not counted.clusters:
        return as_lines(
            ["Nothing to look at: no open rejected record, no stray retraction, no company outside the register."]
        )
    rows = [_NOT_COUNTED, *(_not_counted_row(row.cluster, row) for row in counted.clusters)]
    if len(counted.clusters) > 1:
        rows.append(_not_counted_row("all", counted))
    return stacked([table(rows, numbers=True), _prose(_WAITING)], between=1)


def _not_counted_row(name: str, row: NotCounted) -> tuple[str, ...]:
    return (
        name,
        number(row.rejected),
        number(row.retractions_without_activity),
        number(row.activities_of_several_companies),
        number(row.companies_without_register_row),
    )
