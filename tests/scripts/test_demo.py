"""The steps of scripts/demo that need no stack."""

import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from free_ports import free_ports

from clustertrack.local.ports import HOST

ROOT = Path(__file__).parents[2]
STEPS = ROOT / "scripts" / "demo_steps.py"


def step(*arguments: object) -> subprocess.CompletedProcess[str]:
    """A step, as the demo runs it."""
    command = [sys.executable, str(STEPS), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("base", ["abc", "80", "70000", "-1", "19000x"])
def test_a_port_that_is_none(tmp_path: Path, base: str):
    """A sentence before anything is set up or written."""
    command = [str(ROOT / "scripts" / "demo"), "--port-base", base, "--data", str(tmp_path / "demo")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"error: --port-base {base} is not a whole number from 1024 to 65535\n"
    assert not (tmp_path / "demo").exists()


@pytest.mark.parametrize(
    ("arguments", "wrong"),
    [
        (["--data"], "--data needs a value"),
        (["--once", "--port-base"], "--port-base needs a value"),
        (["--foo"], "there is no option --foo"),
    ],
)
def test_a_wrong_option(arguments: list[str], wrong: str):
    """It is named, and where help is."""
    command = [str(ROOT / "scripts" / "demo"), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"error: {wrong}; see `scripts/demo --help`\n"


def test_a_port_that_is_taken():
    """The sentence of `clustertrack up`, and its exit code."""
    (base,) = free_ports(1)
    with socket.create_server((HOST, base)):
        done = step("ports", base)
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: port {base} on 127.0.0.1 is taken")


@pytest.mark.parametrize(("refused", "code"), [pytest.param(2, 0, id="as planned"), pytest.param(3, 1, id="others")])
def test_planned_refusals(tmp_path: Path, refused: int, code: int):
    """Refused rows are shown as planned; any other number is an error."""
    (tmp_path / "truth.json").write_text(json.dumps({"refused": [{}, {}]}))
    answer = {"refused": refused, "files": [{"file": "x/a.csv", "events": 1, "refused": refused}]}
    (tmp_path / "published.json").write_text(json.dumps(answer))
    done = step("published", tmp_path, tmp_path / "published.json")
    assert done.returncode == code
    assert f"a.csv: 1 event sent, {refused} refused as planned" in done.stdout
    assert ("error" in done.stderr) == bool(code)
