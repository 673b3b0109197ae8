"""House rules about what few places may reach: the environment, Kafka, the end of the process."""

from pathlib import Path

import house_doors
import pytest


@pytest.fixture(autouse=True)
def product(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """An empty project."""
    monkeypatch.chdir(tmp_path)


def written(name: str, code: str) -> Path:
    """A file with this code."""
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(code, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("streams/some.py", 'import os\nos.environ["KAFKA_GROUP"]'),
        ("streams/some.py", "import os\nos.getenv(name)"),
        ("streams/some.py", "import os\nread(os.environ)"),
        ("streams/some.py", "import re\nfrom os import path, environ"),
        ("clustertrack/commands/up.py", '\nos.environ.get("CLUSTERTRACK_DATABASE")'),
        ("clustertrack/local/java.py", '\nHOST: Final = "CLICKHOUSE_HOST"'),
    ],
)
def test_a_setting_that_is_read_elsewhere_is_found(name: str, code: str):
    """Any use of the environment, and in files that may use it, settings that they do not need."""
    found = list(house_doors.stray_settings(written(name, code)))
    assert [fault.split(": ")[0] for fault in found] == [f"{name}:2"]


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("clustertrack/settings.py", 'os.environ.get("KAFKA_GROUP")'),
        ("clustertrack/commands/up.py", 'os.environ.get("CLUSTERTRACK_PARTITIONS")'),
        ("clustertrack/local/java.py", 'os.environ.get("JAVA_HOME")'),
        ("streams/some.py", 'Fault("set KAFKA_GROUP")\nos.getpid()'),
        ("tests/some.py", 'os.environ["KAFKA_GROUP"]'),
    ],
)
def test_other_uses_of_the_environment_are_fine(name: str, code: str):
    """In the one file, in those that are named, and where a setting is only mentioned."""
    assert list(house_doors.stray_settings(written(name, code))) == []


@pytest.mark.parametrize(
    "code",
    [
        "from kafka import KafkaConsumer",
        "from kafka.admin import KafkaAdminClient as Admin",
        "import kafka\nkafka.KafkaProducer()",
        "from aiokafka import AIOKafkaProducer",
    ],
)
def test_another_client_of_kafka_is_found(code: str):
    """Outside of `brokers/`, and in files that may use another one."""
    for name in ("reports/some.py", "streams/topic_feed.py"):
        assert len(list(house_doors.stray_clients(written(name, code)))) == 1


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("brokers/some.py", "from kafka import KafkaConsumer"),
        ("streams/topic_feed.py", "from aiokafka import AIOKafkaConsumer, TopicPartition"),
        ("reports/some.py", "from kafka.errors import KafkaError"),
    ],
)
def test_known_clients_of_kafka_are_fine(name: str, code: str):
    """The places that are named, and what else the library has."""
    assert list(house_doors.stray_clients(written(name, code))) == []


@pytest.mark.parametrize(
    "code",
    [
        "raise SystemExit(7)",
        "raise SystemExit",
        "raise click.ClickException(text)",
        "raise click.exceptions.Exit(1)",
        "raise click.BadParameter(text)",
        "sys.exit(1)",
        "exit(1)",
        "os._exit(1)",
        "ctx.exit(1)",
    ],
)
def test_another_end_is_found(code: str):
    """What ends the process without an error of ours."""
    assert len(list(house_doors.stray_exits(written("reports/some.py", code)))) == 1


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("reports/some.py", "raise UsageFault(text)"),
        ("reports/some.py", "raise"),
        ("schemas/screen.py", "sys.exit(1)"),
        ("scripts/some.py", "raise SystemExit(7)"),
    ],
)
def test_known_ends_are_fine(name: str, code: str):
    """Errors of the tree, the door itself, and scripts."""
    assert list(house_doors.stray_exits(written(name, code))) == []
