"""`clustertrack publish`, as a user calls it."""

import json
import uuid
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from free_ports import free_ports
from kafka import KafkaAdminClient, KafkaProducer
from kafka.admin import NewTopic
from topic_records import records_of

import schemas
from brokers import topics
from clustertrack.commands.publish import command
from schemas.errors import CheckFailed, ClustertrackError, UsageFault
from schemas.registry_document import read_sample

Run = Callable[..., Result]
PARTITIONS = 4
HEADER = "subject,source,type,activity_id,occurred_on,time,title\n"
ROW = "13748136,https://crm.foodbio.example,workshop.attended,WS-1/13748136,2018-05-03,2018-05-03T14:05:09Z,A\n"
BAD = "13748136,https://crm.foodbio.example,workshop.attended,WS-2/13748136,,2018-05-03T14:05:09Z,B\n"


@pytest.fixture
def run() -> Run:
    """Call the command; the result has `exception` where the program would print one sentence."""
    return lambda *arguments: CliRunner().invoke(command, [str(argument) for argument in arguments])


def fault(result: Result, kind: type[ClustertrackError] = ClustertrackError) -> str:
    """The sentence with which the command ended."""
    assert isinstance(result.exception, kind), result.output
    assert "\n" not in str(result.exception)
    return str(result.exception)


@pytest.fixture
def nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings of a Kafka that is not there."""
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", f"127.0.0.1:{free_ports(1)[0]}")


@pytest.mark.usefixtures("nowhere")
def test_dry_run_needs_no_kafka(run: Run, tmp_path: Path):
    """A dry run shows the first events and all refusals, sends and writes nothing, and answers 1 for refused rows."""
    path = tmp_path / "export.csv"
    path.write_text(HEADER + ROW + BAD * 30)
    result = run(path, "--dry-run")
    assert "1 event" not in fault(result, CheckFailed)
    assert "  2     13748136  3. maj 2018  workshop.attended  WS-1/13748136" in result.stdout
    assert result.stdout.endswith(f"  send what is right: clustertrack publish {path}\n")
    assert result.stdout.count("occurred_on: is empty") == 30
    assert f"{path}: 1 event would be sent, 30 refused" in result.stdout
    assert [file.name for file in tmp_path.iterdir()] == ["export.csv"]


@pytest.mark.usefixtures("nowhere")
def test_dry_run_as_json(run: Run, tmp_path: Path):
    """The JSON answer has counts, refusals with file, line, field and reason, and the first events."""
    path = tmp_path / "export.csv"
    path.write_text(HEADER + BAD + ROW)
    answer = json.loads(run(path, "--dry-run", "--json").stdout)
    assert (answer["dry_run"], answer["events"], answer["refused"]) == (True, 1, 1)
    [refusal] = answer["refusals"]
    where = {"file": str(path), "line": 2, "last": 0}
    assert refusal == {**where, "field": "occurred_on", "reason": "is empty", "code": "", "value": "", "sent": False}
    assert (answer["accepted"], answer["rejected"]) == (1, 0)
    assert answer["files"][0]["columns"]["activity_id"] == ["activity_id"]
    assert (answer["files"][0]["fixed"], answer["files"][0]["not_sent"]) == ({}, [])
    assert answer["files"][0]["examples"][0]["subject"] == "13748136"


@pytest.mark.usefixtures("nowhere")
@pytest.mark.parametrize("more", [(), ("--json",)], ids=["text", "JSON"])
@pytest.mark.parametrize("secret", ["010190-1234", "ane@example.dk"])
def test_no_message_shows_who_a_person_is(run: Run, tmp_path: Path, secret: str, more: tuple[str, ...]):
    """Rows with a CPR number or an e-mail address in any column are refused, and what is printed hides it."""
    path = tmp_path / "export.csv"
    good = ROW.strip().split(",")
    bad = [[*good[:n], f"{good[n]} {secret}", *good[n + 1 :]] for n in range(len(good))]
    path.write_text(HEADER + "".join(",".join(row) + "\n" for row in bad))
    result = run(path, "--dry-run", *more)
    assert "refused" in fault(result, CheckFailed) + result.stdout
    assert secret not in result.output + str(result.exception)
    path.write_text(HEADER.strip() + f",{secret}\n" + ROW.strip() + ",1\n")
    assert secret not in fault(run(path, "--dry-run", *more))


@pytest.mark.usefixtures("nowhere")
@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        pytest.param("export.csv", b"", "is empty", id="empty"),
        pytest.param("export.csv", b"subject,email\n1,2\n", "unknown column 'email'", id="unknown column"),
        pytest.param("export.csv", HEADER.encode() + b"\xe6\n", "is not UTF-8", id="wrong encoding"),
        pytest.param("export.csv", bytes(range(256)) * 10, "line 1 has a zero byte", id="binary"),
        pytest.param("export.xlsx", bytes(range(256)) * 10, r"is not an \.xlsx workbook", id="broken workbook"),
        pytest.param("export.jsonl", bytes(range(256)) * 10, "is not JSON lines", id="binary lines"),
        pytest.param("export.doc", b"x", "is not a kind of file that can be published", id="another kind"),
        pytest.param("export.csv", (HEADER + ROW).encode(), "Nothing was sent", id="Kafka away"),
    ],
)
def test_one_sentence(run: Run, tmp_path: Path, name: str, content: bytes, message: str):
    """What cannot work ends in one sentence with an exit code of its own, and nothing is sent."""
    path = tmp_path / name
    path.write_bytes(content)
    result = run(path)
    assert message.replace("\\", "") in fault(result)
    assert getattr(result.exception, "exit_code", 0) in (2, 3)


def test_missing_file(run: Run, tmp_path: Path):
    """A file that is not there is named."""
    assert "none.csv cannot be read" in fault(run(tmp_path / "none.csv"))


WRONG = ROW.replace("13748136,", "13748137,", 1)
ELSEWHERE = ROW.replace("foodbio", "unknown")
SAMPLE = ("--registry", Path(schemas.__file__).with_name("registry.toml"))


@pytest.mark.usefixtures("nowhere")
def test_a_dry_run_judges_like_the_worker(run: Run, tmp_path: Path):
    """Every fault of every row is shown, and how many rows would be accepted, rejected and refused."""
    path = tmp_path / "export.csv"
    path.write_text(HEADER + ROW + BAD + ELSEWHERE.replace("2018-05-03,", "1918-05-03,"))
    result = run(path, "--dry-run", *SAMPLE)
    assert fault(result, CheckFailed).startswith("2 rows were refused")
    assert f"refused: {path} line 4: source: the cluster registry does not list this source" in result.stdout
    assert f"refused: {path} line 4: occurred_on: the day is before 2000 (1918-05-03)" in result.stdout
    assert "1 event would be sent, 2 refused; 1 of the refused rows would be rejected by a worker" in result.stdout
    answer = json.loads(run(path, "--dry-run", "--json", *SAMPLE).stdout)
    assert [answer[count] for count in ("events", "accepted", "rejected", "refused")] == [1, 1, 1, 2]
    assert {one["code"] for one in answer["refusals"]} == {"", "unknown_source", "date_too_early"}


@pytest.mark.usefixtures("nowhere")
def test_a_dry_run_without_kafka(run: Run, tmp_path: Path):
    """Everything but sources and clusters is judged, and what is not is said."""
    path = tmp_path / "export.csv"
    path.write_text(HEADER + ELSEWHERE + WRONG)
    result = run(path, "--dry-run")
    assert "sources and clusters are not judged (--registry FILE would): Kafka at" in result.stderr
    assert (
        "1 event would be sent, 1 refused; 1 of the refused rows would be rejected by a worker; their sources and "
        "clusters are not judged"
    ) in result.stdout
    answer = json.loads(run(path, "--dry-run", "--json").stdout)
    assert answer["not_judged"] == ["source", "data.cluster"]
    assert "Kafka at" in answer["not_judged_because"]
    judged = json.loads(run(path, "--dry-run", "--json", *SAMPLE).stdout)
    assert (judged["not_judged"], judged["not_judged_because"]) == ([], None)


@pytest.mark.usefixtures("nowhere")
def test_a_file_that_is_held_back(run: Run, tmp_path: Path):
    """Of a file that is wrong as a whole it is not said that nothing can be sent: --anyway does."""
    path = tmp_path / "export.csv"
    path.write_text(HEADER + ELSEWHERE)
    shown = run(path, "--dry-run", *SAMPLE).stdout
    assert "--anyway sends them all the same" in shown
    assert shown.endswith("\nNothing was sent.\n")


@pytest.mark.usefixtures("nowhere")
def test_a_dry_run_with_another_registry(run: Run, tmp_path: Path):
    """A dry run can judge by a registry file; sending cannot, since workers decide by the one in force."""
    path, registry = tmp_path / "export.csv", tmp_path / "clusters.toml"
    path.write_text(HEADER + ELSEWHERE)
    cluster = 'slug = "new"\nname = "New"\nvalid_from = 2000-01-01\nsources = ["https://crm.unknown.example"]\n'
    registry.write_text(f"[[cluster]]\n{cluster}")
    assert json.loads(run(path, "--dry-run", "--json", "--registry", registry).stdout)["accepted"] == 1
    assert "--registry goes with --dry-run" in fault(run(path, "--registry", registry))


@pytest.mark.usefixtures("nowhere")
def test_personal_data_may_be_allowed(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The setting of the workers holds for `publish` too."""
    path = tmp_path / "export.csv"
    path.write_text(HEADER + ROW.replace(",A\n", ",til ane@example.dk\n"))
    assert json.loads(run(path, "--dry-run", "--json").stdout)["rejected"] == 1
    monkeypatch.setenv("CLUSTERTRACK_ALLOW_PERSONAL_DATA", "true")
    assert json.loads(run(path, "--dry-run", "--json").stdout)["rejected"] == 0


@pytest.mark.usefixtures("nowhere")
@pytest.mark.parametrize(
    ("rows", "options", "events"),
    [
        pytest.param(ROW + WRONG, (), 1, id="some"),
        pytest.param(ROW + WRONG, ("--anyway",), 1, id="some, anyway"),
        pytest.param(ROW + WRONG, ("--send-invalid",), 2, id="some, invalid too"),
        pytest.param(WRONG * 2, (), 0, id="none"),
        pytest.param(WRONG * 2, ("--send-invalid",), 0, id="none, invalid too"),
        pytest.param(WRONG * 2, ("--anyway",), 2, id="none, anyway"),
        pytest.param(WRONG * 2, ("--send-invalid", "--anyway"), 2, id="none, both"),
    ],
)
def test_what_a_worker_would_reject(run: Run, tmp_path: Path, rows: str, options: tuple[str, ...], events: int):
    """It is sent with --send-invalid; a file of which everything would be rejected only with --anyway."""
    path = tmp_path / "export.csv"
    path.write_text(HEADER + rows)
    answer = json.loads(run(path, "--dry-run", "--json", *options).stdout)
    assert (answer["events"], answer["refused"]) == (events, 2 - events)
    if not events:
        assert "none would be accepted" in run(path, "--dry-run", *options).stdout


@pytest.mark.parametrize(
    ("options", "message"),
    [
        pytest.param(["--verify", "--dry-run"], "--verify sends nothing", id="verify and dry run"),
        pytest.param(["--verify", "--snapshot"], "--verify sends nothing", id="verify and snapshot"),
        pytest.param(["--yes"], "go with --snapshot", id="yes"),
        pytest.param(["--from", "2018-01-01"], "go with --snapshot", id="from"),
        pytest.param(
            ["--snapshot", "--from", "2021-12-31", "--to", "2021-01-01"], "after --to 2021-01-01", id="days reversed"
        ),
        pytest.param(["--at-most", "0"], "go with --snapshot", id="at most"),
        pytest.param(["--snapshot"], "needs the instant", id="no instant"),
        pytest.param(["--snapshot", "--exported-at", "x"], "--exported-at: 'x' is not a time", id="no time"),
    ],
)
def test_options_that_do_not_go_together(run: Run, tmp_path: Path, options: list[str], message: str):
    """They are refused with a sentence, before anything is asked or sent."""
    path = tmp_path / "export.csv"
    path.write_text(HEADER + ROW)
    assert message in fault(run(path, *options), UsageFault)


@pytest.fixture
def events_topic(kafka: Any, monkeypatch: pytest.MonkeyPatch) -> str:
    """An events topic of the test's own, to which the command sends, and a topic with the sample registry."""
    topic, registry = (f"{name}-{uuid.uuid4().hex[:8]}" for name in ("events", "registry"))
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", kafka.bootstrap)
    monkeypatch.setattr(topics, "EVENTS", topic)
    monkeypatch.setattr(topics, "REGISTRY", registry)
    admin = KafkaAdminClient(bootstrap_servers=kafka.bootstrap)
    admin.create_topics([NewTopic(topic, PARTITIONS, 1), NewTopic(registry, 1, 1)])
    admin.close()
    sample = read_sample(1)
    with closing(KafkaProducer(bootstrap_servers=kafka.bootstrap)) as producer:
        producer.send(registry, key=sample.key, value=sample.to_json()).get(30)
    return topic


@pytest.mark.integration
@pytest.mark.usefixtures("events_topic")
def test_what_is_not_printed_is_counted(run: Run, tmp_path: Path):
    """Of many faults the first are printed, the others are counted, and where to see them is said."""
    lines = tmp_path / "events.jsonl"
    lines.write_bytes(b"not JSON\n" * 61)
    shown = run(lines, "--send-invalid", "--anyway").stdout
    assert shown.count("to be rejected: ") == 20
    assert "and 41 more faults: --dry-run prints them all\n" in shown


@pytest.mark.integration
def test_everything_arrives(run: Run, kafka: Any, events_topic: str, tmp_path: Path):
    """Events and JSON lines arrive under their keys; refused rows are next to the file; the exit code says so."""
    table, lines = tmp_path / "export.csv", tmp_path / "events.jsonl"
    table.write_text(HEADER + ROW + BAD)
    lines.write_bytes(b'{"subject": "13585628"}\nnot JSON\n')
    result = run(table, lines, "--send-invalid", "--anyway")
    assert fault(result, CheckFailed).startswith(
        f"1 row was refused: fix it in {table}.refused.csv, then publish that; everything"
    )
    assert f"{lines}: 2 events sent, 0 refused; 2 of the events would be rejected by a worker" in result.stdout
    assert (
        (tmp_path / "export.csv.refused.csv").read_text().splitlines()[1].startswith("3,occurred_on,is empty,13748136,")
    )
    found = records_of(kafka.bootstrap, events_topic, PARTITIONS)
    assert {(record.key, record.value) for record in found if record.key != b"13748136"} == {
        (b"13585628", b'{"subject": "13585628"}'),
        (None, b"not JSON"),
    }
    (event,) = [json.loads(record.value) for record in found if record.key == b"13748136"]
    assert event["type"] == "org.clustertrack.workshop.attended.v1"
    assert {tuple(record.headers)[:-1] for record in found} == {(("content-type", b"application/cloudevents+json"),)}


@pytest.mark.integration
@pytest.mark.usefixtures("events_topic")
@pytest.mark.parametrize("topic", ["EVENTS", "REGISTRY"])
def test_topic_is_missing(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, topic: str):
    """Without the topics the command says to migrate first."""
    monkeypatch.setattr(topics, topic, "nobody-made-this")
    path = tmp_path / "export.csv"
    path.write_text(HEADER + ROW)
    assert "run `clustertrack migrate` first" in fault(run(path))
