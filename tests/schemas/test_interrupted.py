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


def closed(verb: str, streams: str) -> subprocess.CompletedProcess[str]:
    """A verb, started by a shell that closes standard streams (`>&- 2>&- <&-`)."""
    command = f'exec "$0" -m clustertrack {verb} {streams}'
    return subprocess.run(
        ["sh", "-c", command, sys.executable], capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.parametrize("verb", ["--help", "--version", "publish examples/activity-crm-1.jsonl --dry-run"])
@pytest.mark.parametrize("others", ["", "<&-"], ids=["stdout", "stdin too"])
def test_a_closed_output(verb: str, others: str):
    """A result that cannot be printed is a sentence and exit code 1."""
    done = closed(verb, f">&- {others}")
    assert done.returncode == 1
    last = "error: standard output cannot be written (it is closed): open it, and run the command again"
    assert done.stderr.splitlines()[-1] == last
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("verb", "code"), [("--version", 0), ("no-such-verb", 2), ("report --year 2018 --format x", 2)]
)
@pytest.mark.parametrize("streams", ["2>&-", "2>&- <&-", "<&-", "2>/dev/full"])
def test_closed_words(verb: str, code: int, streams: str):
    """Without standard error or input a command does the same, and its exit code says what became of it."""
    done = closed(verb, streams)
    assert done.returncode == code
    assert ("clustertrack, version" in done.stdout) == (code == 0)
    assert "Traceback" not in done.stderr


def test_all_closed():
    """Only the exit code is left."""
    assert closed("--version", ">&- 2>&- <&-").returncode == 1
