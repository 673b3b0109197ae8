"""The report as CSV: one row per figure, of the whole country and of every cluster."""

import csv
import io
from typing import Final

from reports.model import FIGURES, AnnualReport, Figures
from schemas.visible import Lines, as_lines, visible

COLUMNS: Final = (
    "year",
    "as_known_on",
    "size_as_at",
    "provisional",
    "level",
    "cluster",
    "outcome",
    "companies",
    "under_50",
    "unknown_size",
    "participants_other",
    "reported",
    "derived",
    "sum_over_clusters",
)


def annual_csv(report: AnnualReport) -> Lines:
    """CSV with a header, commas and line feeds; `level` is national or cluster, cells without a value are empty."""
    file = io.StringIO()
    writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
    writer.writeheader()
    for outcome, figures in report.figures().items():
        writer.writerow(_row(report, "national", "", outcome, figures))
    for cluster in report.clusters:
        for outcome in FIGURES:
            writer.writerow(_row(report, "cluster", cluster.cluster, outcome, getattr(cluster, outcome)))
    return as_lines(file.getvalue().split("\n"))


def _row(report: AnnualReport, level: str, cluster: str, outcome: str, figures: Figures) -> dict[str, object]:
    return {
        "year": report.year,
        "as_known_on": report.as_known_on or "",
        "size_as_at": report.size_as_at,
        "provisional": int(report.provisional),
        "level": level,
        "cluster": visible(cluster),
        "outcome": outcome,
        **figures.model_dump(),
    }
