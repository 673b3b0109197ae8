import subprocess
import sys

import pytest

ENTRIES = {
    "status": ["-m", "clustertrack", "status"],
    "publish": ["-m", "clustertrack", "publish", "x.jsonl"],
    "up": ["-m", "clustertrack", "up", "--data", "elsewhere"],
    "worker": ["-m", "clustertrack", "worker", "--check"],
    "help": ["-m", "clustertrack", "--help"],
    "clickhouse": ["-m", "clustertrack.local.clickhouse", "--path", "elsewhere", "--port", "0"],
}


@pytest.mark.parametrize("entry", [pytest.param(arguments, id=name) for name, arguments in ENTRIES.items()])
@pytest.mark.parametrize(
    ("switches", "environment"),
    [
        pytest.param(["-O"], {}, id="switch"),
        pytest.param([], {"PYTHONOPTIMIZE": "1"}, id="variable"),
        pytest.param(["-OO"], {}, id="twice"),
    ],
)
def test_python_without_asserts_is_refused(entry, switches, environment, tmp_path):
    """Every entry says in one sentence what to unset, instead of calling a Kafka that answers silent."""
    answer = subprocess.run(
        [sys.executable, *switches, *entry],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        cwd=tmp_path,
        env=environment,
    )

    assert (answer.returncode, answer.stdout) == (2, "")
    assert answer.stderr == (
        "error: Python runs without asserts (PYTHONOPTIMIZE or -O), and the Kafka client cannot work without them: "
        "unset PYTHONOPTIMIZE, and start without -O\n"
    )
    assert list(tmp_path.iterdir()) == []
