"""scripts/counted: which histories a long run looks at, and that it tries every mistake."""

import itertools
import signal
import sys

import counted_runs
import pytest
import pytest_child
from pages import ROOT
from tally.seeds import LONG_RUN


@pytest.mark.parametrize(("text", "wanted"), [("7", [7]), ("1,5", [1, 5]), ("3-5,9", [3, 4, 5, 9])])
def test_seeds_are_read_as_the_tests_read_them(text: str, wanted: list[int]):
    """One, several, a range."""
    assert counted_runs.seeds(text) == wanted


def test_one_history_at_least():
    """However little time there is; without a limit, all of them."""
    assert list(counted_runs.until(itertools.count(5), 0)) == [5]
    assert list(counted_runs.until([1, 2, 3], None)) == [1, 2, 3]


def test_every_mistake_is_tried_once():
    """With the first history; the variable is the one that the tests know, and there is the file that is left out."""
    assert counted_runs.SABOTAGES not in counted_runs.tests(sabotages=True)
    assert counted_runs.SABOTAGES in counted_runs.tests(sabotages=False)
    assert (ROOT / counted_runs.SABOTAGES).is_file()
    assert counted_runs.SEEDS == LONG_RUN


@pytest.mark.parametrize("arguments", [[], ["--seeds", "x"], ["--seeds", ""]], ids=["nothing", "no number", "empty"])
def test_wrong_use(arguments: list[str]):
    """Says what to do, with exit code 2."""
    with pytest.raises(SystemExit) as ended:
        counted_runs.main(arguments)
    assert ended.value.code == 2


@pytest.mark.parametrize(
    ("code", "words"),
    [
        pytest.param(0, "2 histories\n", id="passed"),
        pytest.param(1, "2 histories; not as the model says, or a mistake not seen: seed 7, 8\n", id="failed"),
    ],
)
def test_what_is_said(
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    code: int,
    words: str,
):
    """Each seed is handed to the tests; what they say is printed when they fail, and so does the run."""
    program = f"import os, sys; print('looked at', os.environ['{LONG_RUN}']); sys.exit({code})"
    monkeypatch.setattr(pytest_child, "command", lambda _: [sys.executable, "-c", program])
    before = signal.getsignal(signal.SIGTERM)
    try:
        assert counted_runs.main(["--seeds", "7,8"]) == code
    finally:
        signal.signal(signal.SIGTERM, before)
    said = capfd.readouterr()
    assert said.out == words
    assert ("looked at 7\n" in said.err, "looked at 8\n" in said.err) == (code == 1, code == 1)
