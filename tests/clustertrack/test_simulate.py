"""`clustertrack simulate` as users call it."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from clustertrack.cli import main


class Done(NamedTuple):
    """What a call left behind."""

    returncode: int
    stdout: str
    stderr: str


Run = Callable[..., Done]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Call the verb through the entry point of the console script, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(
        "schemas.screen.hook_in", lambda: None
    )  # those hooks are the process's, and this one is pytest's

    def call(*arguments: str) -> Done:
        monkeypatch.setattr(sys, "argv", ["clustertrack", "simulate", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        code = ended.value.code
        return Done(code if isinstance(code, int) else 0, *capsys.readouterr())

    return call


def test_writes_a_scenario(run: Run, tmp_path: Path):
    """The result is one line on stdout; what happens meanwhile goes to stderr, line by line when it is no terminal."""
    done = run("--scenario", "small", "--out", "data")
    assert done.returncode == 0
    assert done.stdout == "data: 73 synthetic records; companies helped in 2018: 20; the truth is in truth.json\n"
    assert "activity-excel.xlsx" in done.stderr.splitlines()
    assert (tmp_path / "data" / "truth.json").exists()


def test_json(run: Run):
    """`--json` prints the figures for a machine."""
    answer = json.loads(run("--scenario", "small", "--out", "data", "--json").stdout)
    assert answer["years"]["2018"]["helped"]["companies"] == 20


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        pytest.param([], "give --scenario and --out, or --raw-publish", id="nothing"),
        pytest.param(["--scenario", "small"], "give --scenario and --out, or --raw-publish", id="no folder"),
        pytest.param(["--raw-publish", "r", "--out", "d"], "--raw-publish cannot be combined", id="both"),
        pytest.param(["--raw-publish", "missing.jsonl"], "missing.jsonl cannot be read", id="no file"),
        pytest.param(["--scenario", "other", "--out", "d"], "'other' is none of", id="unknown scenario"),
        pytest.param(["--scenario", "small", "--out", "."], "choose an empty folder", id="folder of others"),
    ],
)
def test_mistakes(run: Run, tmp_path: Path, arguments: list[str], sentence: str):
    """A mistake of the user ends in a sentence and exit code 2, without a traceback."""
    (tmp_path / "notes.txt").write_text("precious")
    done = run(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.integration
def test_kafka_that_does_not_answer(tmp_path: Path):
    """Without a broker `--raw-publish` ends with a sentence and exit code 3."""
    (tmp_path / "raw.jsonl").write_text('{"key": null, "partition": null, "value": "x"}\n')
    # In a process of its own: a producer that never connected leaves its sockets to the garbage collector.
    done = subprocess.run(
        [sys.executable, "-m", "clustertrack", "simulate", "--raw-publish", "raw.jsonl"],
        cwd=tmp_path,
        env=os.environ | {"KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 3
    assert "error: Kafka at 127.0.0.1:1 cannot be used: nothing listens" in done.stderr
    assert "Traceback" not in done.stderr
