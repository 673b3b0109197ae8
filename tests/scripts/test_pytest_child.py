"""How the long runs start pytest, and how it ends."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import pytest_child


@pytest.mark.parametrize(
    ("body", "seconds", "how"),
    [
        pytest.param("pass", 60, "", id="passes"),
        pytest.param("assert False", 60, "FAILED", id="fails"),
        pytest.param("time.sleep(60)", 4, "not over after 4 s", id="takes too long"),
    ],
)
def test_how_it_ends(a_file: Callable[[str], Path], tmp_path: Path, body: str, seconds: float, how: str) -> None:
    """A file that takes too long is one that failed, and ends in order: what it started is closed."""
    assert pytest_child.run([str(a_file(body))], {}, seconds) == how
    assert (tmp_path / "closed").exists() == (tmp_path / "begun").exists()


def test_one_that_does_not_end_is_killed(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    """It was asked politely before, and what it said until then is printed."""
    program = (
        "import os, signal, time\n"
        "signal.signal(signal.SIGINT, lambda *_: print('asked', flush=True))\n"
        "print(os.environ['SAID'], flush=True)\n"
        "while True: time.sleep(60)"
    )
    monkeypatch.setattr(pytest_child, "command", lambda _: [sys.executable, "-c", program])
    monkeypatch.setattr(pytest_child, "ENDING_SECONDS", 1)
    assert pytest_child.run([], {"SAID": "begun"}, 3) == "not over after 3 s"
    assert "begun\nasked\n" in capfd.readouterr().err
