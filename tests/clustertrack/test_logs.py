"""What a process says about errors."""

import io
import logging
from collections.abc import Iterator

import pytest
import structlog

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


@pytest.mark.parametrize("ours", [False, True], ids=["library", "ours"])
def test_a_users_error_is_a_sentence(said: io.StringIO, ours: bool):
    """No traceback, also when a library logs it with one."""
    logger = structlog.get_logger("clustertrack") if ours else logging.getLogger("mode")
    logger.error("crashed", exc_info=CheckFailed("The ledger is not the one that it was."))
    assert '"error": "The ledger is not the one that it was."' in said.getvalue()
    assert "CheckFailed" not in said.getvalue()


def test_a_fault_of_the_program_keeps_its_traceback(said: io.StringIO):
    """Whoever has to find it needs the place."""
    logging.getLogger("mode").error("crashed", exc_info=ValueError("unexpected"))
    assert "ValueError: unexpected" in said.getvalue()
