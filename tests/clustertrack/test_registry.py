"""`clustertrack registry load` with real workers: they wait for it, follow it, and name it."""

import itertools
import json
import re
import shutil
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from samples import CVRS, event
from stack import Stack, answer, wait_for

from brokers.topics import EVENTS, REGISTRY, REJECTED
from clustertrack.cli import root
from clustertrack.commands import registry as registry_command
from clustertrack.former_settings import GONE
from schemas.errors import ClustertrackError
from schemas.registry_document import read_file
from sources.publisher import kafka_publisher

pytestmark = pytest.mark.integration

FOOD, WATER = "https://crm.foodbio.example", "https://crm.water.example"
CLUSTER = '[[cluster]]\nslug = "{0}"\nname = "{1}"\nvalid_from = 2000-01-01\nsources = ["{2}"]\n'
BASE = CLUSTER.format("food-bio", "Food", FOOD)
OTHER = CLUSTER.format("water", "Vand", WATER)
INSTITUTION = '[[institution]]\ncvr = {}\nvalid_from = 2007-01-01\nreason = "university"\n'
REGISTER = (
    "cvr,valid_from,name,legal_form,employees,region,industry_scheme,industry,successor_cvr,successor_from\n"
    f"{CVRS[0]},2010-01-01,Syntetisk Mejeri ApS,80,12,DK042,DB07,105100,,\n"
    f"{CVRS[1]},2010-01-01,Syntetisk Skole,90,200,DK042,DB07,854200,,\n"
    f"{CVRS[2]},2010-01-01,Syntetisk Kommune,250,900,DK042,DB07,841100,,\n"
)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A worker that waits: no registry is loaded before the first test does it."""
    made = Stack(tmp_path_factory.mktemp("registry"), registry=None)
    yield made
    made.close()


def written(stack: Stack, text: str) -> str:
    """The place of a registry."""
    place = stack.folder / f"registry-{uuid.uuid4().hex[:6]}.toml"
    place.write_text(text, encoding="utf-8")
    return str(place)


def run(stack: Stack, *arguments: str, expect: int = 0) -> str:
    """What a command prints, or the sentence that it ends with."""
    result = CliRunner().invoke(root, arguments, env=stack.environment)
    code = result.exception.exit_code if isinstance(result.exception, ClustertrackError) else result.exit_code
    assert code == expect, f"{arguments} ended with {code}: {result.exception!r}\n{result.output}"
    return result.output + (f"{result.exception}" if isinstance(result.exception, ClustertrackError) else "")


def load(stack: Stack, text: str, *options: str, expect: int = 0) -> str:
    return run(stack, "registry", "load", written(stack, text), *options, expect=expect)


def publish(stack: Stack, activity: str, company: int, source: str) -> None:
    value = event(company, activity, source=source, data={"cluster": ...})
    stack.send(EVENTS, [(f"{company:08d}".encode(), value, [], None)])


def figures(stack: Stack, *options: str) -> dict[str, int]:
    """Companies and other participants that were helped in 2018."""
    helped = json.loads(run(stack, "report", "--year", "2018", "--format", "json", *options))["helped"]
    return {name: helped[name] for name in ("companies", "participants_other")}


def count(stack: Stack, sql: str) -> Any:
    return stack.query(sql)[0][0]


def counted(stack: Stack) -> None:
    run(stack, "status", "--wait", "60")


def in_force(stack: Stack) -> int:
    """The revision that the topic says is in force."""
    return max(int(record.key) for record in stack.read(REGISTRY))


def followed(stack: Stack) -> int:
    """Wait until every worker decides by the version in force; its revision."""
    revision = in_force(stack)

    def is_followed() -> bool:
        said = [
            re.search(r"^clustertrack_registry_revision (\S+)", stack.metrics(w), re.MULTILINE) for w in stack.workers
        ]
        return all(found is not None and float(found[1]) == revision for found in said)

    wait_for(is_followed, 30, "the workers to follow")
    return revision


def test_a_worker_waits_for_a_registry(stack: Stack, tmp_path: Path):
    """Without one it takes no records and says why; it goes on without a restart as soon as there is one."""
    register = tmp_path / "register.csv"
    register.write_text(REGISTER, encoding="utf-8")
    run(stack, "companies", "load", str(register))
    for number, company in enumerate(CVRS[:3]):
        publish(stack, f"A-{number}", company, FOOD)
    worker = stack.start_worker(wait=False)
    wait_for(lambda: "no registry is loaded" in answer(worker, "/readyz")[1], 60, "the worker to say what it waits for")
    assert answer(worker, "/healthz")[0] == 200
    assert "the worker waits, and takes no records" in worker.log.read_text(encoding="utf-8")
    assert count(stack, "SELECT count() FROM receipt") == 0
    refused = run(stack, "rejected", "replay", "--reason", "unknown_source", "--dry-run", expect=1)
    assert "No registry is loaded" in refused
    said = load(stack, BASE)
    assert "no registry was loaded before" in said
    assert "1 cluster, 0 institutions in force from now on" in said
    stack.wait_ready(worker)
    counted(stack)
    assert figures(stack) == {"companies": 2, "participants_other": 1}
    assert stack.query("SELECT DISTINCT registry_revision FROM activity_revision") == [(in_force(stack),)]
    assert stack.query("SELECT revision FROM registry_version") == [(in_force(stack),)]


def test_the_same_content_changes_nothing(stack: Stack):
    """Loaded again, in any form, it is not sent; nor is the sample where there is a registry."""
    before = len(stack.read(REGISTRY))
    assert "nothing changed" in load(stack, f"# as before\n\n{BASE}")
    assert json.loads(load(stack, BASE, "--json"))["changed"] is False
    assert "nothing changed" in run(stack, "registry", "load", "--sample")
    assert len(stack.read(REGISTRY)) == before


def test_a_dry_run_says_what_would_change(stack: Stack):
    """Entries, companies that change kind, and sources that lose their cluster; nothing is sent."""
    before = len(stack.read(REGISTRY))
    said = load(stack, OTHER + INSTITUTION.format(CVRS[1]) + INSTITUTION.format(CVRS[2]), "--dry-run")
    assert f"- cluster food-bio, Food, from 2000-01-01: {FOOD}" in said
    assert f"+ cluster water, Vand, from 2000-01-01: {WATER}" in said
    assert f"+ institution {CVRS[1]:08d}, from 2007-01-01: university" in said
    assert f"{FOOD} loses cluster food-bio: it is listed no more (3 activities of that cluster and those days" in said
    assert f"{CVRS[1]:08d} Syntetisk Skole changes kind: other from 2007-01-01" in said
    assert f"{CVRS[2]:08d} Syntetisk Kommune" not in said, "it is a public body already"
    assert "nothing was sent" in said
    assert len(stack.read(REGISTRY)) == before


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param("", "no cluster; add a [[cluster]] table", id="empty"),
        pytest.param(BASE + BASE, "is listed twice", id="contradicts itself"),
        pytest.param(OTHER, "1 source with activity in the ledger would lose a cluster", id="loses a source"),
    ],
)
def test_a_worse_registry_stops(stack: Stack, text: str, said: str):
    """A file that cannot be used, or by which a source in use loses its cluster, is not sent."""
    before = len(stack.read(REGISTRY))
    assert said in load(stack, text, expect=1 if text == OTHER else 2)
    assert len(stack.read(REGISTRY)) == before


TWO = BASE + OTHER.replace(WATER, FOOD)


def test_a_source_with_a_second_cluster_stops(stack: Stack):
    """From then on its events have to name one: that is said, with JSON too, and needs --yes."""
    before = len(stack.read(REGISTRY))
    line = f"{FOOD} speaks for food-bio and water from 2000-01-01: an event without `cluster` is rejected"
    harm = "1 source with activity in the ledger would have to name its cluster in every event"
    said = load(stack, TWO, "--dry-run")
    assert f"{line} as cluster_required (3 activities of those days in the ledger)" in said
    assert f"nothing was sent; loading it needs --yes: {harm}" in said
    said = load(stack, TWO, expect=1)
    assert line in said
    assert f"{harm}; nothing was sent: correct the file, or repeat with --yes" in said
    plan = json.loads(load(stack, TWO, "--json", expect=1).partition("\n1 source")[0].rpartition("}")[0] + "}")
    assert (plan["sent"], plan["needs_yes"], plan["revision_in_force"]) == (False, True, in_force(stack))
    assert plan["cluster_required"][0]["activities"] == 3
    assert len(stack.read(REGISTRY)) == before


@pytest.mark.parametrize(
    ("end", "code", "said"),
    [
        pytest.param("2030-12-31", 0, "loses cluster food-bio from 2031-01-01\n", id="to come"),
        pytest.param("2017-12-31", 1, "loses cluster food-bio from 2018-01-01 (3 activities of", id="past"),
    ],
)
def test_days_that_a_source_loses(stack: Stack, end: str, code: int, said: str):
    """Only activities on the lost days count, and where there is none the end of a cluster is nothing special."""
    text = f"{BASE}valid_to = {end}\n"
    assert said in load(stack, text, "--dry-run")
    assert ("needs --yes" in load(stack, text, "--dry-run")) == bool(code)
    if code:
        load(stack, text, expect=1)


def test_a_version_that_was_loaded_meanwhile(stack: Stack, monkeypatch: pytest.MonkeyPatch):
    """What is in force is read back: a newer version that came first is said to be, and so is one in between."""
    send = kafka_publisher

    def meanwhile(ahead: int) -> None:
        def publisher(*arguments: Any) -> Any:
            monkeypatch.setattr(registry_command, "kafka_publisher", send)
            revision = in_force(stack) + 1 if ahead == 0 else int(time.time() * 1000) + ahead
            value = read_file(BASE.encode(), "other", revision).to_json()
            stack.send(REGISTRY, [(b"%d" % revision, value, [], None)])
            return send(*arguments)

        monkeypatch.setattr(registry_command, "kafka_publisher", publisher)

    meanwhile(1)
    said = load(stack, BASE + OTHER, expect=1)
    assert f"but revision {in_force(stack)} is in force, which somebody else loaded meanwhile" in said
    wait_for(lambda: time.time() * 1000 > in_force(stack) + 1, 60, "the clock to pass the other version")
    meanwhile(0)
    said = load(stack, BASE + OTHER)
    assert "in force from now on" in said
    assert "meanwhile, which is not in force any more" in said
    load(stack, BASE, "--yes")


def test_a_record_that_breaks_a_rule_is_rejected(stack: Stack):
    """What somebody else publishes to the topic changes nothing, and is kept like any other rejected record."""
    before = followed(stack)
    stack.send(REGISTRY, [(b"5", b'{"revision":5,"clusters":[]}', [], None)])
    counted(stack)
    assert stack.query("SELECT reason, registry_revision FROM rejected WHERE topic = 'registry.v1'") == [
        ("invalid_registry", 0)
    ]
    listed = run(stack, "rejected", "list", "--reason", "invalid_registry", "--topic", REGISTRY)
    assert "\n  registry version 5\n" in listed
    [place] = re.findall(r"^registry\.v1/\S+", listed, re.MULTILINE)
    assert "invalid_registry" in run(stack, "rejected", "show", place)
    assert "clustertrack registry load FILE" in run(stack, "rejected", "replay", place, expect=1)
    assert followed(stack) == before


def test_kind_is_decided_when_read(stack: Stack):
    """An institution is none of the companies from when the registry says so, also of activity from before; as known
    before, it still is.
    """
    assert figures(stack) == {"companies": 2, "participants_other": 1}
    load(stack, BASE + INSTITUTION.format(CVRS[1]))
    counted(stack)
    assert figures(stack) == {"companies": 1, "participants_other": 2}
    at = f"SELECT toString(subtractMilliseconds(known_at, 1)) FROM registry_version WHERE revision = {in_force(stack)}"
    assert stack.query(
        "SELECT companies, participants_other FROM impact_annual_as_known(year = 2018, "
        f"known = '{count(stack, at)}') WHERE outcome = 'helped'"
    ) == [(2, 1)]
    assert stack.query("SELECT company_id, reason FROM institution_at(as_at = today(), known = now64(3))") == [
        (CVRS[1], "university")
    ]


def test_workers_follow_and_rejected_records_are_replayed(stack: Stack):
    """Two workers reject what the registry does not know; it is loaded while they run, `registry load` says how many
    wait, and replayed they count. Each decision names its version.
    """
    stack.start_worker("worker-2")
    old = followed(stack)
    for number, company in enumerate(CVRS[:6]):
        publish(stack, f"W-{number}", company, WATER)
    publish(stack, "N-1", CVRS[0], "https://crm.nobody.example")
    counted(stack)
    assert stack.query("SELECT DISTINCT registry_revision FROM rejected WHERE reason = 'unknown_source'") == [(old,)]
    text = BASE + OTHER + INSTITUTION.format(CVRS[1])
    assert "6 records rejected as unknown_source can be replayed then" in load(stack, text, "--dry-run")
    said = load(stack, text)
    command = f"clustertrack rejected replay --reason unknown_source --source {WATER} --note 'registry loaded'"
    assert f"6 records rejected as unknown_source can be replayed now: {command}" in said
    new = followed(stack)
    assert new > old
    run(stack, "rejected", "replay", "--reason", "unknown_source", "--source", WATER, "--note", "registry loaded")
    counted(stack)
    assert stack.query(f"SELECT count(), any(registry_revision) FROM activity_revision WHERE source = '{WATER}'") == [
        (6, new)
    ]
    assert figures(stack) == {"companies": 4, "participants_other": 2}
    enriched = [json.loads(record.value)["data"] for record in stack.read("activity.enriched.v1")]
    assert {one["registry_revision"] for one in enriched if one["activity_id"].startswith("W-")} == {new}
    assert {record.topic for record in stack.read(REJECTED)} == {REJECTED}
    run(stack, "reconcile")


def test_a_new_ledger_learns_every_version(stack: Stack):
    """The topic keeps every version, so a ledger that is filled again knows what was in force when."""
    before = stack.query("SELECT revision, content, known_at FROM registry_version FINAL ORDER BY revision")
    assert len(before) > 2
    records = sorted((int(r.key), r.value) for r in stack.read(REGISTRY) if r.key != b"5")
    assert records == [(revision, content.encode()) for revision, content, _ in before]


def test_settings_of_before_are_named():
    """Who still sets the variables of before is told what to do, in one line."""
    result = CliRunner().invoke(root, ["registry", "load"], env=dict.fromkeys(GONE, "/etc/somewhere"))
    first = result.stderr.splitlines()[0]
    assert all(name in first for name in GONE)
    assert "clustertrack registry load FILE" in first


def test_the_ledger_need_not_answer(stack: Stack):
    """What a change would do is asked of the ledger; without one, losing a source stops, and the rest goes on."""
    away = {**stack.environment, "CLICKHOUSE_PORT": "1"}
    for text, code in ((BASE + OTHER + INSTITUTION.format(CVRS[2]), 0), (OTHER, 1)):
        done = CliRunner().invoke(root, ["registry", "load", written(stack, text)], env=away)
        found = done.exception.exit_code if isinstance(done.exception, ClustertrackError) else done.exit_code
        assert "the ledger could not be asked what this changes" in done.output
        assert found == code


EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    "orders",
    [
        # The last of all comes first and the first last; the others take a minute.
        pytest.param(slice(None, None, 5), id="there and back"),
        pytest.param(slice(1, 5), id="all others", marks=pytest.mark.extended),
    ],
)
def test_loading_everything_again_changes_nothing(tmp_path: Path, orders: slice):
    """Companies, activity and registry, loaded twice in every order: the figures are the planned ones each time."""
    stack = Stack(tmp_path, registry=None)
    try:
        examples, endings = tmp_path / "examples", (".jsonl", ".csv", ".xlsx")
        shutil.copytree(EXAMPLES, examples)  # lists of refused rows are written next to the files
        files = [str(path) for path in examples.glob("activity-*") if path.suffix in endings]
        commands = [
            ("companies", "load", str(examples / "companies.csv")),
            ("publish", "--send-invalid", *files),
            ("registry", "load", str(examples / "registry.toml")),
        ]
        worker = stack.start_worker(wait=False)
        truth = json.loads((EXAMPLES / "truth.json").read_text(encoding="utf-8"))["years"]
        run(stack, "registry", "load", str(examples / "registry.toml"))  # publish judges by it
        first = True
        for order in [*itertools.permutations(commands)][orders]:
            for command in (*order, *order):
                run(stack, *command, expect=1 if command[0] == "publish" else 0)
            if first:
                run(stack, "simulate", "--raw-publish", str(examples / "raw.jsonl"))
                stack.wait_ready(worker)
                first = False
            counted(stack)
            for year, planned in truth.items():
                said = json.loads(run(stack, "report", "--year", year, "--format", "json"))
                assert {name: {part: said[name][part] for part in parts} for name, parts in planned.items()} == planned
        assert count(stack, "SELECT count() FROM registry_version") == 1
    finally:
        stack.close()
