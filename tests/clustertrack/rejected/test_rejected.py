"""`clustertrack rejected` with a real worker: rejected, fixed, replayed, counted."""

import base64
import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from click.testing import CliRunner
from samples import CVRS, event
from stack import Stack

from brokers.partitioning import partition_of
from brokers.topics import COMPANIES, EVENTS
from clustertrack.cli import root
from schemas.addresses import RecordAddress
from schemas.errors import ClustertrackError

pytestmark = pytest.mark.integration

PARTITIONS = 4
KNOWN_CRM, NEW_CRM, THIRD_CRM = "https://crm.foodbio.example", "https://crm.new.example", "https://crm.third.example"
REGISTRY = """[[cluster]]
slug = "{slug}"
name = "{slug}"
valid_from = 2000-01-01
sources = ["{source}"]
"""


def registry(folder: Path, *sources: str) -> Path:
    """A registry with a cluster for each source."""
    file = folder / f"clusters-{len(sources)}-{uuid.uuid4().hex[:6]}.toml"
    texts = [REGISTRY.format(slug=f"cluster-{n}", source=source) for n, source in enumerate(sources)]
    file.write_text("\n".join(texts), encoding="utf-8")
    return file


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Kafka, ClickHouse, and the worker that the first test leaves to the others: it does not know the third CRM."""
    made = Stack(tmp_path_factory.mktemp("rejected"), partitions=PARTITIONS)
    yield made
    made.close()


def start(stack: Stack, *sources: str) -> None:
    """A worker whose registry knows these sources only."""
    while stack.workers:
        stack.workers.pop().stop(20)
    stack.load_registry(registry(stack.folder, *sources))
    stack.start_worker()


def sent(company: int, value: bytes, **changes: Any) -> tuple[bytes | None, bytes | None, list[Any], int | None]:
    """A record as a publisher sends it."""
    key, headers, partition = f"{company:08d}".encode(), [("content-type", b"application/cloudevents+json")], None
    return changes.get("key", key), value, changes.get("headers", headers), changes.get("partition", partition)


class Answer(NamedTuple):
    """What a command printed, and the sentence that it ended with."""

    stdout: str
    stderr: str


def run(stack: Stack, *arguments: str, expect: int = 0) -> Answer:
    """Run the command line in this process, which is quicker than in one of its own."""
    result = CliRunner().invoke(root, arguments, env=stack.environment)
    code = result.exception.exit_code if isinstance(result.exception, ClustertrackError) else result.exit_code
    assert code == expect, f"{arguments} ended with {code}: {result.exception!r}\n{result.output}"
    return Answer(result.stdout, f"{result.stderr}\n{result.exception or ''}")


def wait_counted(stack: Stack) -> None:
    """Wait until everything published so far is counted."""
    run(stack, "status", "--wait", "60")


def report(stack: Stack) -> dict[str, Any]:
    """The annual report."""
    return dict(json.loads(run(stack, "report", "--year", "2018", "--format", "json").stdout))


def listed(stack: Stack, *options: str) -> list[dict[str, Any]]:
    """Open records."""
    return list(json.loads(run(stack, "rejected", "list", "--json", *options).stdout)["records"])


def wait_rejected(stack: Stack, number: int, *options: str) -> list[str]:
    """Places of open records as soon as there are so many."""
    wait_counted(stack)
    found = listed(stack, *options)
    assert len(found) == number
    return [row["place"] for row in found]


def outcomes(stack: Stack, place: str) -> list[str]:
    """What became of the replays of a record."""
    return [done["status"] for done in json.loads(run(stack, "rejected", "show", place, "--json").stdout)["done"]]


def replay(stack: Stack, *options: str) -> dict[str, Any]:
    """Replay and answer as JSON."""
    return dict(json.loads(run(stack, "rejected", "replay", "--json", *options).stdout))


def test_a_fixed_cause(stack: Stack) -> None:
    """Rejected for an unknown source, replayed in vain, replayed after the registry was fixed: counted, and closed.

    One message was published twice: of its replays one is counted, the other is its duplicate.
    """
    start(stack, KNOWN_CRM)
    companies = [*CVRS[:4], CVRS[3]]
    stack.send(EVENTS, [sent(c, event(c, f"NEW-{c}", source=NEW_CRM)) for c in companies])
    first = wait_rejected(stack, 5, "--source", NEW_CRM)
    answer = json.loads(run(stack, "rejected", "list", "--json").stdout)
    before = report(stack)
    assert (answer["open"], answer["messages"], before["not_counted"]["rejected"]) == (5, 4, 4)
    dry = replay(stack, "--source", NEW_CRM, "--dry-run")
    assert [[fault["code"] for fault in w["faults"]] for w in dry["would_replay"]] == [["unknown_source"]] * 5
    assert [row["place"] for row in listed(stack)] == first

    in_vain = replay(stack, first[0], "--note", "hoping")
    [again] = in_vain["replayed"]
    wait_counted(stack)
    assert outcomes(stack, first[0]) == ["rejected"]
    [new] = [row for row in listed(stack) if row["place"] not in first]
    assert (new["place"], new["replays"], len(listed(stack))) == (again["to"], 1, 5)
    assert report(stack)["not_counted"]["rejected"] == 4
    shown = run(stack, "rejected", "show", new["place"]).stdout
    assert f"ct-replay-of: {first[0]}" in shown
    assert f"sent for  {first[0]}" in shown

    start(stack, KNOWN_CRM, NEW_CRM)
    fixed = replay(stack, "--reason", "unknown_source", "--source", NEW_CRM, "--note", "registry fixed")
    assert sorted(done["replays"] for done in fixed["replayed"]) == [1, 1, 1, 1, 2]
    wait_counted(stack)
    assert listed(stack) == []
    became = [outcomes(stack, done["place"])[0] for done in fixed["replayed"]]
    assert sorted(became) == ["accepted"] * 4 + ["duplicate"]
    after = report(stack)
    assert after["helped"]["companies"] == before["helped"]["companies"] + 4
    assert after["not_counted"]["rejected"] == 0
    assert json.loads(run(stack, "reconcile", "--json").stdout)["whole"]
    closed = run(stack, "rejected", "list", "--closed").stdout
    assert closed.count(": accepted") == 4
    assert closed.count("registry fixed") == 5
    refused = run(stack, "rejected", "replay", first[0], expect=1)
    assert f"sent again (1) as {again['to']}: rejected again: unknown_source" in refused.stdout


def test_the_loop_guard(stack: Stack) -> None:
    """A record is sent again as often as the limit says; then an edited one is sent in its place, as a new event."""
    stack.send(EVENTS, [sent(CVRS[5], event(CVRS[5], "LOOP", source=THIRD_CRM))])
    for number in range(2):
        [place] = wait_rejected(stack, 1)
        assert len(replay(stack, "--all")["replayed"]) == 1
        wait_counted(stack)
        [row] = listed(stack)
        assert (row["replays"], row["place"] != place) == (number + 1, True)
    stack.environment["CLUSTERTRACK_REPLAY_LIMIT"] = "2"
    try:
        assert "at the limit" in run(stack, "rejected", "list").stdout
        refused = run(stack, "rejected", "replay", "--all", expect=1)
    finally:
        del stack.environment["CLUSTERTRACK_REPLAY_LIMIT"]
    assert "it was sent again 2 times and always rejected, which is the limit" in refused.stdout
    assert "1 record stays as before" in refused.stderr
    [place] = wait_rejected(stack, 1)

    edited = stack.folder / "event.json"
    run(stack, "rejected", "show", place, "--raw", str(edited))
    assert edited.read_bytes() == event(CVRS[5], "LOOP", source=THIRD_CRM)
    edited.write_bytes(edited.read_bytes().replace(THIRD_CRM.encode(), NEW_CRM.encode()))
    assert replay(stack, place, "--edit", str(edited), "--dry-run")["would_replay"][0]["faults"] == []
    [done] = replay(stack, place, "--edit", str(edited), "--note", "moved to another CRM")["replayed"]
    assert (done["edited"], done["replays"]) == (True, 0)
    wait_counted(stack)
    assert outcomes(stack, place) == ["accepted"]
    [(event_id, source)] = stack.query(
        "SELECT event_id, source FROM impact.activity_revision WHERE activity_id = 'LOOP'"
    )
    assert (event_id != json.loads(edited.read_bytes())["id"], source) == (True, NEW_CRM)
    [record] = [r for r in stack.read(EVENTS) if dict(r.headers).get("ct-edited-from") == place.encode()]
    assert (json.loads(record.value)["id"], str(RecordAddress(EVENTS, 0, record.partition, record.offset))) == (
        event_id, done["to"],
    )  # fmt: skip
    assert listed(stack) == []


def test_a_misrouted_record(stack: Stack) -> None:
    """Sent on once and still wrong: its replay is on the right partition, without the origin that condemned it."""
    company = CVRS[6]
    wrong = (partition_of(company, PARTITIONS) + 1) % PARTITIONS
    stack.send(
        EVENTS,
        [sent(company, event(company, "LOST", source=NEW_CRM), headers=[("ct-origin", b"x/0/1")], partition=wrong)],
    )
    [place] = wait_rejected(stack, 1, "--reason", "misrouted")
    [done] = replay(stack, place)["replayed"]
    wait_counted(stack)
    assert done["to"].split("/")[1] == str(partition_of(company, PARTITIONS))
    assert outcomes(stack, place) == ["accepted"]


DYING = """
import os, signal
from clustertrack.rejected.actions import ActionBook
from clustertrack.rejected.replay_topic import KafkaTopic

write, send = ActionBook.write, KafkaTopic.send

def die(where):
    if os.environ["DIES"] == where:
        os.kill(os.getpid(), signal.SIGKILL)

def dying_write(book, actions):
    what = "intents" if actions[0].action == "replaying" else "results"
    die(f"before the {what}")
    write(book, actions)
    die(f"after the {what}")

def dying_send(topic, records):
    for offset in send(topic, records):
        yield offset
        die("when one is confirmed")

ActionBook.write, KafkaTopic.send = dying_write, dying_send
"""


def killed(stack: Stack, where: str, *options: str) -> None:
    """A replay that dies by -9."""
    (stack.folder / "sitecustomize.py").write_text(DYING, encoding="utf-8")
    done = stack.run("rejected", "replay", *options, expect=None, PYTHONPATH=str(stack.folder), DIES=where)
    assert done.returncode == -9, done.stderr


@pytest.mark.parametrize(
    ("where", "interrupted", "again"),
    [
        ("before the intents", 0, 3),
        ("after the intents", 3, 3),
        ("when one is confirmed", 3, 3),
        ("before the results", 3, 3),
        ("after the results", 0, 0),
    ],
)
def test_a_killed_replay_is_repeated(stack: Stack, where: str, interrupted: int, again: int) -> None:
    """Wherever the command dies, the same command once more is enough: each is counted once, and closed."""
    wrong = (partition_of(CVRS[0], PARTITIONS) + 1) % PARTITIONS
    names = [f"{where} {n}" for n in range(3)]
    values = [event(CVRS[0], name, source=NEW_CRM) for name in names]
    lost = {"headers": [("ct-origin", b"x/0/1")], "partition": wrong}
    stack.send(EVENTS, [sent(CVRS[0], value, **lost) for value in values])
    places = wait_rejected(stack, 3)
    killed(stack, where, *places)
    assert run(stack, "rejected", "list").stdout.count("interrupted") == interrupted
    assert len(replay(stack, "--all")["replayed"]) == again
    wait_counted(stack)
    counted = stack.query(
        f"SELECT activity_id FROM impact.activity FINAL WHERE activity_id LIKE '{where} %' ORDER BY 1"
    )
    assert counted == [(name,) for name in names]
    assert listed(stack) == []
    for place in places:
        story = json.loads(run(stack, "rejected", "show", place, "--json").stdout)["done"]
        assert [done["action"] for done in story] == ["replaying"] * (interrupted > 0) + ["replayed"]
        assert story[-1]["status"] in ("accepted", "duplicate")
    assert json.loads(run(stack, "reconcile", "--json").stdout)["whole"]


def test_a_killed_edit_is_repeated(stack: Stack) -> None:
    """Also an event whose file has no id of its own: what is sent twice is one event, and counted once."""
    value = event(CVRS[1], source=NEW_CRM, id=..., data={"activity_id": ..., "title": "edited and killed"})
    stack.send(EVENTS, [sent(CVRS[1], value)])
    [place] = wait_rejected(stack, 1)
    edited = stack.folder / "no-id.json"
    edited.write_bytes(value)
    killed(stack, "before the results", place, "--edit", str(edited))
    assert len(replay(stack, place, "--edit", str(edited))["replayed"]) == 1
    wait_counted(stack)
    assert outcomes(stack, place)[-1] == "duplicate"
    title = "JSONExtractString(details, 'title') = 'edited and killed'"
    assert len(stack.query(f"SELECT DISTINCT activity_id FROM impact.activity_revision WHERE {title}")) == 1
    assert listed(stack) == []


def test_a_killed_replay_that_is_rejected_again(stack: Stack) -> None:
    """What arrived of it is listed as what it is, next to what is still open, until it is discarded."""
    stack.send(EVENTS, [sent(CVRS[2], event(CVRS[2], "KILLED", source=THIRD_CRM))])
    [place] = wait_rejected(stack, 1)
    killed(stack, "before the results", place)
    [old, copy] = sorted(wait_rejected(stack, 2), key=place.__ne__)
    assert (old, replay(stack, place)["replayed"][0]["place"]) == (place, place)
    wait_counted(stack)
    assert outcomes(stack, place) == ["", "rejected"]
    [first, second] = listed(stack)
    assert (first["replays"], second["replays"], copy in (first["place"], second["place"])) == (1, 1, True)
    assert "(1 different)" in run(stack, "rejected", "list").stdout
    discarded = run(stack, "rejected", "discard", "--reason", "unknown_source", "--note", "tests", "--json")
    assert len(json.loads(discarded.stdout)["discarded"]) == 2
    assert listed(stack) == []


def test_what_nobody_needs(stack: Stack) -> None:
    """Bytes of all kinds are shown as they are and safely, discarded with a reason, kept, and no longer waiting."""
    nasty = b"\xff\x00\x1b[2Jdanger"
    stack.send(EVENTS, [(b"\xfe", nasty, [("x-\x1b[2J", b"\x00")], 1), (b"key", None, [], 1)])
    stack.send(COMPANIES, [(b"bad", b"{}", [], 0)])
    wait_rejected(stack, 3)
    [bytes_at] = [row["place"] for row in listed(stack, "--reason", "invalid_utf8")]
    [tombstone] = [row["place"] for row in listed(stack, "--reason", "tombstone")]
    [register] = [row["place"] for row in listed(stack, "--topic", COMPANIES)]
    text = run(stack, "rejected", "show", bytes_at).stdout
    assert "\x1b" not in text
    assert "00000000  ff 00 1b 5b 32 4a 64 61 6e 67 65 72              |...[2Jdanger|" in text
    shown = json.loads(run(stack, "rejected", "show", bytes_at, "--json").stdout)
    assert base64.b64decode(shown["payload"]["base64"]) == nasty
    assert shown["payload"]["text"] is None
    assert "has no payload" in run(stack, "rejected", "show", tombstone, "--raw", "-", expect=1).stderr
    refused = run(stack, "rejected", "replay", tombstone, register, expect=1).stdout
    assert "it has no value" in refused
    assert "companies load" in refused
    assert "Usage" in run(stack, "rejected", "discard", bytes_at, expect=2).stderr
    assert "--note is empty" in run(stack, "rejected", "discard", "--all", "--note", " ", expect=2).stderr
    assert "Name the records" in run(stack, "rejected", "discard", "--note", "x", expect=2).stderr
    run(stack, "rejected", "discard", "--all", "--note", "x", "--dry-run")
    assert len(listed(stack)) == 3
    assert "discarded 1 record\n" in run(stack, "rejected", "discard", bytes_at, "--note", "line noise").stdout
    assert bytes_at not in [row["place"] for row in listed(stack)]
    assert "discarded  line noise" in run(stack, "rejected", "show", bytes_at).stdout
    run(stack, "rejected", "discard", "--all", "--note", "tests")
    assert run(stack, "rejected", "list").stdout == "0 open\n"
    assert report(stack)["not_counted"]["rejected"] == 0
    assert json.loads(run(stack, "reconcile", "--json").stdout)["whole"]


def test_a_place_that_holds_nothing(stack: Stack) -> None:
    """One sentence for what is not there or no place, and exit codes that tell the two apart."""
    assert "is not a rejected record" in run(stack, "rejected", "show", f"{EVENTS}/0/999999", expect=1).stderr
    assert "topic/partition/offset" in run(stack, "rejected", "show", "17", expect=2).stderr
    assert run(stack, "rejected", "replay", "--all").stdout == "replayed 0 records\n"
    assert "--edit FILE is sent in place of one record" in (
        run(stack, "rejected", "replay", "--all", "--edit", __file__, expect=2).stderr
    )
