"""What a process says about errors."""

import io
import logging
import re
from collections.abc import Iterator

import pytest
import structlog
from hostile import FORGED, HOSTILE, tricks

from clustertrack import logs
from schemas.errors import CheckFailed


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """Standard error of a process that has set its logging up; the tests' own is put back."""
    stream = io.StringIO()
    monkeypatch.setattr("sys.stderr", stream)
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    logs.configure("INFO")
    yield stream
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


@pytest.mark.parametrize(("value", "colours"), [("", True), ("1", False)], ids=["unset", "set"])
def test_no_color(said: io.StringIO, monkeypatch: pytest.MonkeyPatch, value: str, *, colours: bool):
    """On a terminal lines have colours, unless NO_COLOR is set."""
    monkeypatch.setattr(said, "isatty", lambda: True)
    monkeypatch.setattr("sys.stderr", said)
    monkeypatch.setenv("NO_COLOR", value)
    logs.configure("INFO")
    logging.getLogger("streams").warning("begun")
    assert ("\x1b[" in said.getvalue()) == colours


@pytest.mark.parametrize("ours", [False, True], ids=["library", "ours"])
def test_a_users_error_is_a_sentence(said: io.StringIO, ours: bool):
    """No traceback, also when a library logs it with one."""
    logger = structlog.get_logger("clustertrack") if ours else logging.getLogger("mode")
    logger.error("crashed", exc_info=CheckFailed("The ledger is not the one that it was."))
    assert '"error": "The ledger is not the one that it was."' in said.getvalue()
    assert "CheckFailed" not in said.getvalue()


def test_a_fault_of_the_program_keeps_its_traceback(said: io.StringIO):
    """The place is logged, so that the cause can be found."""
    logging.getLogger("mode").error("crashed", exc_info=ValueError("unexpected"))
    assert "ValueError: unexpected" in said.getvalue()


class Terminal(io.StringIO):
    """A screen that somebody looks at."""

    def isatty(self) -> bool:
        """Always."""
        return True


COLOURS = re.compile(r"\x1b\[[0-9;]*m")


@pytest.mark.parametrize("text", [pytest.param(text, id=name) for name, text in HOSTILE.items()])
@pytest.mark.parametrize("screen", [io.StringIO, Terminal], ids=["json", "terminal"])
@pytest.mark.parametrize("ours", [False, True], ids=["library", "ours"])
def test_what_others_wrote_is_not_obeyed(
    text: str, screen: type[io.StringIO], ours: bool, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
):
    """As the event, as a value, within one, and in a traceback, whose lines are set apart."""
    monkeypatch.setattr("io.StringIO", screen)
    said = request.getfixturevalue("said")
    if ours:
        logger = structlog.get_logger("clustertrack")
        logger.warning(text, value=text, within=[text])
        logger.error("crashed", exc_info=ValueError(text))
    else:
        library = logging.getLogger("mode")  # some verbs, called in this process by other tests, silence "kafka"
        library.warning("of %s", text)
        library.error("crashed", exc_info=ValueError(text))
    if screen is Terminal:
        assert text not in said.getvalue() or COLOURS.sub("", text) == text.strip()
        shown = COLOURS.sub("", said.getvalue())
    else:
        shown = said.getvalue()
    assert tricks(shown) == []
    first, *others = shown.splitlines()
    assert not any(line.startswith(FORGED) for line in others)
    began = [line for line in others if not line.startswith("  ")]
    assert len(began) == 1, shown
    assert "crashed" in began[0]
    assert first
