"""The rule that finds ways to a screen which go around the one door."""

from pathlib import Path

import pytest
from house_rules import other_doors


@pytest.mark.parametrize(
    "line",
    [
        pytest.param("print(text)", id="print"),
        pytest.param("import click\nclick.echo(text)", id="click"),
        pytest.param("from click import echo", id="click's name"),
        pytest.param("import sys\nsys.stdout.write(text)", id="stdout"),
        pytest.param("import sys\nsys.stderr.buffer.write(text)", id="stderr"),
        pytest.param("from sys import stdout", id="stdout's name"),
        pytest.param("import os\nos.write(2, text)", id="descriptor"),
        pytest.param("import logging\nlogging.StreamHandler()", id="log handler"),
        pytest.param("import logging\nlogging.basicConfig()", id="log set-up"),
        pytest.param("import traceback\ntraceback.print_exc()", id="traceback"),
        pytest.param("from rich.console import Console", id="rich"),
        pytest.param("from schemas.visible import Lines\nLines(text)", id="lines that nobody looked at"),
    ],
)
def test_another_door_is_found(line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """In the product only: scripts and tests print as they like."""
    monkeypatch.chdir(tmp_path)
    for folder in ("streams", "scripts"):
        Path(folder).mkdir()
        Path(folder, "new.py").write_text(line, encoding="utf-8")
    assert list(other_doors(Path("streams/new.py")))
    assert not list(other_doors(Path("scripts/new.py")))


def test_the_door_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Code that passes its text to `schemas.screen` is fine."""
    monkeypatch.chdir(tmp_path)
    Path("streams").mkdir()
    Path("streams/new.py").write_text("from schemas.screen import say\nsay(text)", encoding="utf-8")
    assert list(other_doors(Path("streams/new.py"))) == []
