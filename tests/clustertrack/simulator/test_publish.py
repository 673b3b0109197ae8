"""The product's own reading agrees with the truth: what `publish` refuses, and what a worker rejects, and why."""

import hashlib
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

import pytest

from clustertrack.simulator.raw import read_raw
from schemas.events import read_event
from schemas.registry_document import read_file
from sources.files.buckets import Buckets
from sources.files.conflicts import find_conflicts
from sources.files.file_publisher import Table, open_input
from sources.files.refused_rows import Refusal

ARRIVED = int(datetime(2026, 11, 23, tzinfo=UTC).timestamp() * 1000)


class Exports(Protocol):
    """The files of a scenario as conftest.py reads them."""

    truth: dict[str, Any]
    folder: Path

    def files(self) -> list[Path]:
        """Everything that holds activity."""


def _ignore(_: int) -> None:
    return None


@pytest.fixture(scope="module")
def read(written: Callable[[str], Exports]) -> tuple[Exports, list[tuple[str, int, bytes]], list[Refusal]]:
    """The small scenario as `publish` and the plain producer send it: (file, line, value), and what was refused."""
    exports = written("small")
    files = [path for path in exports.files() if path.name != "raw.jsonl"]
    inputs = [open_input(path, mapping=None, exported_at=None) for path in files]
    with Buckets() as buckets:
        for one in inputs:
            if isinstance(one, Table):
                one.survey(buckets, _ignore)
        conflicts = find_conflicts(buckets)
    sent, refused = [], []
    for one in inputs:
        rows = one.records(_ignore, conflicts, None) if isinstance(one, Table) else one.records(_ignore, None)
        for line, record in rows:
            if isinstance(record, Refusal):
                refused.append(record)
            else:
                sent.append((one.path.name, line, record.value))
    raw = enumerate(read_raw(exports.folder / "raw.jsonl"), 1)
    sent.extend(("raw.jsonl", line, record.value) for line, record in raw)
    return exports, sent, refused


def test_refused_rows(read: tuple[Exports, list[Any], list[Refusal]]):
    """`publish` refuses exactly the rows that the truth lists, at the same field."""
    exports, _, refused = read
    found = {(Path(one.file).name, one.line, one.field) for one in refused}
    assert found == {(one["file"], one["line"], one["field"]) for one in exports.truth["refused"]}


def test_records_sent(read: tuple[Exports, list[Any], list[Refusal]]):
    """As many records of each file are sent as the truth says."""
    exports, sent, _ = read
    for name, number in exports.truth["records"].items():
        assert sum(1 for file, _, _ in sent if file == name) == number, name


def _judged(exports: Exports, sent: list[tuple[str, int, bytes]]) -> Iterator[tuple[str, int, bytes, Any]]:
    registry = read_file((exports.folder / "registry.toml").read_bytes(), "registry.toml", 1).by_source
    for file, line, value in sent:
        yield file, line, value, read_event(value, None, ARRIVED, registry)


def test_rejected_records(read: tuple[Exports, list[Any], list[Refusal]]):
    """A worker rejects exactly the records that the truth lists, with the same codes, and finds them by hash or id."""
    exports, sent, _ = read
    rejected = []
    for file, line, value, judged in _judged(exports, sent):
        if isinstance(judged, list):
            by_hash = file.endswith(".jsonl")
            name = {"sha256": hashlib.sha256(value).hexdigest()} if by_hash else {"id": json.loads(value)["id"]}
            codes = sorted({fault.code for fault in judged})
            rejected.append({"file": file, "line": line, "codes": codes, **name})
    expected = [{key: one[key] for key in one if key != "kind"} for one in exports.truth["rejected"]]
    assert sorted(rejected, key=str) == sorted(expected, key=str)


def test_versions(read: tuple[Exports, list[Any], list[Refusal]]):
    """The pipeline's revisions distinguish as many versions, retractions and duplicates as the truth says."""
    exports, sent, _ = read
    accepted, retracted, valid = set(), set(), 0
    for *_, judged in _judged(exports, sent):
        if isinstance(judged, tuple):
            activity = judged[0]
            valid += 1
            (retracted if activity.is_deleted else accepted).add(activity[:3])
    receipts = exports.truth["receipts"]
    assert (len(accepted), len(retracted)) == (receipts["accepted"], receipts["retracted"])
    assert valid - len(accepted) - len(retracted) == receipts["duplicate"]
