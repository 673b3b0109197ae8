"""What a process says about errors."""

import logging
from collections.abc import Iterator

import pytest
import structlog

from clustertrack import logs
from schemas.errors import CheckFailed


@pytest.fixture
def configured(capsys: pytest.CaptureFixture[str]) -> Iterator[None]:
    """Logging as a process sets it up, to the captured standard error, and as it was afterwards."""
    del capsys
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    logs.configure("INFO")
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


@pytest.mark.usefixtures("configured")
@pytest.mark.parametrize(
    "logger", [logging.getLogger("mode"), structlog.get_logger("clustertrack")], ids=["library", "ours"]
)
def test_a_users_error_is_a_sentence(logger, capsys: pytest.CaptureFixture[str]):
    """No traceback, also when a library logs it with one."""
    logger.error("crashed", exc_info=CheckFailed("The ledger is not the one that it was."))
    said = capsys.readouterr().err
    assert "The ledger is not the one that it was." in said
    assert "CheckFailed" not in said


@pytest.mark.usefixtures("configured")
def test_a_fault_of_the_program_keeps_its_traceback(capsys: pytest.CaptureFixture[str]):
    """Whoever has to find it needs the place."""
    logging.getLogger("mode").error("crashed", exc_info=ValueError("unexpected"))
    assert "ValueError: unexpected" in capsys.readouterr().err
