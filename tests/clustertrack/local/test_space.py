import os
import resource
import subprocess
import sys

import pytest

from clustertrack.local.space import trouble_with

NO_FILES = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0)); "
ASK = (
    "import signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); from pathlib import Path; "
    "from clustertrack.local.space import trouble_with; print(trouble_with(Path(sys.argv[1]), 0))"
)


def test_a_healthy_folder_is_no_trouble(tmp_path):
    """With space and rights nothing is reported, and nothing is left over."""
    assert trouble_with(tmp_path, 1) == ""
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_named(tmp_path):
    """Fewer free bytes than are needed: the folder, what is left and what to do."""
    assert "only " in trouble_with(tmp_path, 2**62)
    assert f"the disk of {tmp_path} has" in trouble_with(tmp_path, 2**62)
    assert trouble_with(tmp_path, 2**62).endswith("free some space")


def test_writes_that_fail_are_named(tmp_path):
    """A quota refuses a write on a disk that has space; here the limit of the process does."""
    answer = subprocess.run(
        [sys.executable, "-c", NO_FILES + ASK, tmp_path], capture_output=True, text=True, check=True, timeout=60
    )

    assert answer.stdout == f"{tmp_path} cannot be written (File too large): free some space, or fix the folder\n"
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] != 0


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_rights_is_named(tmp_path):
    """A folder that is no longer writable is not called a full disk."""
    tmp_path.chmod(0o500)

    assert "Permission denied" in trouble_with(tmp_path, 0)


def test_a_missing_folder_is_named(tmp_path):
    """Somebody deleted the data folder."""
    assert "No such file or directory" in trouble_with(tmp_path / "gone", 0)
