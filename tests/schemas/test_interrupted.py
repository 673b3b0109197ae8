"""What ends a command from outside: Ctrl-C, and an output that takes nothing more."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

FULL = Path("/dev/full")
WAITING = """
import click, time
from schemas.screen import note_reached, run, say

@click.command()
def command():
    note_reached("a step was done")
    say("begun")
    time.sleep(60)

run(command, "command")
"""


def test_ctrl_c():
    """One sentence with how far it came, and exit code 130; no traceback."""
    with subprocess.Popen(
        [sys.executable, "-c", WAITING], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=30)
    assert process.returncode == 130
    assert said.strip() == "stopped: a step was done; it is safe to run the command again"


@pytest.mark.skipif(not FULL.exists(), reason="the system has no /dev/full")
def test_a_full_disk():
    """An output that cannot be written is a sentence and exit code 1."""
    command = [sys.executable, "-m", "clustertrack", "--help"]
    with FULL.open("w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("error: the output, or a file, cannot be written (No space left on device)")
    assert "Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_another_file_that_cannot_be_written():
    """A file that has a name is named."""
    program = WAITING.replace("time.sleep(60)", "raise OSError(28, 'No space left on device', 'list.csv')")
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("error: list.csv cannot be written (No space left on device)")
