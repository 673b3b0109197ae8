"""scripts/counted: which histories a long run looks at, and that it tries every mistake."""

import importlib.util
import itertools
import signal
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
from tally.seeds import LONG_RUN

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def counted() -> ModuleType:
    """The script as a module."""
    spec = importlib.util.spec_from_file_location("counted_runs", ROOT / "scripts" / "counted_runs.py")
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


@pytest.mark.parametrize(("text", "wanted"), [("7", [7]), ("1,5", [1, 5]), ("3-5,9", [3, 4, 5, 9])])
def test_seeds_are_read_as_the_tests_read_them(counted: ModuleType, text: str, wanted: list[int]):
    """One, several, a range."""
    assert counted.seeds(text) == wanted


def test_one_history_at_least(counted: ModuleType):
    """However little time there is; without a limit, all of them."""
    assert list(counted.until(itertools.count(5), 0)) == [5]
    assert list(counted.until([1, 2, 3], None)) == [1, 2, 3]


def test_every_mistake_is_tried_once(counted: ModuleType):
    """With the first history; the variable is the one that the tests know, and there is the file that is left out."""
    assert counted.SABOTAGES not in counted.command(sabotages=True)
    assert counted.SABOTAGES in counted.command(sabotages=False)
    assert (ROOT / counted.SABOTAGES).is_file()
    assert counted.SEEDS == LONG_RUN


@pytest.mark.parametrize("arguments", [[], ["--seeds", "x"], ["--seeds", ""]], ids=["nothing", "no number", "empty"])
def test_wrong_use(counted: ModuleType, arguments: list[str]):
    """Says what to do, with exit code 2."""
    with pytest.raises(SystemExit) as ended:
        counted.main(arguments)
    assert ended.value.code == 2


@pytest.mark.parametrize(
    ("code", "words"),
    [
        pytest.param(0, "2 histories\n", id="passed"),
        pytest.param(1, "2 histories; not as the model says, or a mistake not seen: seed 7, 8\n", id="failed"),
    ],
)
def test_what_is_said(
    counted: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    code: int,
    words: str,
):
    """Each seed is handed to the tests; what they say is printed when they fail, and the exit code is theirs."""
    program = f"import os, sys; print('looked at', os.environ['{LONG_RUN}']); sys.exit({code})"
    monkeypatch.setattr(counted, "command", lambda **_: [sys.executable, "-c", program])
    before = signal.getsignal(signal.SIGTERM)
    try:
        assert counted.main(["--seeds", "7,8"]) == code
    finally:
        signal.signal(signal.SIGTERM, before)
    said = capfd.readouterr()
    assert said.out == words
    assert ("looked at 7\n" in said.err, "looked at 8\n" in said.err) == (code == 1, code == 1)


def test_who_ends_it_ends_what_it_started(counted: ModuleType):
    """Pytest is asked politely, so that Kafka and ClickHouse end with it."""
    program = "import time\ntry: print(flush=True), time.sleep(60)\nexcept KeyboardInterrupt: raise SystemExit(5)"
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        counted.end(child)
        assert child.returncode == 5
