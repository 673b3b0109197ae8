"""Both scenarios on disk, and a reader that counts them again from the files alone, by the rules of the design.

Nothing of the product is used here but `simulate` itself: no publisher, no validation, no register. What is not listed
as rejected or refused is taken at its word.
"""

import csv
import gc
import json
import re
import tomllib
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from openpyxl import load_workbook

from clustertrack.simulator.build import simulate
from clustertrack.simulator.scenario import SCENARIOS

DENMARK = ZoneInfo("Europe/Copenhagen")
PROVES = {"workshop.attended": "new_competencies", "project.started": "new_ideas", "product.launched": "new_products"}
OUTCOMES = ("helped", *PROVES.values())
PUBLIC_FORMS = {"230", "245", "250"}


@dataclass(slots=True)
class Event:
    """One sound record, from any file."""

    file: str
    line: int
    source: str
    activity_id: str
    time: datetime
    type: str
    cvr: int
    subject: str
    day: date | None
    outcomes: tuple[str, ...] | None
    cluster: str | None
    rest: tuple[str | None, ...]
    activity: tuple[str, str] = ("", "")  # what it is a version of
    version: tuple[Any, ...] = ()  # equal for exact duplicates, in any format

    def __post_init__(self) -> None:
        """Both are asked for often."""
        self.activity = (self.source, self.activity_id)
        content = (self.type, self.cvr, self.day, self.outcomes, self.cluster, self.rest)
        self.version = (*self.activity, self.time, content)


class Register:
    """companies.csv, and the institutions of registry.toml."""

    def __init__(self, folder: Path) -> None:
        self.rows: dict[int, list[dict[str, str]]] = defaultdict(list)
        with (folder / "companies.csv").open(encoding="utf-8", newline="") as stream:
            for row in csv.DictReader(stream):
                self.rows[int(row["cvr"])].append(row)
        self.merged = {cvr for cvr, rows in self.rows.items() if any(row["successor_cvr"] for row in rows)}
        for rows in self.rows.values():
            rows.sort(key=lambda row: row["valid_from"])
        registry = tomllib.loads((folder / "registry.toml").read_text(encoding="utf-8"))
        self.institutions = {one["cvr"] for one in registry["institution"]}

    def canonical(self, cvr: int, day: date) -> int:
        """The company at the end of the chain of mergers in force on a day."""
        while cvr in self.merged:
            successors = [
                (row["successor_from"] or row["valid_from"], int(row["successor_cvr"]))
                for row in self.rows.get(cvr, ())
                if row["successor_cvr"] and (row["successor_from"] or row["valid_from"]) <= day.isoformat()
            ]
            if not successors:
                return cvr
            cvr = max(successors)[1]
        return cvr

    def employees(self, cvr: int, day: date, *, ceased_keep: bool = True) -> int | None:
        """Employees as at a day, of an interval its lower bound; None = unknown."""
        rows = self.rows.get(cvr)
        if not rows:
            return None
        row = ([row for row in rows if row["valid_from"] <= day.isoformat()] or rows[:1])[-1]
        ceased = row["ceased_on"]
        if ceased_keep and ceased and ceased <= row["valid_from"]:
            row = ([earlier for earlier in rows if earlier["valid_from"] < ceased] or [row])[-1]
        digits = re.search(r"\d+", row["employees"])
        return int(digits[0]) if digits else None

    def is_public(self, cvr: int) -> bool:
        """Public bodies by legal form or list."""
        forms = {row["legal_form"] for row in self.rows.get(cvr, ())}
        return bool(forms & PUBLIC_FORMS) or cvr in self.institutions


class Exports:
    """The files of one scenario."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.truth: dict[str, Any] = json.loads((folder / "truth.json").read_text(encoding="utf-8"))
        self.register = Register(folder)
        registry = tomllib.loads((folder / "registry.toml").read_text(encoding="utf-8"))["cluster"]
        self.clusters: list[dict[str, Any]] = registry
        self.cluster_of = {source: one["slug"] for one in registry for source in one["sources"]}
        self.events = list(self._events())
        self._of_year: dict[int, list[Event]] = {}

    def files(self) -> list[Path]:
        """Everything that holds activity."""
        return [self.folder / name for name in self.truth["records"]]

    def lines(self, path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
        """Every record that is neither rejected nor refused, as (line, fields); `data` is laid flat."""
        bad = {one["line"] for kind in ("rejected", "refused") for one in self.truth[kind] if one["file"] == path.name}
        for line, record in self._raw_lines(path):
            if line not in bad:
                yield line, record(line) if callable(record) else record

    def _raw_lines(self, path: Path) -> Iterator[tuple[int, Any]]:
        if path.suffix == ".jsonl":
            for line, text in enumerate(path.read_bytes().splitlines(), 1):
                value = json.loads(text)["value"].encode() if path.name == "raw.jsonl" else text
                yield line, lambda _, value=value: _flat(json.loads(value))
            return
        mapping = tomllib.loads(path.with_suffix(".mapping.toml").read_text(encoding="utf-8"))
        table: Iterator[list[Any]]
        if path.suffix == ".csv":
            content = path.read_bytes().decode(mapping["encoding"], "replace")
            lines = content.replace("\r\n", "\n").split("\n")[:-1]
            table = (next(csv.reader([line], delimiter=mapping["separator"])) for line in lines)
        else:
            book = load_workbook(path, read_only=True)
            table = iter([[*row] for row in book[mapping["sheet"]].iter_rows(values_only=True)])
            book.close()
        header = next(table)
        for line, row in enumerate(table, 2):
            cells = dict(zip(header, row, strict=False))
            yield line, lambda _, cells=cells: _mapped(mapping, cells)

    def _events(self) -> Iterator[Event]:
        for path in self.files():
            for line, fields in self.lines(path):
                yield self._event(path.name, line, fields)

    def _event(self, file: str, line: int, fields: dict[str, Any]) -> Event:
        kind = fields["type"].removeprefix("org.clustertrack.").removesuffix(".v1")
        time = fields["time"]
        if isinstance(time, str):
            time = datetime.fromisoformat(time)
        time = (time if time.tzinfo else time.replace(tzinfo=DENMARK)).astimezone(UTC)
        day = fields.get("occurred_on") or (time.astimezone(DENMARK).date() if "activity_id" not in fields else None)
        if isinstance(day, datetime):
            day = day.date()
        elif isinstance(day, str):
            day = date.fromisoformat(day)
        outcomes = fields.get("outcomes")
        cluster = fields.get("cluster")
        if cluster is None and kind != "activity.retracted":
            cluster = self.cluster_of[fields["source"]]
        return Event(
            file=file,
            line=line,
            source=fields["source"],
            activity_id=fields.get("activity_id") or fields["id"],
            time=time,
            type=kind,
            cvr=int(re.sub(r"\D", "", str(fields["subject"]))),
            subject=str(fields["subject"]),
            day=day,
            outcomes=None if outcomes is None else tuple(sorted(outcomes)),
            cluster=cluster,
            rest=tuple(
                fields.get(name)
                for name in ("membership", "reason", "workshop_id", "project_id", "product_id", "title")
            ),
        )

    def count(self, year: int, but: str = "") -> dict[str, dict[str, int]]:
        """The figures of a year by brute force; `but` names a rule to leave out, to see that the data need it."""
        year_end = date(year, 12, 31)
        helped: dict[str, set[int]] = {outcome: set() for outcome in OUTCOMES}
        for event in self.standing(but, year):
            if event.day is None or event.day.year != year:
                continue
            company = event.cvr if but == "mergers" else self.register.canonical(event.cvr, year_end)
            if but != "public bodies" and self.register.is_public(company):
                continue
            for outcome in ("helped", *_outcomes(event, but)):
                helped[outcome].add(company)
        on = {"size at year end": date(2022, 1, 1), "size before": date(year - 1, 12, 31)}.get(but, year_end)
        sizes = {
            company: self.register.employees(company, on, ceased_keep=but != "ceased") for company in helped["helped"]
        }
        return {
            outcome: {
                "companies": len(companies),
                "under_50": sum(1 for one in companies if (size := sizes[one]) is not None and size < 50),
                "unknown_size": sum(1 for one in companies if sizes[one] is None),
            }
            for outcome, companies in helped.items()
        }

    def touching(self, year: int) -> list[Event]:
        """All versions of the activities of which any version lies in a year."""
        if year not in self._of_year:
            activities = {event.activity for event in self.events if event.day and event.day.year == year}
            self._of_year[year] = [event for event in self.events if event.activity in activities]
        return self._of_year[year]

    def standing(self, but: str = "", year: int = 2018) -> list[Event]:
        """The version in force of each activity that touches a year, retracted ones left out."""
        latest: dict[tuple[str, str], Event] = {}
        for number, event in enumerate(self.touching(year)):
            if but == "retractions" and event.type == "activity.retracted":
                continue
            key = (*event.activity, str(number)) if but == "versions" else event.activity
            before = latest.get(key)  # type: ignore[arg-type]  # a version is a key of its own
            newer = before is None or event.time > before.time
            if but == "first version":
                newer = before is None or event.time < before.time
            if newer or but == "last arrival":
                latest[key] = event  # type: ignore[index]  # the same
        return [event for event in latest.values() if event.type != "activity.retracted"]


def _outcomes(event: Event, but: str) -> set[str]:
    derived = {PROVES[event.type]} if event.type in PROVES else set()
    if but == "stated outcomes":
        return derived
    if but == "derived outcomes":
        return set(event.outcomes or ())
    if but == "stated replace derived":
        return derived | set(event.outcomes or ())
    return derived if event.outcomes is None else set(event.outcomes)


def _flat(event: dict[str, Any]) -> dict[str, Any]:
    return {**event, **event["data"]}


def _mapped(mapping: dict[str, Any], cells: dict[str, Any]) -> dict[str, Any]:
    """The fields of a row, by the mapping file; only what the simulated mappings use."""
    fields: dict[str, Any] = {"source": mapping.get("source")}
    subject = str(cells[_column(mapping["fields"]["subject"])])
    for name, rule in mapping["fields"].items():
        column = _column(rule)
        if "{" in column:
            digits = {**cells, _column(mapping["fields"]["subject"]): re.sub(r"\D", "", subject)}
            fields[name] = re.sub(r"\{(.*?)\}", lambda hole: digits[hole[1]], column)  # noqa: B023  (used at once)
            continue
        cell = cells.get(column)  # a row of a workbook ends with its last filled cell
        if cell is None or cell == "":
            continue
        details = rule if isinstance(rule, dict) else {}
        if name == "outcomes":
            said = [] if cell == "-" else cell.split(details.get("separator", "|"))
            cell = [details.get("values", {}).get(one, one) for one in said]
        elif "format" in details:
            cell = datetime.strptime(cell, details["format"])  # noqa: DTZ007  (files have no zone)
        else:
            cell = details.get("values", {}).get(cell, cell)
        fields[name] = cell
    return fields


def _column(rule: str | dict[str, Any]) -> str:
    return rule if isinstance(rule, str) else rule["column"]


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Exports]:
    """The files of a scenario, written and read once."""
    known: dict[str, Exports] = {}

    def get(scenario: str) -> Exports:
        if scenario not in known:
            folder = tmp_path_factory.mktemp(scenario) / "out"
            gc.disable()  # many objects and no cycles: a quarter of the time
            try:
                simulate(SCENARIOS[scenario], folder, seed=2018)
                known[scenario] = Exports(folder)
            finally:
                gc.enable()
        return known[scenario]

    return get


@pytest.fixture(scope="session")
def published(written: Callable[[str], Exports]) -> Exports:
    """The scenario of the published figures."""
    return written("published")


@pytest.fixture(scope="session")
def small(written: Callable[[str], Exports]) -> Exports:
    """The scenario of `examples/`."""
    return written("small")
