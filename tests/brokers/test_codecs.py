"""The check for the libraries that unpack compressed records, and the commands that make it."""

import subprocess
import sys

import pytest

from brokers.codecs import CodecsMissing, require_codecs
from brokers.unpacking import _PACKAGES as PACKAGES
from brokers.unpacking import missing_packages

NOWHERE = "127.0.0.1:1"
"""Where no Kafka and no ClickHouse answer: a command that got that far would end with another sentence."""

READING = {
    "worker": ["worker"],
    "worker-check": ["worker", "--check"],
    "status": ["status"],
    "reconcile": ["reconcile"],
    "migrate": ["migrate"],
    "companies-load": ["companies", "load", "nowhere.csv"],
    "up": ["up", "--data", "nowhere"],
}


def without(modules: list[str], code: str, tmp_path) -> subprocess.CompletedProcess[str]:
    """Run Python code in a process that cannot import the modules."""
    hide = f"import sys; sys.modules.update(dict.fromkeys({modules}))\n"
    return subprocess.run(
        [sys.executable, "-c", hide + code],
        env={"KAFKA_BOOTSTRAP_SERVERS": NOWHERE, "CLICKHOUSE_PORT": "1", "PATH": ""},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_nothing_is_missing_here() -> None:
    """All codecs are dependencies."""
    assert missing_packages() == []
    require_codecs()


def test_the_clients_agree() -> None:
    """Without the libraries both clients refuse the three codecs, and with them they read all: no other is needed."""
    asked = "[getattr(m, f'has_{name}')() for m in (kafka.codec, aiokafka.codec) for name in ('snappy', 'lz4', 'zstd')]"
    code = f"import aiokafka.codec, kafka.codec; print(set({asked}))"
    assert without([], code, ".").stdout == "{True}\n"
    assert without(list(PACKAGES), code, ".").stdout == "{False}\n"


@pytest.mark.parametrize("module", PACKAGES, ids=str)
def test_each_is_found_missing(module: str, tmp_path) -> None:
    """The package of each codec is named; python-snappy needs cramjam."""
    done = without([module], "from brokers.unpacking import missing_packages\nprint(missing_packages())", tmp_path)
    missing = ["cramjam", "python-snappy"] if module == "cramjam" else [PACKAGES[module]]
    assert done.stdout == f"{missing}\n", done.stderr


@pytest.mark.parametrize("arguments", READING.values(), ids=READING)
def test_what_reads_does_not_begin(arguments: list[str], tmp_path) -> None:
    """One sentence that names the package and what to do, before Kafka, the ledger or a file is asked for."""
    code = f"import sys\nfrom clustertrack.cli import main\nsys.argv[1:] = {arguments}\nmain()"
    done = without(["zstandard"], code, tmp_path)
    assert done.returncode == CodecsMissing.exit_code
    assert done.stderr == (
        "error: Compressed records of Kafka cannot be read without zstandard: run pip install zstandard, "
        "then repeat the command.\n"
    )
    assert done.stdout == ""
    assert list(tmp_path.iterdir()) == []
