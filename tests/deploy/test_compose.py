"""docker-compose.yml and deploy/ against the code. Containers are not run: names, ports and versions are compared."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from clustertrack.cli import VERBS
from clustertrack.commands.collector import GRACE_SECONDS
from clustertrack.commands.worker import STOP_SECONDS
from clustertrack.local.kafka_jars import KAFKA_VERSION
from clustertrack.local.stack import Ports
from clustertrack.settings import (
    GROUPS,
    ClickHouseSettings,
    CollectorSettings,
    KafkaSettings,
    WorkerSettings,
    load_settings,
)

ROOT = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if "build" in service}
WORKERS = {name: service for name, service in OURS.items() if service["command"] == ["worker"]}

VARIABLES = {group.variable(field) for group in GROUPS for field in group.model_fields}
SECRET_FILES = {f"{group.variable(group.SECRET)}_FILE" for group in GROUPS if group.SECRET}


def each(services: dict[str, Any]) -> list[Any]:
    """Parameters: the services by name."""
    return [pytest.param(service, id=name) for name, service in services.items()]


def filled(value: str) -> str:
    """A value as compose fills it in when nothing is set: ${NAME:-default}."""
    return re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", value)


def seconds(span: str) -> float:
    """A time span of compose, in seconds."""
    assert span.endswith("s")
    return float(span.removesuffix("s"))


def test_what_there_is():
    """The services that the documentation names, and nothing more."""
    servers = {"kafka", "clickhouse", "prometheus"}
    assert set(OURS) == {"migrate", "collector", "worker", "worker-2", "cli"}
    assert set(SERVICES) == servers | set(OURS)
    assert set(WORKERS) == {"worker", "worker-2"}


@pytest.mark.parametrize("service", each(OURS))
def test_variables_are_settings(service: dict[str, Any]):
    """Every variable of our containers is read by the code."""
    assert set(service["environment"]) <= VARIABLES | SECRET_FILES


@pytest.mark.parametrize("service", each(OURS))
def test_settings_can_be_used(service: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """The variables of a container make valid settings that name the other containers."""
    password = tmp_path / "password"
    password.write_text("secret\n", encoding="utf-8")
    for name in VARIABLES | SECRET_FILES:
        monkeypatch.delenv(name, raising=False)
    for name, value in service["environment"].items():
        monkeypatch.setenv(name, str(password) if name in SECRET_FILES else filled(value))
    settings = load_settings()
    assert settings.clickhouse.password.get_secret_value() == "secret"
    assert settings.clickhouse.host in SERVICES
    assert settings.clickhouse.user == SERVICES["clickhouse"]["environment"]["CLICKHOUSE_USER"]
    assert settings.kafka.bootstrap_servers in advertised().values()
    assert settings.worker.partitions == WorkerSettings.model_fields["partitions"].default


@pytest.mark.parametrize("service", each(OURS))
def test_commands_are_verbs(service: dict[str, Any]):
    """Each container runs a verb of the command line."""
    assert service["command"][0] in {*VERBS, "--help"}


def advertised() -> dict[str, str]:
    """Listener -> host:port that Kafka tells its clients."""
    listeners = SERVICES["kafka"]["environment"]["KAFKA_ADVERTISED_LISTENERS"].split(",")
    return dict(listener.split("://") for listener in listeners)


def test_listeners_of_kafka():
    """Containers and programs on the machine each have a listener that is bound, mapped and published."""
    environment = SERVICES["kafka"]["environment"]
    bound = dict(listener.split("://:") for listener in environment["KAFKA_LISTENERS"].split(","))
    for name, address in advertised().items():
        assert address.rpartition(":")[2] == bound[name]
    assert set(bound) == {pair.split(":")[0] for pair in environment["KAFKA_LISTENER_SECURITY_PROTOCOL_MAP"].split(",")}
    assert advertised()["HOST"] == KafkaSettings.model_fields["bootstrap_servers"].default
    assert environment["KAFKA_INTER_BROKER_LISTENER_NAME"] in bound
    assert environment["KAFKA_CONTROLLER_QUORUM_VOTERS"] == f"1@{SERVICES['kafka']['hostname']}:{bound['CONTROLLER']}"
    assert environment["KAFKA_AUTO_CREATE_TOPICS_ENABLE"] == "false"


def test_versions_are_the_tested_ones():
    """Kafka's image has the version of the jars that the tests run; ours has the project's."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert SERVICES["kafka"]["image"] == f"apache/kafka:{KAFKA_VERSION}"
    assert {service["image"] for service in OURS.values()} == {f"clustertrack:{project['version']}"}


@pytest.mark.integration
def test_the_version_of_clickhouse(clickhouse):
    """ClickHouse's image has the version of the engine that the tests run."""
    engine = clickhouse.execute("SELECT version() FORMAT TSV").strip()
    tag = SERVICES["clickhouse"]["image"].partition(":")[2].removesuffix("-alpine")
    assert engine.startswith(f"{tag}.")


@pytest.mark.parametrize("service", each(SERVICES))
def test_images_are_pinned(service: dict[str, Any]):
    """No image floats: every one names a version."""
    assert re.fullmatch(r"[\w./-]+:v?\d+\.\d+[\w.-]*", service["image"])


@pytest.mark.parametrize("service", each({name: s for name, s in SERVICES.items() if "ports" in s}))
def test_ports_are_open_to_this_machine_only(service: dict[str, Any]):
    """Every published port is bound to the loopback interface."""
    for port in service["ports"]:
        assert port.startswith("127.0.0.1:")


def test_published_ports_are_the_defaults():
    """Programs on the machine reach Kafka, ClickHouse and the first worker at the addresses of the default settings."""
    kafka = KafkaSettings.model_fields["bootstrap_servers"].default
    assert SERVICES["kafka"]["ports"] == [f"{kafka}:{kafka.rpartition(':')[2]}"]
    clickhouse = ClickHouseSettings.model_fields["port"].default
    for service, port in (("clickhouse", clickhouse), ("worker", WorkerSettings.model_fields["metrics_port"].default)):
        assert SERVICES[service]["ports"] == [f"127.0.0.1:{port}:{port}"]


def test_published_ports_differ():
    """No two containers ask for the same port."""
    ports = [port.rpartition(":")[0] for service in SERVICES.values() for port in service.get("ports", [])]
    assert len(ports) == len(set(ports))


@pytest.mark.parametrize("service", each(WORKERS))
def test_workers(service: dict[str, Any]):
    """A worker waits for migrate, is asked for its health on the port that it serves, and has time to stop."""
    assert service["depends_on"] == {"migrate": {"condition": "service_completed_successfully"}}
    environment = service["environment"]
    assert environment["METRICS_HOST"] == "0.0.0.0"  # noqa: S104  (the container's own interface)
    assert f":{environment['METRICS_PORT']}/healthz" in " ".join(service["healthcheck"]["test"])
    assert all(port.endswith(f":{environment['METRICS_PORT']}") for port in service["ports"])
    assert seconds(service["stop_grace_period"]) > STOP_SECONDS


def test_the_collector():
    """It listens where its published port leads, is asked for its health, and has time to answer what it has begun."""
    service, settings = SERVICES["collector"], CollectorSettings.model_fields
    environment = service["environment"]
    assert service["command"] == ["collector"]
    assert service["depends_on"] == {"migrate": {"condition": "service_completed_successfully"}}
    assert environment["CLUSTERTRACK_COLLECTOR_HOST"] == environment["METRICS_HOST"] == "0.0.0.0"  # noqa: S104  (the container's own interface)
    port, metrics = environment["CLUSTERTRACK_COLLECTOR_PORT"], environment["METRICS_PORT"]
    default = settings["port"].default
    assert service["ports"] == [f"127.0.0.1:{default}:{port}", f"127.0.0.1:{Ports().collector_metrics}:{metrics}"]
    assert f":{metrics}/healthz" in " ".join(service["healthcheck"]["test"])
    assert seconds(service["stop_grace_period"]) > settings["confirm_seconds"].default + GRACE_SECONDS


def test_every_worker_has_its_own_marks():
    """No two workers share the volume of their data folder."""
    volumes = [
        volume.partition(":")[0]
        for service in WORKERS.values()
        for volume in service["volumes"]
        if volume.endswith(f":{service['environment']['CLUSTERTRACK_DATA_DIR']}")
    ]
    assert len(volumes) == len(WORKERS) == len(set(volumes))
    assert set(volumes) <= set(COMPOSE["volumes"])


def test_migrate_waits_for_healthy_servers():
    """Migrate starts when Kafka and ClickHouse say that they are healthy, and runs once."""
    migrate = SERVICES["migrate"]
    assert migrate["restart"] == "no"
    assert {name: on["condition"] for name, on in migrate["depends_on"].items()} == {
        "kafka": "service_healthy",
        "clickhouse": "service_healthy",
    }
    assert "healthcheck" in SERVICES["kafka"]
    assert "healthcheck" in SERVICES["clickhouse"]


@pytest.mark.parametrize("service", each(OURS))
def test_our_containers_have_few_rights(service: dict[str, Any]):
    """No capabilities, no new privileges, nothing to write but /tmp and the data volume."""
    assert (service["read_only"], service["cap_drop"], service["init"]) == (True, ["ALL"], True)
    assert service["security_opt"] == ["no-new-privileges:true"]


def test_the_password_is_in_a_file_that_git_and_docker_leave_alone():
    """No file of ours holds the password: it is a secret from a file outside of git and of the build."""
    text = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    assert "CLICKHOUSE_PASSWORD:" not in text
    assert COMPOSE["secrets"] == {"clickhouse_password": {"file": "./deploy/secrets/clickhouse_password"}}
    assert "/deploy/secrets/" in (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()
    for service in (*OURS.values(), SERVICES["clickhouse"]):
        assert service["secrets"] == ["clickhouse_password"]
    mounted = "/run/secrets/clickhouse_password"
    assert {service["environment"]["CLICKHOUSE_PASSWORD_FILE"] for service in OURS.values()} == {mounted}
    assert mounted in SERVICES["clickhouse"]["entrypoint"][-1]


@pytest.mark.parametrize("service", each(SERVICES))
def test_mounted_files_are_there(service: dict[str, Any]):
    """Files and folders of the repository that containers see exist."""
    for volume in service.get("volumes", []):
        source = volume.partition(":")[0]
        if source.startswith("."):
            assert (ROOT / source).exists(), source
        else:
            assert source in COMPOSE["volumes"]


def test_the_page_says_where_it_was_not_tried():
    """The README says plainly that no container has been run."""
    text = (ROOT / "deploy" / "README.md").read_text(encoding="utf-8")
    assert "These files have never been run in containers" in text
    for path in (ROOT / "deploy").iterdir():
        assert path.name in text or path.name == "README.md"
