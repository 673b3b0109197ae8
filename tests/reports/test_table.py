import csv
import io
from datetime import date

from reports.annual import published_mapping
from reports.model import FIGURES, AnnualReport, ClusterFigures, Figures, NationalFigures
from reports.table import COLUMNS, annual_csv

REPORT = AnnualReport(
    year=2018,
    as_known_on=None,
    size_as_at=date(2018, 12, 31),
    provisional=False,
    new_ideas=NationalFigures(companies=5296, under_50=3941, reported=5000, derived=400, sum_over_clusters=5300),
    clusters=(ClusterFigures(cluster='a "quoted", name', new_ideas=Figures(companies=7)),),
    mapping=published_mapping(),
)


def test_one_row_per_figure():
    """A national row for each figure and one of every cluster, with the columns of the header."""
    rows = list(csv.DictReader(io.StringIO(annual_csv(REPORT))))
    assert list(rows[0]) == list(COLUMNS)
    assert [(row["level"], row["outcome"]) for row in rows] == [
        (level, outcome) for level in ("national", "cluster") for outcome in FIGURES
    ]
    national = rows[2]
    assert (national["companies"], national["under_50"], national["sum_over_clusters"]) == ("5296", "3941", "5300")
    assert (national["year"], national["size_as_at"], national["provisional"]) == ("2018", "2018-12-31", "0")
    assert (national["cluster"], national["as_known_on"]) == ("", "")
    assert (rows[0]["reported"], rows[0]["derived"]) == ("", "")


def test_names_of_clusters_are_quoted():
    """A comma or quote in a name does not break the row; a cluster has no sum over clusters."""
    rows = csv.DictReader(io.StringIO(annual_csv(REPORT)))
    [row] = (row for row in rows if row["level"] == "cluster" and row["outcome"] == "new_ideas")
    assert (row["cluster"], row["companies"], row["sum_over_clusters"]) == ('a "quoted", name', "7", "")
