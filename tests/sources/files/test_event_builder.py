"""Row -> event: what is built, what is refused, and that an event is a function of its row."""

import json
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest
from cloudevents.core.bindings.kafka import KafkaMessage, from_structured_event
from samples import CLUSTERS, SOURCE

from brokers.record_headers import STRUCTURED
from schemas.errors import UsageFault
from schemas.events import read_event
from sources.files.conflicts import COMPANIES, mark
from sources.files.event_builder import Builder, Event
from sources.files.mapping import Mapping
from sources.files.refused_rows import Refusal
from sources.files.spreadsheet import Cell, Row
from sources.publisher import MAX_VALUE

HEADER = ["Nr", "CVR-nr", "Firma", "Type", "Workshop", "Dato", "Opdateret", "Udbytte", "Titel"]
FIELDS: dict[str, Any] = {
    "subject": "CVR-nr",
    "id": "Nr",
    "activity_id": "{Workshop}/{CVR-nr}",
    "type": {"column": "Type", "values": {"Kursus": "workshop.attended", "Slettet": "activity.retracted"}},
    "occurred_on": {"column": "Dato", "format": "%d-%m-%Y"},
    "time": {"column": "Opdateret", "format": "%d-%m-%Y %H:%M"},
    "outcomes": {"column": "Udbytte", "separator": "+", "values": {"Idé": "new_ideas", "Evner": "new_competencies"}},
    "title": "Titel",
}
GOOD: dict[str, Cell] = {
    "Nr": "r-1",
    "CVR-nr": "DK 13 74 81 36",
    "Firma": "Blåbær ApS",
    "Type": "Kursus",
    "Workshop": "WS-113",
    "Dato": "03-05-2018",
    "Opdateret": "04-05-2018 09:30",
    "Udbytte": "Idé + Evner",
    "Titel": "Æbler",
}
ARRIVED = 1_600_000_000_000


def builder(*, without: str = "", exported_at: str | None = None, padded: bool = False, **fields: Any) -> Builder:
    """A builder of the sample's mapping; `without` leaves fields out, `fields` replaces some."""
    chosen = {name: rule for name, rule in (FIELDS | fields).items() if name not in without.split()}
    mapping = Mapping.model_validate({"source": SOURCE, "fields": chosen})
    instant = datetime.fromisoformat(exported_at) if exported_at else None
    return Builder(mapping, header=HEADER, file=Path("export.csv"), exported_at=instant, padded=padded)


def row(**changed: Cell) -> Row:
    """The sample row with other cells; names as in HEADER, `CVR-nr` as CVR."""
    cells = GOOD | {"CVR-nr" if name == "CVR" else name: cell for name, cell in changed.items()}
    return Row(7, [cells[name] for name in HEADER])


def built(one: Builder, of: Row | None = None) -> dict[str, Any]:
    """The event of a row as an object."""
    event = one.build(of or row(), {})
    assert isinstance(event, Event), event
    document: dict[str, Any] = json.loads(event.value)
    return document


def refused(one: Builder, of: Row) -> Refusal:
    """The refusal of a row."""
    refusal = one.build(of, {})
    assert isinstance(refusal, Refusal), refusal
    return refusal


def test_whole_event():
    """Every mapped field arrives where the design puts it; what is not mapped stays out."""
    assert built(builder()) == {
        "specversion": "1.0",
        "id": "r-1",
        "source": SOURCE,
        "type": "org.clustertrack.workshop.attended.v1",
        "subject": "13748136",
        "time": "2018-05-04T09:30:00+02:00",
        "datacontenttype": "application/json",
        "data": {
            "activity_id": "WS-113/13748136",
            "occurred_on": "2018-05-03",
            "outcomes": ["new_ideas", "new_competencies"],
            "title": "Æbler",
        },
    }


def test_key_is_the_normalised_number():
    """The record's key is the CVR number as 8 digits; without a readable one there is none, and the worker judges."""
    good, bad = builder().build(row(), {}), builder().build(row(CVR="13585627"), {})
    assert isinstance(good, Event)
    assert isinstance(bad, Event)
    assert good.key == b"13748136"
    assert bad.key is None
    assert json.loads(bad.value)["subject"] == "13585627"


def test_worker_takes_it():
    """What is built passes the worker's own validation, and the CloudEvents SDK reads it as a CloudEvent."""
    event = builder().build(row(), {})
    assert isinstance(event, Event)
    activity = read_event(event.value, dict([STRUCTURED]), ARRIVED, CLUSTERS)
    assert not isinstance(activity, list), activity
    message = KafkaMessage(headers=dict([STRUCTURED]), key=event.key, value=event.value)
    read = from_structured_event(message)
    assert read.get_id() == "r-1"
    assert read.get_subject() == "13748136"


@pytest.mark.parametrize(
    ("cell", "outcomes"),
    [
        pytest.param("", None, id="empty says nothing"),
        pytest.param("-", [], id="dash says none"),
        pytest.param("Idé", ["new_ideas"], id="one"),
        pytest.param("Idé+ +Andet", ["new_ideas", "Andet"], id="unknown is passed on"),
    ],
)
def test_outcomes(cell: str, outcomes: list[str] | None):
    """An absent list and an empty one are different statements."""
    assert built(builder(), row(Udbytte=cell))["data"].get("outcomes") == outcomes


@pytest.mark.parametrize(
    ("cell", "written"),
    [
        pytest.param("Kursus", "org.clustertrack.workshop.attended.v1", id="mapped"),
        pytest.param("Frokost", "org.clustertrack.Frokost.v1", id="unknown is passed on"),
        pytest.param("org.clustertrack.company.joined.v1", "org.clustertrack.company.joined.v1", id="already whole"),
    ],
)
def test_types(cell: str, written: str):
    """A short type is written out; an unknown one is sent for the worker to reject."""
    assert built(builder(), row(Type=cell))["type"] == written


def test_retraction_without_a_day():
    """A retraction has no day: its empty cell is no reason to refuse."""
    assert "occurred_on" not in built(builder(), row(Type="Slettet", Dato="", Udbytte=""))["data"]


def test_id_from_the_row():
    """Without a column the id is the same for the same row, another for any other, whenever it was exported."""
    one = builder(without="id time", exported_at="2020-01-15T08:00:00+01:00")
    later = builder(without="id time", exported_at="2020-02-15T08:00:00+01:00")
    first = built(one)
    assert first["time"] == "2020-01-15T08:00:00+01:00"
    assert built(one)["id"] == first["id"] == built(later)["id"]
    assert built(later)["time"] != first["time"]
    changes: list[dict[str, Cell]] = [
        {"Titel": "B"},
        {"CVR": "13585628"},
        {"Dato": "04-05-2018"},
        {"Udbytte": ""},
        {"Workshop": "W"},
    ]
    assert len({first["id"], *(built(one, row(**changed))["id"] for changed in changes)}) == 1 + len(changes)
    assert built(one, row(Firma="another cell"))["id"] == first["id"]


def test_workbook_cells():
    """Dates and times of a workbook need no format; a number stays a number's digits."""
    event = built(
        builder(padded=True),
        row(CVR="13748136", Dato=date(2018, 5, 3), Opdateret=datetime(2018, 5, 4, 9, 30)),
    )
    assert event["time"] == "2018-05-04T09:30:00+02:00"
    assert event["data"]["occurred_on"] == "2018-05-03"


def test_time_from_two_columns():
    """A template joins date and clock."""
    one = builder(time={"column": "{Dato} {Titel}", "format": "%d-%m-%Y %H.%M"})
    assert built(one, row(Titel="09.30"))["time"] == "2018-05-03T09:30:00+02:00"


@pytest.mark.parametrize(
    ("changed", "field", "reason"),
    [
        pytest.param({"Dato": ""}, "occurred_on", "is empty", id="no day"),
        pytest.param({"Dato": "i går"}, "occurred_on", "is not written as", id="day in words"),
        pytest.param({"Opdateret": ""}, "time", "is empty", id="no time"),
        pytest.param({"Opdateret": "04-05-2018"}, "time", "is not written as", id="day instead of time"),
        pytest.param({"Opdateret": "25-03-2018 02:30"}, "time", "does not exist", id="hour that was skipped"),
        pytest.param({"Workshop": ""}, "activity_id", "'Workshop' is empty", id="hole in a template"),
        pytest.param({"Titel": "x\udc81"}, "title", "cannot be decoded", id="undecodable"),
        pytest.param({"Titel": "x" * MAX_VALUE}, "", "more than Kafka takes", id="too large"),
    ],
)
def test_rows_that_are_refused(changed: dict[str, Cell], field: str, reason: str):
    """A row that cannot become an event is refused with file, line, field and reason."""
    refusal = refused(builder(), row(**changed))
    assert (refusal.file, refusal.line, refusal.field) == ("export.csv", 7, field)
    assert reason in refusal.reason


def test_undecodable_cell_that_nobody_reads():
    """A broken cell in a column that is not mapped does not matter."""
    assert built(builder(), row(Firma="x\udc81"))["id"] == "r-1"


def test_width_of_rows():
    """A row that goes beyond the header is refused; one that ends before a mapped column only in CSV."""
    cells = [str(cell) for cell in row().cells or ()]
    short = refused(builder(), Row(3, cells[:4]))
    assert (short.field, short.reason) == ("activity_id", "the row ends after 4 of 9 columns, before 'Workshop'")
    assert refused(builder(), Row(3, [*cells, "more"])).field == ""
    assert "10 cells and the header 9" in refused(builder(), Row(3, [*cells, ""])).reason
    assert "no heading" in refused(builder(padded=True), Row(3, [*cells, "more"])).reason
    assert built(builder(padded=True), Row(3, [*cells, "", ""]))["id"] == "r-1"
    assert "title" not in built(builder(padded=True), Row(3, cells[:8]))["data"]
    assert refused(builder(), Row(3, None, "a stray quotation mark", "raw")).reason == "a stray quotation mark"


def test_conflict_is_refused():
    """A row whose activity names two companies at that time is refused at activity_id."""
    one = builder()
    found = one.version(row())
    assert found is not None
    assert found[:2] == (mark(SOURCE, "WS-113/13748136", 1_525_419_000_000), 13748136)
    refusal = one.build(row(), {found[0]: COMPANIES})
    assert isinstance(refusal, Refusal)
    assert (refusal.field, refusal.reason) == ("activity_id", f"'WS-113/13748136' {COMPANIES}")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        pytest.param({"title": "Tittel"}, r"no column 'Tittel' \(fields.title", id="unknown column"),
        pytest.param({"activity_id": "{Workshop}/{X}"}, "no column 'X'", id="unknown column in a template"),
        pytest.param({"without": "time"}, "has no `time`: map a column", id="no time at all"),
    ],
)
def test_mappings_that_do_not_fit(options: dict[str, Any], message: str):
    """A mapping that does not fit the file is refused before anything is sent."""
    with pytest.raises(UsageFault, match=message):
        builder(**options)


def test_heading_that_is_there_twice():
    """With two columns of one name nothing is guessed."""
    mapping = Mapping.model_validate({"source": SOURCE, "fields": FIELDS})
    with pytest.raises(UsageFault, match="2 columns 'Titel'"):
        Builder(mapping, header=[*HEADER, "Titel"], file=Path("f"), exported_at=None, padded=False)


@pytest.mark.parametrize(
    ("rule", "cells", "outcomes"),
    [
        pytest.param({"column": "Udbytte", "values": {"": "-"}}, {"Udbytte": ""}, [], id="empty means none"),
        pytest.param({"column": "Udbytte", "values": {"": "new_ideas"}}, {"Udbytte": ""}, ["new_ideas"], id="one"),
        pytest.param({"column": "Udbytte", "separator": "-"}, {"Udbytte": "-"}, [], id="separated by hyphens"),
        pytest.param(
            {"column": "{Udbytte}|{Titel}"}, {"Udbytte": "new_ideas", "Titel": ""}, ["new_ideas"], id="second empty"
        ),
        pytest.param({"column": "{Udbytte}|{Titel}"}, {"Udbytte": "", "Titel": ""}, None, id="both empty"),
    ],
)
def test_cells_that_say_nothing(rule: dict[str, Any], cells: dict[str, str], outcomes: list[str] | None):
    """An empty cell says what the mapping has for it, else nothing; a hyphen alone says that there is none."""
    assert built(builder(outcomes=rule), row(**cells))["data"].get("outcomes") == outcomes
