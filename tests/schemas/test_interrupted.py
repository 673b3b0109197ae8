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


def test_how_far_it_came_before_the_disk_was_full():
    """Who sends a file and cannot print what became of it is told that it was sent."""
    program = WAITING.replace("time.sleep(60)", "raise OSError(28, 'No space left on device')")
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert done.stderr == (
        "error: the output, or a file, cannot be written (No space left on device): a step was done; make room, and "
        "run the command again\n"
    )


def test_another_file_that_cannot_be_written():
    """A file that has a name is named."""
    program = WAITING.replace("time.sleep(60)", "raise OSError(28, 'No space left on device', 'list.csv')")
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("error: list.csv cannot be written (No space left on device)")


INTERRUPTING = """
import os, signal, sys

module = sys.argv.pop(1)

class Interrupting:
    def find_spec(self, name, path=None, target=None):
        if name == module:
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Interrupting())
from clustertrack.__main__ import main
main()
"""


@pytest.mark.parametrize(
    "module",
    [
        "clustertrack.cli",
        "click",
        "clustertrack.commands",
        "clustertrack.commands.report",
        "pydantic",
        "clickhouse_connect",
    ],
)
def test_ctrl_c_while_it_is_imported(module: str):
    """From our first line on it is a sentence and exit code 130, at any import."""
    command = [sys.executable, "-c", INTERRUPTING, module, "report", "--year", "2018"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 130
    assert done.stderr.strip().startswith("stopped: no")
    assert done.stderr.endswith("; it is safe to run the command again\n")
    assert len(done.stderr.strip().splitlines()) == 1


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
    last = done.stderr.splitlines()[-1]
    assert last.startswith("error: standard output cannot be written (it is closed): ")
    assert last.endswith("open it, and run the command again")
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
