"""A file of tests as the long runs start one."""

from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture
def a_file(tmp_path: Path) -> Callable[[str], Path]:
    """Writes a file of tests with this one in it; its fixture leaves a file when it is torn down."""

    def make(body: str) -> Path:
        path = tmp_path / "test_made.py"
        path.write_text(
            "import pytest, time\nfrom pathlib import Path\n"
            f"@pytest.fixture\ndef stack():\n    yield\n    Path({str(tmp_path / 'closed')!r}).touch()\n"
            f"def test_it(stack):\n    Path({str(tmp_path / 'begun')!r}).touch()\n    {body}\n",
            encoding="utf-8",
        )
        return path

    return make
