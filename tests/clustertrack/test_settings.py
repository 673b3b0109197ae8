import os
import subprocess
import sys
from pathlib import Path

import certifi
import pytest
from pydantic import ValidationError

from brokers.connection import KafkaConnection
from clustertrack.former_settings import GONE
from clustertrack.settings import GROUPS, load_settings, misspelt, variables
from schemas.errors import UsageFault

SAMPLE = Path(__file__).parents[2] / "deploy" / "settings.env.example"


def _sample() -> dict[str, str]:
    lines = [line for line in SAMPLE.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]
    return dict(line.split("=", 1) for line in lines)


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch) -> None:
    for name in os.environ:
        if name.startswith(("KAFKA_", "CLICKHOUSE_", "CLUSTERTRACK_", "METRICS_", "LOG_LEVEL")):
            monkeypatch.delenv(name)


def test_defaults_fit_the_local_stack():
    """Without any variable a process talks to what `clustertrack up` starts."""
    settings = load_settings()

    assert settings.kafka.bootstrap_servers == "127.0.0.1:9092"
    assert (settings.clickhouse.host, settings.clickhouse.port) == ("127.0.0.1", 8123)
    assert settings.worker.partitions == 12


def test_sample_file_is_complete_and_holds_the_defaults(monkeypatch):
    """deploy/settings.env.example names every setting, nothing else, and changes none of them."""
    assert set(_sample()) == {group.variable(field) for group in GROUPS for field in group.model_fields}
    plain = load_settings()
    for name, value in _sample().items():
        monkeypatch.setenv(name, value)

    assert load_settings() == plain


def test_options_beat_the_environment(monkeypatch):
    """A field given by an option is taken instead of its variable."""
    monkeypatch.setenv("CLUSTERTRACK_PARTITIONS", "6")

    assert load_settings().worker.partitions == 6
    assert load_settings(worker={"partitions": 4}).worker.partitions == 4


def test_settings_cannot_be_changed():
    """Settings are read once; nothing in a process can change them for the rest of it."""
    settings = load_settings()

    with pytest.raises(ValidationError, match="frozen"):
        settings.worker.partitions = 3  # type: ignore[misc]  # it is frozen: that is what is shown


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        pytest.param(
            "CLUSTERTRACK_PARTITIONS",
            "many",
            "CLUSTERTRACK_PARTITIONS=many cannot be used: it is not a whole number",
            id="no number",
        ),
        pytest.param(
            "CLICKHOUSE_PORT", "70000", "CLICKHOUSE_PORT=70000 cannot be used: it is more than 65535", id="no port"
        ),
        pytest.param("KAFKA_BOOTSTRAP_SERVERS", "broker", "'broker' is not host:port", id="server without port"),
        pytest.param("KAFKA_BOOTSTRAP_SERVERS", "a:1,b:x", "'b:x' is not host:port", id="one of two servers"),
        pytest.param("KAFKA_BOOTSTRAP_SERVERS", "SASL_SSL://a:9092", "is not host:port", id="protocol before it"),
        pytest.param("KAFKA_SECURITY_PROTOCOL", "TLS", "KAFKA_SECURITY_PROTOCOL=TLS", id="unknown protocol"),
        pytest.param("KAFKA_SECURITY_PROTOCOL", "SASL_SSL", "also needs KAFKA_SASL_MECHANISM and", id="login missing"),
        pytest.param("CLICKHOUSE_DATABASE", "a; DROP", "CLICKHOUSE_DATABASE=a; DROP", id="no database name"),
        pytest.param("CLUSTERTRACK_MIN_INSYNC_REPLICAS", "2", "CLUSTERTRACK_REPLICATION_FACTOR=1", id="two of one"),
        pytest.param("LOG_LEVEL", "LOUD", "LOG_LEVEL=LOUD", id="unknown level"),
    ],
)
def test_a_bad_value_is_one_sentence_with_its_variable(monkeypatch, name, value, problem):
    """A variable that cannot be used is named in one line, with its value."""
    monkeypatch.setenv(name, value)

    with pytest.raises(UsageFault) as fault:
        load_settings()

    assert problem in str(fault.value)
    assert "\n" not in str(fault.value)
    assert fault.value.exit_code == 2


@pytest.mark.parametrize("servers", ["ida:hunter2@broker:9092", "a:9092,ida:hunter2@[::1]:9092", "hunter2@broker"])
def test_a_password_in_the_address_is_refused_and_not_shown(monkeypatch, servers):
    """Logins have variables of their own; text before an @ is never printed."""
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", servers)

    with pytest.raises(UsageFault, match="KAFKA_BOOTSTRAP_SERVERS cannot be used") as fault:
        load_settings()

    assert "hunter2" not in str(fault.value)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        pytest.param(None, "cannot be read (No such file or directory)", id="missing"),
        pytest.param("no certificate", "holds no certificates in PEM form", id="another file"),
        pytest.param("", "holds no certificates in PEM form", id="empty"),
    ],
)
def test_the_file_of_certificates_is_checked(monkeypatch, tmp_path, content, problem):
    """A file that cannot be used is named at once, not as a broker that does not answer."""
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_text(content)
    monkeypatch.setenv("KAFKA_SECURITY_PROTOCOL", "SSL")
    monkeypatch.setenv("KAFKA_SSL_CAFILE", str(file))

    with pytest.raises(UsageFault) as fault:
        load_settings()

    assert f"KAFKA_SSL_CAFILE={file} {problem}" in str(fault.value)


@pytest.mark.parametrize("name", [pytest.param("KAFKA_SASL_PASSWORD", id="Kafka"), "CLICKHOUSE_PASSWORD"])
def test_secrets_come_from_files_too_and_stay_hidden(monkeypatch, tmp_path, name):
    """NAME_FILE gives the secret without its last line feed, and no print of the settings shows it."""
    (tmp_path / "secret").write_text("hunter2\n")
    monkeypatch.setenv(f"{name}_FILE", str(tmp_path / "secret"))

    settings = load_settings()

    kafka, clickhouse = settings.kafka.connection(), settings.clickhouse.connection()
    assert "hunter2" in (kafka.sasl_password, clickhouse.password)
    assert "hunter2" not in f"{settings!r} {kafka!r} {clickhouse!r}"


def test_a_secret_is_not_given_twice(monkeypatch, tmp_path):
    """A secret both as a value and as a file is refused, because it is unclear which one counts."""
    (tmp_path / "secret").write_text("one")
    monkeypatch.setenv("CLICKHOUSE_PASSWORD", "two")
    monkeypatch.setenv("CLICKHOUSE_PASSWORD_FILE", str(tmp_path / "secret"))

    with pytest.raises(UsageFault, match="CLICKHOUSE_PASSWORD and CLICKHOUSE_PASSWORD_FILE are both set"):
        load_settings()


@pytest.mark.parametrize(
    ("content", "why"),
    [
        pytest.param(None, "No such file or directory", id="missing"),
        pytest.param(b"\xff\xfe", "it is not UTF-8", id="binary"),
    ],
)
def test_a_secret_file_that_cannot_be_read_is_a_sentence(monkeypatch, tmp_path, content: bytes | None, why: str):
    """It is named as it was given, together with its variable."""
    file = tmp_path / "secret"
    if content is not None:
        file.write_bytes(content)
    monkeypatch.setenv("CLICKHOUSE_PASSWORD_FILE", str(file))

    with pytest.raises(UsageFault) as fault:
        load_settings()

    assert str(fault.value) == (
        f"CLICKHOUSE_PASSWORD_FILE names {file}, which cannot be read ({why}): correct the path"
    )


def test_misspelt_variables():
    """One that is nearly ours is named with the right name, any other of our family too; Kafka's own are not."""
    assert misspelt(
        ["KAFKA_BOOTSTRAP_SERVER", "CLUSTERTRACK_WEATHER", "CLICKHOUSE_PASWORD", "KAFKA_HEAP_OPTS", "KAFKA_LISTENERS"]
    ) == {
        "CLICKHOUSE_PASWORD": "CLICKHOUSE_PASSWORD",
        "CLUSTERTRACK_WEATHER": "",
        "KAFKA_BOOTSTRAP_SERVER": "KAFKA_BOOTSTRAP_SERVERS",
    }
    assert misspelt(variables()) == {}
    assert misspelt(["log_level", *GONE]) == {}


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("METRICS_PROT", "METRICS_PORT"),
        ("LOGLEVEL", "LOG_LEVEL"),
        ("CLICKHOUSE_PROT", "CLICKHOUSE_PORT"),
        ("KAKFA_BOOTSTRAP_SERVERS", "KAFKA_BOOTSTRAP_SERVERS"),
        ("CLUSTERTRAK_DATA_DIR", "CLUSTERTRACK_DATA_DIR"),
    ],
)
def test_near_misses(name: str, meant: str):
    """Also of variables without our prefix, and with a misspelt one."""
    assert misspelt([name]) == {name: meant}


def test_variables_of_others_are_no_near_misses():
    """What shells, desktops and containers usually set."""
    assert (
        misspelt(["HOME", "PATH", "LOGNAME", "HOSTNAME", "LS_COLORS", "PORT", "LOG_FILE", "KAFKA_PORT_9092_TCP"]) == {}
    )


def test_a_misspelt_variable_is_named_once(monkeypatch, capsys):
    """The settings are read more than once in a process."""
    monkeypatch.setenv("CLUSTERTRACK_PARTITION", "3")
    load_settings()
    load_settings()
    assert capsys.readouterr().err == (
        "note: CLUSTERTRACK_PARTITION is no setting and changes nothing: did you mean CLUSTERTRACK_PARTITIONS?\n"
    )


def test_the_connection_to_kafka(monkeypatch):
    """The variables are those of the connection: none set, and all of them."""
    assert load_settings().kafka.connection() == KafkaConnection("127.0.0.1:9092")
    for name, value in {
        "KAFKA_BOOTSTRAP_SERVERS": "a:9092, b:9092",
        "KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
        "KAFKA_SASL_MECHANISM": "SCRAM-SHA-512",
        "KAFKA_SASL_USERNAME": "foodbio",
        "KAFKA_SASL_PASSWORD": "hunter2",
        "KAFKA_SSL_CAFILE": certifi.where(),
    }.items():
        monkeypatch.setenv(name, value)

    assert load_settings().kafka.connection() == KafkaConnection(
        "a:9092,b:9092",
        security_protocol="SASL_SSL",
        sasl_mechanism="SCRAM-SHA-512",
        sasl_username="foodbio",
        sasl_password="hunter2",  # noqa: S106  (the test's own)
        ssl_cafile=Path(certifi.where()),
    )


@pytest.mark.parametrize("name", ["KAFKA_BOOTSTRAP_SERVERS", "CLICKHOUSE_HOST"])
@pytest.mark.parametrize(
    "value", ["anna:s3cret@kafka:9092", "a:9092,anna:s3@cret@kafka:9092", "http://anna:s3cret@kafka:1"]
)
def test_a_password_in_an_address_is_not_shown(monkeypatch, name: str, value: str):
    """A login has no place in an address, and what was written there is not repeated."""
    monkeypatch.setenv(name, value)
    with pytest.raises(UsageFault, match=name) as caught:
        load_settings()
    assert "s3" not in str(caught.value)
    assert "cret" not in str(caught.value)


def test_a_setting_that_went_is_named_once(tmp_path):
    """Only by the line that says what to do instead."""
    set_ = {**os.environ, **dict.fromkeys(GONE, "/x"), "KAFKA_BOOTSTRAP_SERVERS": "x"}
    command = [sys.executable, "-m", "clustertrack", "status"]
    done = subprocess.run(command, env=set_, capture_output=True, text=True, timeout=60, check=False, cwd=tmp_path)
    gone, wrong = done.stderr.splitlines()
    assert gone.startswith(f"{GONE[0]} and {GONE[1]}: no longer read")
    assert wrong.startswith("error: KAFKA_BOOTSTRAP_SERVERS cannot be used")
