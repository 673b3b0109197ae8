import pytest

from schemas.screen import width_of_results


@pytest.mark.parametrize(
    ("columns", "width"),
    [
        pytest.param("40", 72, id="a narrow terminal"),
        pytest.param("80", 80, id="a usual one"),
        pytest.param("300", 120, id="a wide one"),
        pytest.param(None, 120, id="no terminal"),
    ],
)
def test_results_fit_their_terminal(monkeypatch: pytest.MonkeyPatch, columns: str | None, width: int):
    """Between 72 and 120 columns; a pipe or a file always gets 120, no matter what COLUMNS says."""
    monkeypatch.setenv("COLUMNS", columns or "80")
    monkeypatch.setattr("sys.stdout.isatty", lambda: columns is not None)
    assert width_of_results() == width
