"""The published scenario, from files to figures: CRM exports, Kafka, two workers, ClickHouse, against the truth.

The truth was drawn by the simulator before any event was; it shares no code with what counts here.
"""

import csv
import hashlib
import json
import re
import shlex
import shutil
import tomllib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pages import ROOT, Page
from stack import Stack

pytestmark = [pytest.mark.integration, pytest.mark.timeout(900)]

EXPORTS = ("*.jsonl", "*.csv", "*.xlsx")


class Run:
    """The pipeline after the scenario went through it once."""

    def __init__(self, stack: Stack, folder: Path) -> None:
        self.stack = stack
        self.folder = folder
        self.truth: dict[str, Any] = json.loads((folder / "truth.json").read_text(encoding="utf-8"))
        self.files = sorted(
            path
            for pattern in EXPORTS
            for path in folder.glob(f"activity-{pattern}")
            if not path.name.endswith(".refused.csv")
        )
        self.published: Any = None

    def publish(self) -> None:
        """Send all files, as a CRM team would, and the records that go around `publish`."""
        self.stack.run("companies", "load", str(self.folder / "companies.csv"))
        # Exit code 1: rows were refused. What a worker rejects is sent, as the truth knows what it says about it.
        self.published = self.stack.run(
            "publish", "--send-invalid", "--json", *map(str, self.files), expect=1, seconds=300
        )
        self.stack.run("simulate", "--raw-publish", str(self.folder / "raw.jsonl"))
        self.stack.wait_counted(240)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """Files written, published and counted."""
    folder = tmp_path_factory.mktemp("published")
    exports = folder / "exports"
    stack = Stack(folder)
    try:
        stack.run("simulate", "--scenario", "published", "--out", str(exports))
        stack.load_registry(exports / "registry.toml")
        stack.start_worker("worker-1", wait=False)
        stack.start_worker("worker-2", wait=False)
        made = Run(stack, exports)
        made.publish()
        yield made
    finally:
        stack.close()


def test_the_truth_is_the_published_one(run: Run) -> None:
    """18,058 companies were helped in 2018, and so on."""
    year = run.truth["years"]["2018"]
    assert year["helped"] == {"companies": 18_058, "under_50": year["helped"]["under_50"], "unknown_size": 200}
    assert (year["new_competencies"]["companies"], year["new_competencies"]["under_50"]) == (6_868, 4_843)
    assert (year["new_ideas"]["companies"], year["new_ideas"]["under_50"]) == (5_296, 3_941)
    assert (year["new_products"]["companies"], year["new_products"]["under_50"]) == (2_689, 1_998)


@pytest.mark.parametrize("year", ["2017", "2018", "2019"], ids=str)
def test_every_figure_is_the_truth(run: Run, year: str) -> None:
    """National figures, participants that are no companies, bases, and each cluster's own count."""
    report = run.stack.report(int(year))
    for figure, parts in run.truth["years"][year].items():
        assert {part: report[figure][part] for part in parts} == parts, figure
    for figure, parts in run.truth["details"][year].items():
        expected = {part: number for part, number in parts.items() if part != "clusters"}
        assert {part: report[figure][part] for part in expected} == expected, figure


def test_the_sentence_is_the_published_one(run: Run) -> None:
    """In the words of the ministry."""
    text = " ".join(run.stack.run("report", "--year", "2018").stdout.split())
    assert "more than 18,000 companies helped" in text
    assert "6,868 companies (4,843 with fewer than 50 employees)" in text
    assert "5,296 (3,941)" in text
    assert "2,689 (1,998)" in text


def test_every_offset_has_exactly_one_receipt(run: Run) -> None:
    """As many receipts as records in the topic, each in its place, and each kind as often as planned."""
    records = run.stack.read("activity.events.v1")
    places = {(record.partition, record.offset) for record in records}
    rows = run.stack.query("SELECT partition, offset, status FROM impact.receipt FINAL")
    assert {(partition, offset) for partition, offset, _ in rows} == places
    assert len(rows) == len(places)
    counts = Counter(status for *_, status in rows)
    rerouted = counts.pop("rerouted")
    assert counts == run.truth["receipts"]
    assert 0 < rerouted <= run.truth["noise"]["misrouted"]
    assert len(records) == sum(run.truth["records"].values()) + rerouted
    done = run.stack.run("reconcile", "--json")
    assert json.loads(done.stdout)["whole"] is True


def test_rejected_holds_exactly_the_invalid_records(run: Run) -> None:
    """By the bytes, or by the id of an event that was built from a row; with all their codes."""
    rows = run.stack.query("SELECT hex(payload), arrayMap(f -> f.code, faults) FROM impact.rejected FINAL")
    planned = Counter(
        (record.get("sha256") or record["id"], tuple(sorted(record["codes"]))) for record in run.truth["rejected"]
    )
    names = {name for name, _ in planned}
    found = Counter((_name(bytes.fromhex(payload), names), tuple(sorted(codes))) for payload, codes in rows)
    assert found == planned


def _name(payload: bytes, known: set[str]) -> str:
    """What the truth calls a record: the hash of its bytes, else the id of its event."""
    digest = hashlib.sha256(payload).hexdigest()
    return digest if digest in known else str(json.loads(payload)["id"])


def test_publish_refused_exactly_the_rows_without_an_event(run: Run) -> None:
    """Each with its line and field, in FILE.refused.csv and in nothing else."""
    found = Counter()
    for path in run.files:
        refused = path.with_name(path.name + ".refused.csv")
        if refused.exists():
            # In the encoding and with the separator of the file itself, so that it can be fixed and published;
            # a workbook has neither, its list is as Danish Excel reads it.
            mapping = tomllib.loads(path.with_suffix(".mapping.toml").read_text(encoding="utf-8"))
            with refused.open(encoding=mapping.get("encoding", "utf-8-sig"), errors="replace", newline="") as file:
                rows = csv.DictReader(file, delimiter=mapping.get("separator", ";" if path.suffix == ".xlsx" else ","))
                found.update((path.name, int(row["line"]), row["field"]) for row in rows)
    assert found == Counter((row["file"], row["line"], row["field"]) for row in run.truth["refused"])


@pytest.mark.extended
def test_the_same_files_again_change_nothing(run: Run) -> None:
    """Everything is published a second time: the reports are the same, to the last digit of their hashes."""
    before = [run.stack.report(year) for year in (2017, 2018, 2019)]
    run.publish()
    assert [run.stack.report(year) for year in (2017, 2018, 2019)] == before
    assert json.loads(run.stack.run("reconcile", "--json").stdout)["whole"] is True


EXAMPLES = ROOT / "examples"
EXPORT = (
    "CVR-nr;Workshop;Type;Dato;Opdateret;Udbytte;Titel\r\n"
    "13748136;WS-900;Kursus;03-05-2018;03-05-2018 14:05;Kompetencer;Digitale tvillinger\r\n"
    "13585628;WS-900;Kursus;03-05-2018;03-05-2018 14:05;Idéer;Digitale tvillinger\r\n"
    "10150817;WS-901;Projekt;04-05-2018;04-05-2018 14:05;Idéer|Kompetencer;Genbrug\r\n"
    "24256790;WS-902;Kursus;5. maj;05-05-2018 14:05;;Rundvisning\r\n"
)
"""An export that fits the mapping of docs/crm-teams.md; the day of its last row cannot be read."""


def statuses(run: Run, source: str = "") -> Counter[str]:
    """Receipts of a source by status, of all sources without one; without those of records that were sent on."""
    return Counter(
        status
        for status, sender in run.stack.query("SELECT status, source FROM impact.receipt FINAL")
        if status != "rerouted" and source in sender
    )


def command(run: Run, folder: Path, line: str, expect: int = 0) -> str:
    """Run a command as a page shows it, in a folder; what it prints."""
    words = shlex.split(line.partition("#")[0])
    assert words.pop(0) == "clustertrack"
    arguments = [found for word in words for found in sorted(map(str, folder.glob(word))) or [word]]
    done = run.stack.run(*arguments, expect=expect, seconds=300)
    return str(done.stdout) + str(done.stderr)


def test_every_command_of_the_examples_counts(run: Run, tmp_path: Path) -> None:
    """Where the demo's registry is in force, `examples/README.txt` can be followed: what is planned is counted."""
    folder = tmp_path / "examples"
    shutil.copytree(EXAMPLES, folder)
    lines = re.findall(r"clustertrack .*", (folder / "README.txt").read_text(encoding="utf-8"))
    commands = {line.split()[1]: line for line in lines[1:]}
    assert list(commands) == ["registry", "companies", "publish", "simulate"]
    before = statuses(run)
    assert "nothing changed" in command(run, folder, commands["registry"])
    command(run, folder, commands["companies"])
    command(run, folder, commands["publish"], expect=1)  # rows are refused on purpose
    command(run, folder, commands["simulate"])
    run.stack.wait_counted(120)
    planned = json.loads((folder / "truth.json").read_text(encoding="utf-8"))["receipts"]
    assert dict(statuses(run) - before) == {status: count for status, count in planned.items() if count}


def test_every_command_for_crm_teams_counts(run: Run, tmp_path: Path) -> None:
    """Events, mapping and commands of docs/crm-teams.md: everything that they publish is counted in the demo."""
    page = Page("docs/crm-teams.md")
    [mapping] = page.blocks("toml")
    (tmp_path / "export.mapping.toml").write_text(mapping, encoding="utf-8")
    (tmp_path / "export.csv").write_bytes(EXPORT.encode("cp1252"))
    (tmp_path / "register.csv").write_bytes((EXAMPLES / "companies.csv").read_bytes())
    (tmp_path / "events.jsonl").write_text("".join(f"{json.dumps(json.loads(text))}\n" for text in page.blocks("json")))
    [look, send] = re.findall(r"^clustertrack publish export\.csv .*", page.text, re.MULTILINE)
    [fixed] = re.findall(r"^clustertrack publish export\.csv\.refused.*", page.text, re.MULTILINE)
    assert "1 refused" in command(run, tmp_path, look, expect=1)
    command(run, tmp_path, send, expect=1)
    refused = tmp_path / "export.csv.refused.csv"
    refused.write_bytes(refused.read_bytes().replace(b"5. maj", b"05-05-2018"))
    command(run, tmp_path, fixed)
    assert "`clustertrack companies load register.csv`" in page.text
    command(run, tmp_path, "clustertrack companies load register.csv")
    command(run, tmp_path, "clustertrack publish events.jsonl")
    # Those that send over HTTP run in tests/sources/collector/test_collector_clients.py.
    for text in (text for text in page.blocks("python") if "COLLECTOR" not in text):
        exec(text.replace("127.0.0.1:9092", run.stack.bootstrap), {})  # noqa: S102  (as the page shows it)
    run.stack.wait_counted(120)
    found = statuses(run, "foodbio")
    assert found["rejected"] == 0
    assert found["accepted"] >= 4 + 1
    assert found["retracted"] == 1
    clusters = {one["cluster"]: one for one in run.stack.report(2018)["clusters"]}
    assert clusters["food-bio"]["helped"]["companies"] == 4


def test_every_command_of_the_first_page_runs(run: Run, tmp_path: Path) -> None:
    """What docs/index.md says to try while the demo runs: the dry run accepts the example, the commands end well."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "demo").symlink_to(run.folder.parent)
    shutil.copytree(EXAMPLES, tmp_path / "examples")
    lines = [line for block in Page("docs/index.md").blocks("sh") for line in block.splitlines()]
    commands = [part for line in lines if line.startswith("clustertrack") for part in line.split(" && ")]
    assert len(commands) == 8
    for line in commands:
        refuses = 1 if "--dry-run" in line else 0
        command(run, tmp_path, line, expect=refuses)
