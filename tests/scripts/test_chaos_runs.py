"""What scripts/chaos makes of outcomes: the table of the page, however the run ended."""

import itertools
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import chaos_runs
import pytest
from chaos import Outcome
from pages import ROOT, Page


def outcome(scenario: str, nodes: int = 1, **fields: Any) -> dict[str, Any]:
    """An outcome as a scenario writes it."""
    return {**vars(Outcome(scenario, seed=1, nodes=nodes)), **fields}


OUTCOMES = [
    outcome("b", 3, events=1_000, faults=2, recovery_seconds=3.0, repeats_in_enriched=2, repeats_sent_on=1),
    outcome("a", 1, events=10, faults=1, lost=1, counted_twice=2, wrong_figures=3, without_receipt=4),
    outcome("b", 1, events=500, faults=1, recovery_seconds=1.0, repeats_in_enriched=1_000, repeats_in_rejected=5),
    outcome("fixed", 1, fixed_nodes=True),
    outcome("c", 3),
]


def test_the_table() -> None:
    """A line for each scenario with its runs added up, in the order of their names, and one for all."""
    lines = chaos_runs.table(OUTCOMES)
    assert [line.count("|") for line in lines] == [len(chaos_runs.HEAD) + 1] * 7
    assert lines[2] == "| a | 1 | 1 | 10 | 1 | 1 | 2 | 3 | 4 | 0 / 0 / 0 | 0.0 (0.0) |"
    assert lines[3] == "| b | 2 | 1, 3 | 1,500 | 3 | 0 | 0 | 0 | 0 | 1,002 / 5 / 1 | 2.0 (3.0) |"
    assert lines[6] == "| **all** | 5 | 1, 3 | 1,510 | 4 | 1 | 2 | 3 | 4 | 1,002 / 5 / 1 | 0.0 (3.0) |"


def test_nothing_ran(tmp_path: Path) -> None:
    """A run that was stopped at once has a table too, with only a header."""
    assert chaos_runs.read(tmp_path / "never-written") == []
    assert len(chaos_runs.table([])) == 2
    session = chaos_runs.Session(7, 1.0, 30, datetime.now(UTC), failed=["seed 7: interrupted"])
    assert chaos_runs.lines([chaos_runs.kept(session, [])])[-1] == "Failed: seed 7: interrupted"


def test_runs_are_joined(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """What several runs have kept becomes one table, with a line for each run; what failed in one has failed."""
    session = chaos_runs.Session(7, 1.0, 30, datetime.now(UTC))
    for name, outcomes in (("one", OUTCOMES[:2]), ("other", OUTCOMES[2:])):
        (tmp_path / name).write_text(json.dumps(chaos_runs.kept(session, outcomes)), encoding="utf-8")
    monkeypatch.setenv("CHAOS_HERE", str(tmp_path))
    monkeypatch.setattr(sys, "argv", ["chaos", "--join", "one", "other"])
    assert chaos_runs.main() == 0
    said = capsys.readouterr().out.splitlines()
    assert [line.startswith("Run of ") for line in said[:3]] == [True, True, False]
    assert said[3:10] == chaos_runs.table(OUTCOMES)
    session.failed.append("seed 7: interrupted")
    (tmp_path / "other").write_text(json.dumps(chaos_runs.kept(session, OUTCOMES[2:])), encoding="utf-8")
    assert chaos_runs.main() == 1
    assert capsys.readouterr().out.endswith("\nFailed: seed 7: interrupted\n")


def test_on_one_kind_only() -> None:
    """Scenarios that could have run on the other kind of stack too are named; those made for one kind are not."""
    assert chaos_runs.one_kind_only(OUTCOMES) == [
        "On 1 broker only, in this run: a.",
        "",
        "On 3 brokers only, in this run: c.",
        "",
    ]


def test_every_file_meets_both_kinds() -> None:
    """In every round each file runs on one broker and on three."""
    files = [Path(name) for name in "abc"]
    steps = list(itertools.islice(chaos_runs.plan(files), 12))
    for number in range(2):
        met = [(file.name, brokers) for round_, brokers, file in steps if round_ == number]
        assert met == list(itertools.product("abc", (1, 3)))


def test_only_some_files() -> None:
    """A part of a name chooses; several names add up; none chooses all."""
    files = [Path(f"test_{name}.py") for name in ("mixture", "poison", "clock")]
    assert chaos_runs.chosen(files, []) == files
    assert chaos_runs.chosen(files, ["mix", "clock"]) == [files[0], files[2]]
    assert chaos_runs.chosen(files, ["nothing like it"]) == []


def test_the_page_is_written_between_its_marks(tmp_path: Path) -> None:
    """What was there is replaced, everything around it stays, and writing it again changes nothing."""
    page = tmp_path / "page.md"
    whole, some, end = chaos_runs.begin([]), chaos_runs.begin(["content"]), chaos_runs.END
    assert whole != some
    page.write_text(f"before\n\n{whole}\n\nold\n\n{end}\n\nbetween\n\n{some}\n\n{end}\n\nafter\n", encoding="utf-8")
    for _ in range(2):
        chaos_runs.write(page, ["content"], ["new", "", "lines"])
        text = f"before\n\n{whole}\n\nold\n\n{end}\n\nbetween\n\n{some}\n\nnew\n\nlines\n\n{end}\n\nafter\n"
        assert page.read_text(encoding="utf-8") == text


@pytest.mark.parametrize("only", [[], ["content", "set_aside"]], ids=["all", "content"])
def test_the_page_has_the_marks(only: list[str]) -> None:
    """The page has each mark once, and the table after it has the columns that the script writes."""
    page = Page("docs/delivery-guarantees.md")
    mark = chaos_runs.begin(only)
    assert page.text.count(mark) == 1
    between = page.text.split(mark)[1].split(chaos_runs.END)[0]
    if "| scenario |" in between:
        assert page.table(*(title for title, _ in chaos_runs.HEAD))


@pytest.mark.parametrize("number", [pytest.param(s, id=s.name) for s in (signal.SIGINT, signal.SIGTERM)])
def test_an_interrupted_run_keeps_its_table(
    a_file: Callable[[str], Path], tmp_path: Path, wait_until: Callable[..., None], number: signal.Signals
) -> None:
    """Ctrl-C and SIGTERM end the file that runs, and the outcomes until then are printed; the run has failed."""
    file = a_file("time.sleep(60)")
    program = (
        "import sys; from pathlib import Path\n"
        "_, folder, file, before, written = sys.argv\n"
        "sys.path.insert(0, folder); import chaos_runs\n"
        "real = chaos_runs.run\n"
        "def run(session, files, collected, minutes):\n"
        "    collected.write_text(before + '\\n')\n"
        "    real(session, [Path(file)], collected, minutes)\n"
        "chaos_runs.run, sys.argv = run, ['chaos', '--minutes', '1', '--seed', '5', '--json', written]\n"
        "sys.exit(chaos_runs.main())\n"
    )
    written = tmp_path / "outcomes.json"
    arguments = [ROOT / "scripts", file, json.dumps(outcome("what ran before", events=12)), written]
    with subprocess.Popen(
        [sys.executable, "-c", program, *map(str, arguments)],
        cwd=tmp_path,
        env={k: v for k, v in os.environ.items() if k != "CHAOS_HERE"},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        wait_until(lambda: process.poll() is not None or (tmp_path / "begun").exists(), 60, "the file to run")
        process.send_signal(number)
        said, _ = process.communicate(timeout=30)
    assert process.returncode == 1
    assert (tmp_path / "closed").exists()
    assert "| what ran before | 1 | 1 | 12 |" in said
    assert said.endswith("tests/chaos/test_made.py: interrupted\n")
    assert [one["events"] for one in json.loads(written.read_text(encoding="utf-8"))["outcomes"]] == [12]
