import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from clustertrack.local.child import Child, Command

FOREVER = "import time\nwhile True: time.sleep(60)\n"
STUBBORN = "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint('deaf', flush=True)\n" + FOREVER


def _python(code: str, **environment: str | None) -> Command:
    return Command("stand-in", [sys.executable, "-c", code], environment)


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_output_and_exit_code(tmp_path):
    """Both streams go to NAME.log, and the exit code is the program's own."""
    child = Child(_python("import sys; print('out'); print('err', file=sys.stderr); sys.exit(7)"), tmp_path)

    assert child.wait(20) == 7
    assert sorted((tmp_path / "stand-in.log").read_text().split()) == ["err", "out"]


def test_environment_is_added_and_taken_away(tmp_path, monkeypatch):
    """A command can set variables and take away those of the user's shell."""
    monkeypatch.setenv("UNWANTED", "here")
    child = Child(
        _python("import os; print(os.environ['ADDED'], 'UNWANTED' in os.environ)", ADDED="yes", UNWANTED=None),
        tmp_path,
    )

    assert child.wait(20) == 0
    assert child.last_words() == "yes False"


def test_stops_on_request(tmp_path):
    """SIGTERM is enough for a program that listens to it."""
    child = Child(_python(FOREVER), tmp_path)

    assert child.stop(20)
    assert child.exit_code() == -signal.SIGTERM


def test_a_deaf_child_is_killed_after_the_grace(tmp_path, wait_until):
    """A program that ignores SIGTERM is killed when its grace is over."""
    child = Child(_python(STUBBORN), tmp_path)
    wait_until(lambda: child.last_words() == "deaf", 20)

    assert not child.stop(0.2)
    assert child.exit_code() == -signal.SIGKILL


def test_grandchildren_do_not_survive(tmp_path, wait_until):
    """What a child started itself goes with it, even if only the child dies."""
    code = (
        "import subprocess, sys\n"
        f"print(subprocess.Popen([sys.executable, '-c', {FOREVER!r}]).pid, flush=True)\n" + FOREVER
    )
    child = Child(_python(code), tmp_path)
    wait_until(lambda: bool(child.last_words()), 20)
    grandchild = int(child.last_words())

    os.kill(child.pid, signal.SIGKILL)
    wait_until(lambda: child.exit_code() is not None)

    wait_until(lambda: not _runs(grandchild), what="the grandchild to be gone")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells children of their parent's death")
def test_dies_with_its_parent(tmp_path, wait_until):
    """A supervisor that is killed with SIGKILL leaves nothing running."""
    code = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "from clustertrack.local.child import Child, Command\n"
        f"child = Child(Command('inner', [sys.executable, '-c', {STUBBORN!r}]), Path({str(tmp_path)!r}))\n"
        "while not child.last_words(): time.sleep(0.01)\n"
        "print(child.pid, flush=True)\n" + FOREVER
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as parent:
        inner = int(parent.stdout.readline())
        assert _runs(inner)
        parent.kill()

    wait_until(lambda: not _runs(inner), what="the inner child to be gone")


@pytest.mark.parametrize(
    ("log", "words"),
    [
        pytest.param("one\n\ntwo\nthree\nfour\n", "two | three | four", id="last three lines"),
        pytest.param("starting\nerror: port 1 is taken\nbye\n", "port 1 is taken", id="our own error line"),
        pytest.param(
            '{"event": "Crashed", "level": "error"}\n{"event": "Stopping", "level": "info"}\n',
            "Crashed",
            id="the last error of a JSON log",
        ),
        pytest.param("", "", id="nothing"),
    ],
)
def test_last_words_are_what_matters(tmp_path, log, words):
    """The end of a log is cut down to what a user needs in a sentence."""
    child = Child(_python(""), tmp_path)
    child.wait(20)
    child.log.write_text(log)

    assert child.last_words() == words


@pytest.mark.parametrize(
    ("log", "reason"),
    [
        pytest.param("starting\nerror: port 1 is taken\nbye\n", "port 1 is taken", id="our own error line"),
        pytest.param("[1] INFO a\n[2] FATAL no space left\n[3] INFO b\n", "[2] FATAL no space left", id="Kafka's"),
        pytest.param("one\ntwo\nthree\nfour\n", "", id="nothing that explains"),
        pytest.param("one\ntwo\n", "one | two", id="next to nothing"),
        pytest.param(4 * '{"event": "it failed", "level": "info"}\n', "", id="JSON that is no error"),
    ],
)
def test_the_reason_is_what_explains(tmp_path, log, reason):
    """Lines that say nothing about the end are not quoted."""
    child = Child(_python(""), tmp_path)
    child.wait(20)
    child.log.write_text(log)

    assert child.reason() == reason


def test_words_of_an_earlier_run_are_not_quoted(tmp_path):
    """The log is continued, but the last line is one of this run, even if there is none."""
    (tmp_path / "stand-in.log").write_text("error: Topic activity.events.v1 has 6 partitions and had 4\n")
    silent, loud = Child(_python(""), tmp_path), Child(_python("print('new')"), tmp_path)
    silent.wait(20)
    loud.wait(20)

    assert "had 4" not in silent.last_words()
    assert loud.last_words() == "new"


def test_the_shell_reaches_a_child_by_name_only(tmp_path, monkeypatch):
    """PYTHONOPTIMIZE and its like stay outside; a variable that the command passes is handed on."""
    monkeypatch.setenv("PYTHONOPTIMIZE", "1")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("LOG_LEVEL", "DEBUG")
    code = "import os; print(__debug__, 'HTTP_PROXY' in os.environ, os.environ['LOG_LEVEL'])"
    child = Child(Command("stand-in", [sys.executable, "-c", code], passes=["LOG_LEVEL"]), tmp_path)

    assert child.wait(20) == 0
    assert child.last_words() == "True False DEBUG"


def test_a_large_log_is_turned_over(tmp_path):
    """A log beyond ten megabytes becomes NAME.log.1 when the child starts again."""
    (tmp_path / "stand-in.log").write_bytes(b"x" * (10 * 1024 * 1024 + 1))

    Child(_python("print('new')"), tmp_path).wait(20)

    assert (tmp_path / "stand-in.log").read_text() == "new\n"
    assert (tmp_path / "stand-in.log.1").stat().st_size > 10 * 1024 * 1024
