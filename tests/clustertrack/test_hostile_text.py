"""Every command that prints, given texts that play tricks: nothing of them is obeyed, and no line is forged."""

import json
import logging
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
import structlog
from free_ports import free_ports
from hostile import FORGED, HOSTILE, tricks
from samples import CVRS, event
from stack import Stack

from brokers.topics import EVENTS
from clustertrack.cli import VERBS, main

TEXTS = list(HOSTILE.values())
NAMES = [text for text in TEXTS if "\0" not in text and "\ud800" not in text]
"""Those that can name a file, or be an argument."""


SETTINGS = {
    "KAFKA_BOOTSTRAP_SERVERS": ["status"],
    "CLICKHOUSE_HOST": ["status"],
    "CLICKHOUSE_DATABASE": ["status"],
    "LOG_LEVEL": ["status"],
}
"""Variable -> verb that quotes it when it cannot be used."""


class Done(NamedTuple):
    """What a command printed."""

    code: object
    stdout: str
    stderr: str


Run = Callable[..., Done]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Iterator[Run]:
    """Call the program as the console script does; what it prints is checked in every test."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(
        "schemas.screen.hook_in", lambda: None
    )  # those hooks are for a whole process, and this one is pytest's
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", f"127.0.0.1:{free_ports(1)[0]}")

    def call(*arguments: str) -> Done:
        monkeypatch.setattr(sys, "argv", ["clustertrack", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        done = Done(ended.value.code or 0, *capsys.readouterr())
        for printed in (done.stdout, done.stderr):
            assert tricks(printed) == [], (arguments, ascii(printed))
            assert not any(line.startswith(FORGED) for line in printed.splitlines()), arguments
        return done

    handlers, level = list(logging.root.handlers), logging.root.level
    yield call
    logging.root.handlers[:] = handlers  # a worker sets its logging up
    logging.root.setLevel(level)
    structlog.reset_defaults()


def jsonl(folder: Path) -> Path:
    """Lines that are JSON, and lines that are not; a newline within one would be another line."""
    file = folder / "events.jsonl"
    lines = [text.replace("\n", " ").encode("utf-8", "surrogatepass") for text in TEXTS]
    file.write_bytes(b"\n".join([b'{"a": 1}', *lines]) + b"\n")
    return file


def sheet(folder: Path) -> Path:
    """A table with the texts in every field."""
    rows = ["id;source;type;subject;occurred_on;time;title"]
    rows += [";".join([f'"{text}"'] * 7) for text in NAMES if "\udc9b" not in text]
    file = folder / "table.csv"
    file.write_text("\n".join(rows) + "\n", encoding="utf-8", newline="")
    return file


@pytest.mark.parametrize("text", [pytest.param(text, id=name) for name, text in HOSTILE.items()])
def test_one_line_of_a_file_is_one_line_of_the_screen(text: str, run: Run, tmp_path: Path):
    """Events as JSON and lines that are not: a dry run prints each fault on one line."""
    file = tmp_path / "events.jsonl"
    arguments = ["publish", str(file), "--dry-run", "--send-invalid", "--anyway"]
    as_is = json.dumps({"title": text}, ensure_ascii=False)
    for line in (text.replace("\n", " "), json.dumps({"title": text}), as_is):
        file.write_bytes(b'{"a": 1}\n' + line.encode("utf-8", "surrogatepass") + b"\n")
        answer = json.loads(run(*arguments, "--json").stdout)
        assert answer["events"] == 2
        shown = run(*arguments).stdout.split("\n")
        assert sum(line.startswith("to be rejected: ") for line in shown) == len(answer["refusals"])
        assert sum(line.startswith(f"{file}: ") for line in shown) == 2


def test_files(run: Run, tmp_path: Path):
    """Rows and lines of files are shown where they are refused."""
    for file in (jsonl(tmp_path), sheet(tmp_path)):
        shown = run("publish", str(file), "--dry-run")
        assert f"{file}: " in shown.stdout
        assert json.loads(run("publish", str(file), "--dry-run", "--json").stdout)["dry_run"] is True
    register = sheet(tmp_path)
    (tmp_path / "header.csv").write_text(f"id;{';'.join(NAMES[:3])}\n1;2;3;4\n", encoding="utf-8")
    assert run("publish", str(tmp_path / "header.csv"), "--dry-run").code == 2
    run("companies", "load", str(register), "--dry-run")
    columns = "cvr;valid_from;name;employees;industry;municipality;form"
    text = register.read_text("utf-8").replace("id;source;type;subject;occurred_on;time;title", columns)
    register.write_text(text, encoding="utf-8")
    run("companies", "load", str(register), "--dry-run")
    run("companies", "load", str(register), "--dry-run", "--json")


@pytest.mark.parametrize("text", [pytest.param(text, id=name) for name, text in HOSTILE.items() if text in NAMES])
def test_names_of_files_and_arguments(text: str, run: Run, tmp_path: Path):
    """Files that are there, files that are not, verbs and options that do not exist."""
    name = text.replace("/", "_")
    for suffix, content in (
        (".jsonl", b'{"a": 1}\n'),
        (".csv", b"id;title\n1;2\n"),
        (".xlsx", b"no workbook"),
        ("", b""),
    ):
        (tmp_path / f"{name[:60]}{suffix}").write_bytes(content)
        run("publish", str(tmp_path / f"{name[:60]}{suffix}"), "--dry-run")
        run("publish", f"missing{name[:60]}{suffix}", "--dry-run")
        run("companies", "load", f"missing{name[:60]}{suffix}", "--dry-run")
    for arguments in (
        [text],
        [f"--{text}"],
        *([verb, text] for verb in VERBS if verb not in ("worker", "up", "publish", "companies")),
        ["publish", "a.jsonl", f"--exported-at={text}"],
        ["publish", str(tmp_path / f"{name[:60]}.csv"), "--mapping", text],
        ["companies", "load", "a.csv", f"--as-of={text}"],
        ["report", "--year", text],
        ["report", "--year", "2018", "--format", text],
        ["rejected", "show", text],
        ["rejected", "set-aside", text, "--reason", text],
        ["rejected", "list", "--since", text],
        ["reconcile", f"--{text}"],
    ):
        assert run(*arguments).code != 0, arguments


@pytest.mark.parametrize("text", [pytest.param(text, id=name) for name, text in HOSTILE.items() if text in NAMES])
def test_settings(text: str, run: Run, monkeypatch: pytest.MonkeyPatch):
    """What the environment says is quoted where it cannot be used."""
    monkeypatch.setenv("CLICKHOUSE_PORT", str(free_ports(1)[0]))
    for variable, verb in SETTINGS.items():
        with monkeypatch.context() as patch:
            patch.setenv(variable, text)
            assert run(*verb).code != 0, variable


# ---- what comes out of the ledger


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A ledger full of records that play tricks, rejected by a real worker, and rows that nobody has a receipt for."""
    made = Stack(tmp_path_factory.mktemp("hostile"), partitions=2)
    made.start_worker(LOG_LEVEL="DEBUG")
    records = []
    for text in TEXTS:
        raw, header = text.encode("utf-8", "surrogatepass"), text.encode("utf-8", "replace").decode()
        records += [
            (raw, raw, [(header, raw), ("content-type", raw)], 0),
            (b"1", event(source=header, subject=header, type=header, data={"title": header, header: header}), [], 1),
            (b"1", b"{}", [("ce_source", raw), ("ce_id", raw), ("ce_specversion", b"1.0"), (f"ce_{header}", raw)], 1),
        ]
    made.send(EVENTS, [*records, (f"{CVRS[0]:08d}".encode(), event(CVRS[0]), [], None)])
    made.wait_counted()
    client = made.client()
    for text in TEXTS:
        shown = text.encode("utf-8", "replace").decode()
        client.insert("activity_revision", [[shown, shown, 9]], column_names=["source", "activity_id", "revision"])
    client.close()
    yield made
    made.close()


@pytest.fixture
def asked(stack: Stack, run: Run, monkeypatch: pytest.MonkeyPatch) -> Run:
    """`run` next to that stack."""
    for name, value in stack.environment.items():
        monkeypatch.setenv(name, value)
    return run


@pytest.mark.integration
def test_the_account(stack: Stack, asked: Run, tmp_path: Path):
    """The verdict is printed once, with any names of sources; metrics and JSON are whole."""
    textfile = tmp_path / "account.prom"
    done = asked("reconcile", "--by-day", "--textfile", str(textfile))
    assert done.code == 1
    assert "a row without a receipt" in done.stdout or "rows wait for their receipts" in done.stdout
    [verdict] = [line for line in done.stdout.split("\n") if line.startswith(("whole: ", "NOT WHOLE: "))]
    assert verdict.startswith("NOT WHOLE: ")
    assert tricks(textfile.read_text()) == []
    assert json.loads(asked("reconcile", "--json").stdout)["whole"] is False
    assert {day["source"] for day in json.loads(asked("reconcile", "--by-day", "--json").stdout)["days"]}
    for verb in (["status"], ["status", "--json"], ["migrate"], ["migrate", "--check"]):
        asked(*verb)
    for kind in ("text", "json", "csv"):
        asked("report", "--year", "2018", "--format", kind)
        asked("report", "--year", "2018", "--format", kind, "--out", str(tmp_path / "a\x1b[2J\nb"))
    log = stack.workers[0].log.read_text(encoding="utf-8")
    assert "records are taken" in log
    assert tricks(log) == []


@pytest.mark.integration
def test_rejected_records(asked: Run):
    """A line each in the list; nothing of key, headers, payload, notes or faults gets out."""
    records = json.loads(asked("rejected", "list", "--limit", "1000", "--json").stdout)["records"]
    assert len(records) == 3 * len(TEXTS)
    lines = asked("rejected", "list", "--limit", "1000").stdout.split("\n")
    lines = [line for line in lines if not line.startswith("  ")]  # what a record says is below it, set apart
    assert len(lines) == 1 + len(records) + 1 + 1 + 1  # the header, a blank line, the count, the end
    for record in records:
        shown = asked("rejected", "show", record["place"]).stdout
        headings = [line for line in shown.split("\n") if line and not line.startswith(" ")]
        assert [line.split(",")[0] for line in headings] == [record["place"], "faults", "headers", "key", "payload"]
    for record in records[:: len(TEXTS)]:
        assert json.loads(asked("rejected", "show", record["place"], "--json").stdout)["place"] == record["place"]
    asked("rejected", "replay", "--all", "--dry-run")
    asked("rejected", "replay", "--all", "--dry-run", "--json")
    asked("rejected", "list", "--source", TEXTS[0], "--reason", TEXTS[0])
    for record, text in zip(records, NAMES, strict=False):
        asked("rejected", "discard", record["place"], "--note", text.encode("utf-8", "replace").decode() or "x")
        asked("rejected", "set-aside", record["place"], "--reason", text.encode("utf-8", "replace").decode())
    closed = asked("rejected", "list", "--closed", "--limit", "1000").stdout.split("\n")
    assert len(closed) == 1 + len(NAMES) + 1
    asked("rejected", "list", "--closed", "--json")
    asked("rejected", "replay", records[-1]["place"], "--note", "a\x1b[2J\nb")
