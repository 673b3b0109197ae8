"""`clustertrack companies load`, as a user calls it."""

import json
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from free_ports import free_ports
from kafka import KafkaAdminClient
from kafka.admin import NewTopic

from brokers import topics
from brokers.connection import KafkaConnection
from brokers.explain import KafkaUnreachable
from clustertrack.commands.companies import command
from schemas.company import read_company, standing
from schemas.errors import CheckFailed, UsageFault
from sources.register.register_topic import read_topic

Run = Callable[..., Result]
HEADER = "cvr,valid_from,name,legal_form,employees,region,industry_scheme,industry,successor_cvr,successor_from\n"
ALFA = "13748136,1999-01-01,Alfa,60,12,,,,,\n"
LATER = "13748136,2005-01-01,Alfa,60,60,,,,,\n"
BETA = "13585628,2001-01-01,Beta,60,1,,,,,\n"


@pytest.fixture
def run() -> Run:
    """Call `companies load`."""
    return lambda *arguments: CliRunner().invoke(command, ["load", *(str(argument) for argument in arguments)])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The register file of the test."""
    return tmp_path / "register.csv"


@pytest.fixture
def nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings of a Kafka that is not there."""
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", f"127.0.0.1:{free_ports(1)[0]}")


@pytest.mark.usefixtures("nowhere")
def test_dry_run_needs_no_kafka(run: Run, path: Path):
    """A dry run shows the first records and all refusals and writes nothing."""
    path.write_text(HEADER + ALFA + BETA + "1,2001-01-01,x,60,1,,,,,\n")
    result = run(path, "--dry-run", "--as-of", "2020-01-15T08:00:00+01:00")
    assert isinstance(result.exception, CheckFailed)
    assert "refused: " in result.stdout
    assert '"revision":1579071600000' in result.stdout
    assert "2 versions of 2 companies would be sent, 1 row refused" in result.stdout
    assert [file.name for file in path.parent.iterdir()] == [path.name]


@pytest.mark.usefixtures("nowhere")
@pytest.mark.parametrize(
    ("as_of", "message"),
    [
        pytest.param("2020-01-15", "a day without a time of day", id="day"),
        pytest.param("yesterday", "is not a time like", id="words"),
        pytest.param("2999-01-01T00:00:00Z", "is in the future", id="future"),
        pytest.param(
            (datetime.now(UTC) + timedelta(hours=2)).isoformat(timespec="seconds"), "is in the future", id="two hours"
        ),
    ],
)
def test_as_of_that_cannot_be(run: Run, path: Path, as_of: str, message: str):
    """An as-of time that cannot be read, or would block later extracts, is refused."""
    path.write_text(HEADER + ALFA)
    result = run(path, "--as-of", as_of)
    assert isinstance(result.exception, UsageFault)
    assert message in str(result.exception)


@pytest.mark.usefixtures("nowhere")
def test_kafka_away(run: Run, path: Path):
    """Without Kafka the command ends in one sentence and leaves nothing behind."""
    path.write_text(HEADER + ALFA)
    result = run(path)
    assert isinstance(result.exception, KafkaUnreachable)
    assert [file.name for file in path.parent.iterdir()] == [path.name]


@pytest.mark.integration
def test_extracts_one_after_the_other(run: Run, path: Path, kafka: Any, monkeypatch: pytest.MonkeyPatch):
    """A newer extract withdraws what it lacks, an older one changes nothing, other companies stay."""
    topic = f"companies-{uuid.uuid4().hex[:8]}"
    client = KafkaConnection(kafka.bootstrap)
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", kafka.bootstrap)
    monkeypatch.setattr(topics, "COMPANIES", topic)
    admin = KafkaAdminClient(bootstrap_servers=kafka.bootstrap)
    admin.create_topics([NewTopic(topic, 4, 1, topic_configs={"cleanup.policy": "compact"})])
    admin.close()

    def loaded(content: str, as_of: str) -> dict[str, Any]:
        path.write_text(HEADER + content)
        answer: dict[str, Any] = json.loads(run(path, "--json", "--as-of", as_of).stdout)
        return answer

    def now() -> set[tuple[int, str]]:
        versions = list(read_topic(client, topic, read_company, lambda *_: None))
        return {
            (one.cvr, str(one.valid_from))
            for cvr in {version.cvr for version in versions}
            for one in standing(version for version in versions if version.cvr == cvr)
        }

    first = loaded(ALFA + LATER + BETA, "2020-01-01T00:00:00Z")
    assert (first["companies"], first["records"], first["changed"], first["withdrawn"]) == (2, 3, 3, 0)
    assert now() == {(13748136, "1999-01-01"), (13748136, "2005-01-01"), (13585628, "2001-01-01")}

    second = loaded(ALFA, "2020-02-01T00:00:00Z")
    assert (second["companies"], second["records"], second["changed"], second["withdrawn"]) == (1, 2, 0, 1)
    assert now() == {(13748136, "1999-01-01"), (13585628, "2001-01-01")}

    third = loaded(ALFA + LATER + BETA, "2020-01-15T00:00:00Z")
    assert (third["companies"], third["outdated"]) == (1, 1)
    assert now() == {(13748136, "1999-01-01"), (13585628, "2001-01-01")}
