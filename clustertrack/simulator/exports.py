"""Writes the files as CRMs write them, and notes the place of each invalid record and each refused row."""

import csv
import hashlib
import io
import json
import re
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from random import Random
from typing import Any, Final

from openpyxl import Workbook

from clustertrack.simulator.history import Version
from clustertrack.simulator.invalid import Invalid, InvalidRow
from clustertrack.simulator.layouts import LAYOUTS, SHEET, CellValue, Layout, cells
from clustertrack.simulator.noise import RAW, Entry
from clustertrack.simulator.refused import SHORT, Unusable
from clustertrack.simulator.wire import as_json, cloudevent
from clustertrack.simulator.world import World
from schemas.own_files import beginning

_WRITTEN: Final = "2020-02-01T00:00:00Z"
_ZIP_TIME: Final = (1980, 1, 1, 0, 0, 0)
"""Excel cannot store an instant without these, and a clock would make every file another one."""
_NOTE: Final = "Syntetiske data: ingen af disse virksomheder findes. Skrevet af clustertrack simulate."


@dataclass(slots=True)
class Written:
    """What went into the files: records that will be sent, and what must become of the bad ones."""

    records: dict[str, int] = field(default_factory=dict)
    rejected: list[dict[str, Any]] = field(default_factory=list)
    refused: list[dict[str, Any]] = field(default_factory=list)
    versions: set[tuple[str, str, datetime]] = field(default_factory=set)
    retractions: set[tuple[str, str, datetime]] = field(default_factory=set)
    kinds: dict[str, int] = field(default_factory=dict)

    def note(self, file: str, line: int, entry: Entry, payload: bytes | None = None) -> None:
        """Keep the place of a line and what must become of it."""
        what = entry.what
        if isinstance(what, Unusable):
            self.refused.append({"file": file, "line": line, "field": what.at, "kind": what.kind})
            return
        self.records[file] = self.records.get(file, 0) + 1
        if isinstance(what, Version):
            kept = self.versions if what.state else self.retractions
            kept.add((what.source.uri, what.activity_id, what.time))
            return
        one: dict[str, Any] = {"file": file, "line": line, "codes": sorted(what.codes), "kind": what.kind}
        if isinstance(what, InvalidRow):
            one["id"] = what.version.event_id
        else:
            one["sha256"] = hashlib.sha256(payload or b"").hexdigest()
        self.rejected.append(one)


def write_file(path: Path, entries: Iterable[Entry], world: World, rng: Random, written: Written) -> None:
    """Write one file in the order of its entries."""
    ordered = sorted(entries, key=lambda entry: entry.order)
    written.records.setdefault(path.name, 0)
    if path.name == RAW:
        _raw(path, ordered, rng, written)
    elif path.suffix == ".jsonl":
        _lines(path, ordered, rng, written)
    elif path.suffix == ".csv":
        _csv(path, LAYOUTS[path.name], ordered, world, rng, written)
    else:
        _xlsx(path, LAYOUTS[path.name], ordered, world, rng, written)


def _payload(entry: Entry, rng: Random) -> bytes:
    what = entry.what
    if isinstance(what, Invalid):
        return what.payload
    if isinstance(what, Version):
        return as_json(cloudevent(what, rng), rng)
    raise TypeError(f"{type(what).__name__} is a row of a spreadsheet")


def _lines(path: Path, entries: list[Entry], rng: Random, written: Written) -> None:
    with beginning(path) as stream:
        for line, entry in enumerate(entries, 1):
            payload = _payload(entry, rng)
            stream.write(payload + b"\n")
            written.note(path.name, line, entry, payload)


def _raw(path: Path, entries: list[Entry], rng: Random, written: Written) -> None:
    with beginning(path) as stream:
        for line, entry in enumerate(entries, 1):
            payload = _payload(entry, rng)
            record = {"key": entry.key, "partition": entry.partition, "value": payload.decode()}
            stream.write(json.dumps(record, ensure_ascii=False).encode() + b"\n")
            written.note(path.name, line, entry, payload)


def _row(entry: Entry, layout: Layout, world: World, rng: Random) -> list[CellValue]:
    what = entry.what
    if isinstance(what, Version):
        return cells(layout, what, world, rng, {})
    if isinstance(what, InvalidRow | Unusable):
        return cells(layout, what.version, world, rng, what.cells)
    raise TypeError("an invalid record of JSON lines is no row")


def _csv(path: Path, layout: Layout, entries: list[Entry], world: World, rng: Random, written: Written) -> None:
    with beginning(path) as stream:
        stream.write(_encoded(layout, list(layout.columns)))
        for line, entry in enumerate(entries, 2):
            row = _row(entry, layout, world, rng)
            damage = entry.what.damage if isinstance(entry.what, Unusable) else ""
            stream.write(_damaged(layout, row, damage) if damage else _encoded(layout, row))
            written.note(path.name, line, entry)


def _encoded(layout: Layout, row: Iterable[CellValue]) -> bytes:
    text = io.StringIO()
    csv.writer(text, delimiter=layout.separator, lineterminator=layout.newline).writerow(row)
    return text.getvalue().encode(layout.encoding)


def _damaged(layout: Layout, row: list[CellValue], damage: str) -> bytes:
    if damage == "short":
        return _encoded(layout, row[:SHORT])
    if damage == "long":
        return _encoded(layout, [*row, "se bilag"])
    row[list(layout.columns.values()).index("title")] = "@title@"
    # 0x81 means nothing in cp1252, and neither byte is valid alone in UTF-8.
    broken = b'"Syntetisk" igen' if damage == "quote" else b"Syntetisk \x81\xff"
    return _encoded(layout, row).replace(b"@title@", broken)


def _xlsx(path: Path, layout: Layout, entries: list[Entry], world: World, rng: Random, written: Written) -> None:
    book = Workbook(write_only=True)
    book.properties.title = "Syntetiske aktiviteter"
    book.properties.creator = "clustertrack simulate"
    book.create_sheet("Læs mig").append([_NOTE])
    sheet = book.create_sheet(SHEET)
    sheet.append(list(layout.columns))
    for line, entry in enumerate(entries, 2):
        row = _row(entry, layout, world, rng)
        sheet.append([None if cell == "" else cell for cell in row])
        written.note(path.name, line, entry)
    unsorted = io.BytesIO()
    book.save(unsorted)
    _repack(unsorted, path)


def _repack(book: io.BytesIO, path: Path) -> None:
    """Take the clock out of a workbook. Stored, not packed: other builds of zlib pack the same bytes differently."""
    with (
        zipfile.ZipFile(book) as source,
        beginning(path) as stream,
        zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as target,
    ):
        for name in source.namelist():
            content = source.read(name)
            if name == "docProps/core.xml":
                stamp = rf"\g<1>{_WRITTEN}\g<2>".encode()
                content = re.sub(rb"(<dcterms:(?:created|modified)[^>]*>)[^<]*(<)", stamp, content)
            info = zipfile.ZipInfo(name, _ZIP_TIME)
            info.external_attr = 0o644 << 16
            target.writestr(info, content)
