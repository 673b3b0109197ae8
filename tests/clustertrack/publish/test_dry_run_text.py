"""A dry run as people read it: columns, first rows and days, on 80 columns."""

import json
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from clustertrack.publish.dry_run_text import WIDTH, columns_text, danish_time, day_in_words, fitting, rows_text
from schemas.event_time import to_ms
from schemas.visible import visible
from sources.files.file_publisher import Example, open_input

MAPPING = """
source = "https://crm.foodbio.example"
type = "workshop.attended"
exported_at = "2020-01-15T08:00:00+01:00"
[fields]
subject = "CVR"
activity_id = "{Nr}/{CVR}"
occurred_on = "Dato"
title = "Titel"
"""


def event(**data: object) -> bytes:
    """An event with other data."""
    return json.dumps(
        {
            "id": "e-1",
            "type": "org.clustertrack.workshop.attended.v1",
            "subject": "13748136",
            "time": "2020-12-24T17:30:00Z",
            "data": {"activity_id": "WS-1", **data},
        }
    ).encode()


@pytest.mark.parametrize(
    ("day", "text"),
    [(date(2020, 12, 24), "24. december 2020"), (date(2019, 5, 3), "3. maj 2019"), (date(2019, 3, 1), "1. marts 2019")],
    ids=str,
)
def test_days_are_written_out(day: date, text: str):
    """Nobody has to know which number is the month."""
    assert day_in_words(day) == text


def test_instants_are_those_of_danish_clocks():
    """In winter and in summer, also where the day is another one."""
    assert danish_time(to_ms(datetime(2020, 12, 24, 23, 30, tzinfo=UTC))) == "25. december 2020 kl. 00.30"
    assert danish_time(to_ms(datetime(2020, 6, 24, 12, 5, tzinfo=UTC))) == "24. juni 2020 kl. 14.05"


def test_what_columns_are_used_for(tmp_path: Path):
    """Each column with all its fields; what is the same in every row; what is not sent at all."""
    path = tmp_path / "export.csv"
    path.write_text("Nr;CVR;Dato;Titel;Kontakt;Telefon ane@example.dk\n1;13748136;2018-05-03;A;x;1\n")
    path.with_suffix(".mapping.toml").write_text(MAPPING)
    lines = columns_text(open_input(path, mapping=None, exported_at=None)).split("\n")
    assert lines == [
        f"{path}:",
        "  column  is used for",
        "  Nr      activity_id",
        "  CVR     subject, activity_id",
        "  Dato    occurred_on",
        "  Titel   title",
        "  source: https://crm.foodbio.example in every row",
        "  type: workshop.attended in every row",
        "  time: 2020-01-15T08:00:00+01:00 in every row",
        "  not sent: Kontakt, Telefon ***",
    ]


def test_rows_as_they_are_understood():
    """The day of the activity, when it was recorded, and everything else that is sent; people are masked."""
    more = {"occurred_on": "2020-05-03", "outcomes": ["new_ideas"], "title": "Æbler, ane@example.dk"}
    assert rows_text([Example(7, event(**more)), Example(8, event(outcomes=[])), Example(9, b"no JSON")]).split(
        "\n"
    ) == [
        "",
        "The first rows, as they will be understood:",
        "  line  company   day                type               activity",
        "  7     13748136  3. maj 2020        workshop.attended  WS-1",
        "        recorded 24. december 2020 kl. 18.30; outcomes: new_ideas; title: Æbler,",
        "          ***",
        "  8     13748136  24. december 2020  workshop.attended  WS-1",
        "        recorded 24. december 2020 kl. 18.30; outcomes: none",
    ]


def test_everything_fits_the_width():
    """Long ids, titles and escapes do not break the table."""
    long = {"activity_id": "W" * 200, "title": "\x1b" * 400, "reason": "ord " * 100, "occurred_on": "2020-12-24"}
    assert max(map(len, rows_text([Example(4_000_000, event(**long))]).split("\n"))) <= WIDTH


@pytest.mark.parametrize("text", ["", "kort", "x" * 10, "x" * 11, "\x1b" * 9, "\\" * 6], ids=repr)
def test_texts_are_cut(text: str):
    """What is shown takes no more than the columns that there are; what fits stays whole."""
    shown = fitting(text, 10)
    assert len(visible(shown)) <= 10
    assert shown == text or shown.endswith("…")
