"""The spreadsheets: their columns, how their cells are written, and the mapping file that `publish` reads."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from random import Random
from typing import Final

from clustertrack.simulator.final import OBJECT_FIELD
from clustertrack.simulator.history import COPENHAGEN, Version
from clustertrack.simulator.simulated_clusters import DANISH, DANISH_PLAIN, EXCEL, ISO, Source
from clustertrack.simulator.wire import RETRACTED, instant, subject
from clustertrack.simulator.world import World

CellValue = str | int | date | datetime
_TYPES: Final = {
    "workshop.attended": "Kursus",
    "project.started": "Projektstart",
    "product.launched": "Lancering",
    "company.joined": "Indmeldelse",
    RETRACTED: "Tilbagekaldt",
}
_OUTCOMES: Final = {"new_competencies": "Kompetencer", "new_ideas": "Idéer", "new_products": "Produkter"}
_DANISH_TIME: Final = "%d-%m-%Y %H:%M"


@dataclass(frozen=True, slots=True)
class Layout:
    """One spreadsheet. `columns`: heading -> event field; fields in brackets are written but not mapped."""

    file: str
    columns: dict[str, str]
    write: Callable[[Version, Random], dict[str, CellValue]]
    encoding: str = "utf-8"
    separator: str = ","
    newline: str = "\n"

    @property
    def fields(self) -> frozenset[str]:
        """Event fields that a column gives."""
        return frozenset(self.columns.values())

    @property
    def mapping(self) -> str:
        """Name of its mapping file."""
        return self.file.rpartition(".")[0] + ".mapping.toml"


def cells(
    layout: Layout, version: Version, world: World, rng: Random, changed: Mapping[str, CellValue]
) -> list[CellValue]:
    """One row in the order of the columns; `changed` gives other cells for some fields."""
    company = world.companies.get(version.subject)
    written: dict[str, CellValue] = layout.write(version, rng)
    written["(company)"] = company.name if company else ""
    written.update(changed)
    return [written.get(field, "") for field in layout.columns.values()]


def _common(version: Version, rng: Random) -> dict[str, CellValue]:
    state = version.state
    fields: dict[str, CellValue] = {
        "id": version.event_id,
        "source": version.source.uri,
        "subject": subject(version.subject, rng),
        "activity_id": version.activity_id,
        "type": state.type if state else RETRACTED,
        "reason": version.reason or "",
    }
    if state is not None:
        fields |= {
            "occurred_on": state.day.isoformat(),
            "membership": state.membership or "",
            "title": state.title or "",
            "outcomes": "" if state.outcomes is None else "|".join(state.outcomes) or "-",
            "cluster": state.cluster if len(version.source.clusters) > 1 else "",
        }
        if state.object_id:
            fields[OBJECT_FIELD[state.type]] = state.object_id
    return fields


def _iso(version: Version, rng: Random) -> dict[str, CellValue]:
    at = instant(version.time, rng)
    if rng.random() < 0.2:
        local = version.time.astimezone(COPENHAGEN).replace(tzinfo=None)
        at = local.isoformat(timespec="milliseconds" if local.microsecond else "seconds")
    return _common(version, rng) | {"time": at}


def _danish(version: Version, rng: Random) -> dict[str, CellValue]:
    fields = _common(version, rng)
    state = version.state
    fields["case"] = version.activity_id.partition("/")[0]
    fields["type"] = _TYPES[str(fields["type"])]
    fields["time"] = version.time.astimezone(COPENHAGEN).strftime(_DANISH_TIME)
    if state is not None:
        # The hour has no meaning; an evening shows who converts a local day to UTC.
        clock = time(rng.choice((0, 9, 13, 23)), rng.choice((0, 30)))
        fields["occurred_on"] = datetime.combine(state.day, clock).strftime(_DANISH_TIME)
        if state.outcomes:
            fields["outcomes"] = "|".join(_OUTCOMES[outcome] for outcome in state.outcomes)
    return fields


def _danish_plain(version: Version, rng: Random) -> dict[str, CellValue]:
    fields = _danish(version, rng)
    if version.state is not None:
        fields["occurred_on"] = version.state.day.strftime("%d-%m-%Y")
    return fields


def _excel(version: Version, rng: Random) -> dict[str, CellValue]:
    fields = _danish(version, rng)
    fields["time"] = version.time.astimezone(COPENHAGEN).replace(tzinfo=None)
    if version.state is not None:
        fields["occurred_on"] = version.state.day
    if str(fields["subject"]).isdigit() and rng.random() < 0.6:
        fields["subject"] = version.subject
    return fields


LAYOUTS: Final = {
    layout.file: layout
    for layout in (
        Layout(
            ISO,
            {
                "id": "id",
                "crm": "source",
                "cvr": "subject",
                "company": "(company)",
                "type": "type",
                "activity": "activity_id",
                "date": "occurred_on",
                "updated": "time",
                "outcomes": "outcomes",
                "cluster": "cluster",
                "membership": "membership",
                "reason": "reason",
                "workshop": "workshop_id",
                "project": "project_id",
                "product": "product_id",
                "title": "title",
            },
            _iso,
        ),
        Layout(
            DANISH,
            {
                "Rækkenr": "id",
                "CVR-nr": "subject",
                "Virksomhed": "(company)",
                "Type": "type",
                "Sagsnr": "case",
                "Titel": "title",
                "Dato": "occurred_on",
                "Opdateret": "time",
                "Udbytte": "outcomes",
                "Medlemskab": "membership",
                "Årsag": "reason",
            },
            _danish,
            encoding="cp1252",
            separator=";",
            newline="\r\n",
        ),
        Layout(
            DANISH_PLAIN,
            {
                "Aktivitet": "activity_id",
                "CVR-nr": "subject",
                "Virksomhed": "(company)",
                "Art": "type",
                "Workshop": "workshop_id",
                "Projekt": "project_id",
                "Produkt": "product_id",
                "Titel": "title",
                "Dato": "occurred_on",
                "Registreret": "time",
                "Udbytte": "outcomes",
                "Medlemskab": "membership",
                "Årsag": "reason",
            },
            _danish_plain,
            encoding="cp1252",
            separator=";",
            newline="\r\n",
        ),
        Layout(
            EXCEL,
            {
                "Rækkenr": "id",
                "CVR-nr": "subject",
                "Virksomhed": "(company)",
                "Aktivitet": "activity_id",
                "Type": "type",
                "Klynge": "cluster",
                "Titel": "title",
                "Workshop": "workshop_id",
                "Projekt": "project_id",
                "Produkt": "product_id",
                "Dato": "occurred_on",
                "Opdateret": "time",
                "Udbytte": "outcomes",
                "Medlemskab": "membership",
                "Årsag": "reason",
            },
            _excel,
        ),
    )
}

SHEET: Final = "Aktiviteter"


def mapping_toml(layout: Layout, source: Source | None) -> str:
    """The mapping of a spreadsheet; `source` None: a column names it."""
    lines = ["# Synthetic, written by `clustertrack simulate`: which column of the export is which field of an event."]
    if source is not None:
        lines.append(f'source = "{source.uri}"')
    if layout.file == EXCEL:
        lines.append(f'sheet = "{SHEET}"')
    else:
        lines += [f'encoding = "{layout.encoding}"', f'separator = "{layout.separator}"']
    lines += ['timezone = "Europe/Copenhagen"', "", "[fields]"]
    for heading, field in layout.columns.items():
        if field == "case":
            subjects = {name: column for column, name in layout.columns.items()}["subject"]
            lines.append(f'activity_id = "{{{heading}}}/{{{subjects}}}"')
        elif not field.startswith("("):
            lines.append(f"{field} = {_rule(layout, heading, field)}")
    return "\n".join(lines) + "\n"


def _rule(layout: Layout, heading: str, field: str) -> str:
    column = f'"{heading}"'
    if layout.file == ISO:
        return column
    if field == "type":
        return f"{{column = {column}, values = {_table({danish: name for name, danish in _TYPES.items()})}}}"
    if field == "outcomes":
        values = _table({danish: name for name, danish in _OUTCOMES.items()})
        return f'{{column = {column}, separator = "|", values = {values}}}'
    if layout.file != EXCEL and field in ("occurred_on", "time"):
        written = "%d-%m-%Y" if layout.file == DANISH_PLAIN and field == "occurred_on" else _DANISH_TIME
        return f'{{column = {column}, format = "{written}"}}'
    return column


def _table(values: dict[str, str]) -> str:
    return "{" + ", ".join(f'"{key}" = "{value}"' for key, value in values.items()) + "}"
