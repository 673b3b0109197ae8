"""The mapping file: what it may say, and how it says what is wrong."""

from datetime import datetime
from pathlib import Path

import pytest

from schemas.errors import UsageFault
from sources.files.mapping import load_mapping, mapping_path, own_names

WHOLE = """
source = "https://crm.foodbio.example"
exported_at = "2020-01-15T08:00:00+01:00"
encoding = "cp1252"
separator = ";"
sheet = "Aktiviteter"

[fields]
subject = "CVR-nr"
id = "Rækkenr"
activity_id = "{Workshop}/{CVR-nr}"
type = {column = "Type", values = {"Kursus" = "workshop.attended"}}
occurred_on = {column = "Dato", format = "%d-%m-%Y %H:%M"}
time = {column = "Opdateret", format = "%d-%m-%Y %H:%M"}
outcomes = {column = "Udbytte", separator = "|", values = {"Kompetencer" = "new_competencies"}}
"""


def written(folder: Path, text: str) -> Path:
    """A mapping file with this text."""
    path = folder / "export.mapping.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_whole_mapping(tmp_path: Path):
    """Every key of the documented example is read."""
    mapping = load_mapping(written(tmp_path, WHOLE))
    assert mapping.source == "https://crm.foodbio.example"
    assert mapping.zone.key == "Europe/Copenhagen"
    assert mapping.exported(None) == datetime.fromisoformat("2020-01-15T08:00:00+01:00")
    assert mapping.fields["activity_id"].columns == ["Workshop", "CVR-nr"]
    assert mapping.fields["subject"].columns == ["CVR-nr"]
    assert mapping.fields["type"].values == {"Kursus": "workshop.attended"}


def test_exported_at_can_be_overridden(tmp_path: Path):
    """The command line overrides the file; a time without zone is in the mapping's zone."""
    mapping = load_mapping(written(tmp_path, WHOLE))
    assert mapping.exported("2021-07-01T12:00") == datetime.fromisoformat("2021-07-01T12:00:00+02:00")


@pytest.mark.parametrize("name", ["localtime", "posixrules", "Factory", "posix/Europe/Paris", "right/Europe/Paris"])
def test_zones_of_the_machine(tmp_path: Path, name: str):
    """A zone that is another one on another machine, or counts leap seconds, is none."""
    with pytest.raises(UsageFault, match=f"timezone: '{name}' is not a time zone like"):
        load_mapping(written(tmp_path, f'timezone = "{name}"\n{WHOLE}'))


@pytest.mark.parametrize("name", ["Etc/GMT+1", "Etc/GMT-2", "EST", "HST"])
def test_zones_without_summer_time(tmp_path: Path, name: str):
    """An offset is no place whose clock it is; the sign of Etc/GMT is the other way round besides."""
    with pytest.raises(UsageFault, match="without summer time: write the place whose clock it is"):
        load_mapping(written(tmp_path, f'timezone = "{name}"\n{WHOLE}'))


@pytest.mark.parametrize("name", ["UTC", "Etc/UTC", "GMT", "CET", "Africa/Lagos", "Asia/Tokyo", "Atlantic/Reykjavik"])
def test_other_zones(tmp_path: Path, name: str):
    """Places, and UTC."""
    assert load_mapping(written(tmp_path, f'timezone = "{name}"\n{WHOLE}')).timezone == name


def test_toml_instant(tmp_path: Path):
    """TOML's own instants are taken as well as text."""
    text = WHOLE.replace('"2020-01-15T08:00:00+01:00"', "2020-01-15T08:00:00+01:00")
    assert load_mapping(written(tmp_path, text)).exported(None) == datetime.fromisoformat("2020-01-15T08:00:00+01:00")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        pytest.param('source = "https', 'sauce = "https', "sauce: there is no such key", id="unknown key"),
        pytest.param('id = "Ræ', 'ident = "Ræ', "fields.ident: there is no such field", id="unknown field"),
        pytest.param('subject = "CVR-nr"\n', "", "fields.subject: name the column", id="no subject"),
        pytest.param('source = "https://crm.foodbio.example"\n', "", "source: give it once, either", id="no source"),
        pytest.param("[fields]", '[fields]\nsource = "CRM"', "source: give it once, either", id="source twice"),
        pytest.param('"cp1252"', '"cp99999"', "encoding: 'cp99999' is not a text encoding", id="unknown encoding"),
        pytest.param('";"', '";;"', "separator: ';;' is not a separator: write one char", id="long separator"),
        pytest.param('";"', '""', "separator: '' is not a separator: write one char", id="no separator"),
        pytest.param('";"', '"tab"', r"separator: 'tab' is not .* for a tab", id="a word as separator"),
        pytest.param(
            '{"Kursus" = "workshop.attended"}',
            '{"Kursus" = "workshop.attended", "Kursus " = "project.started"}',
            "values: 'Kursus' and 'Kursus ' are one text, and say 'workshop.attended' and 'project.started'",
            id="one word twice",
        ),
        pytest.param(
            '"2020-01-15T08:00:00+01:00"', '"2020-01-15"', "exported_at: .* day without a time", id="day alone"
        ),
        pytest.param('"2020-01-15T08:00:00+01:00"', "2020-01-15", "exported_at: .* day without a time", id="TOML day"),
        pytest.param(
            'sheet = "A', 'timezone = "Mars/X"\nsheet = "A', "timezone: 'Mars/X' is not a time zone", id="unknown zone"
        ),
        pytest.param("[fields]", "[fields]\n[[", "is not TOML", id="no TOML"),
        pytest.param(
            'time = {column = "Opdateret", format = "%d-%m-%Y %H:%M"}',
            'time = {column = "Opdateret", format = "%d-%m-%Y"}',
            "fields.time.format: .* needs a time of day",
            id="time of a day alone",
        ),
        pytest.param(
            'id = "Rækkenr"',
            'id = {column = "R", format = "%Y"}',
            "fields.id.format: only time and",
            id="format of an id",
        ),
        pytest.param(
            'type = {column = "Type", values = {"Kursus" = "workshop.attended"}}\n'
            'occurred_on = {column = "Dato", format = "%d-%m-%Y %H:%M"}',
            "",
            "type: give it once, either",
            id="no type",
        ),
    ],
)
def test_faults_name_file_and_key(tmp_path: Path, old: str, new: str, message: str):
    """A mistake is one sentence with the file and the key."""
    with pytest.raises(UsageFault, match=message) as caught:
        load_mapping(written(tmp_path, WHOLE.replace(old, new, 1)))
    assert str(tmp_path / "export.mapping.toml") in str(caught.value)


def test_activity_without_a_day(tmp_path: Path):
    """A fixed type with an activity_id and no day would be rejected row by row: the mapping says so at once."""
    text = 'source = "s"\ntype = "workshop.attended"\n[fields]\nsubject = "CVR"\nactivity_id = "Nr"\n'
    with pytest.raises(UsageFault, match=r"fields\.occurred_on"):
        load_mapping(written(tmp_path, text))


def test_missing_file(tmp_path: Path):
    """A mapping that does not exist is named."""
    with pytest.raises(UsageFault, match="cannot be read"):
        load_mapping(tmp_path / "none.toml")


def test_place_of_a_mapping():
    """The mapping is next to its file."""
    assert mapping_path(Path("a/export.csv")) == Path("a/export.mapping.toml")


def test_columns_with_the_events_own_names():
    """Without a mapping every column is a field of the event."""
    mapping = own_names(Path("export.csv"), ["subject", "source", "type", "time"])
    assert set(mapping.fields) == {"subject", "source", "type", "time"}


@pytest.mark.parametrize(
    ("header", "message"),
    [
        pytest.param(["subject", "source", "type", "E-mail"], "unknown column 'E-mail'", id="unknown column"),
        pytest.param(["subject", "type"], "no column 'source' and no mapping", id="missing column"),
    ],
)
def test_columns_without_a_mapping(header: list[str], message: str):
    """Without a mapping nothing is guessed: the error says which file to write."""
    with pytest.raises(UsageFault, match=message) as caught:
        own_names(Path("export.csv"), header)
    assert "export.mapping.toml" in str(caught.value)
