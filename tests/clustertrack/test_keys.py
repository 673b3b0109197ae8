"""`clustertrack keys`, with a real worker that carries the keys into the ledger."""

import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any, Self

import pytest
from click.testing import CliRunner, Result
from free_ports import free_ports
from stack import Stack, answer

from brokers.connection import KafkaConnection
from brokers.topics import KEYS, REJECTED
from clustertrack.cli import root
from clustertrack.commands import keys as command
from schemas.errors import ClustertrackError
from schemas.keys import RANDOM_BYTES, KeyVersion, hash_of, id_of, make_key, read_key
from sources.collector.keyring import KeyHolder, KeyProblem, Keyring
from sources.publisher import DeliveryFailed, MemoryPublisher, SourceLine

NOW_KNOWN = "2200-01-01 00:00:00"


class Keys:
    """A stack with a worker, and every text that a key had in this module."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.texts: list[str] = []
        self.printed: list[str] = []
        """What commands said, without the keys on their standard output."""
        self.without_ledger = {**stack.environment, "CLICKHOUSE_PORT": "1"}

    def run(self, *arguments: str, expect: int = 0) -> Result:
        """Run a verb of `clustertrack keys`; none of them needs the ledger."""
        done = CliRunner().invoke(root, ["keys", *arguments], env=self.without_ledger)
        code = done.exception.exit_code if isinstance(done.exception, ClustertrackError) else done.exit_code
        assert code == expect, f"{arguments} ended with {code}: {done.exception!r}\n{done.output}"
        self.printed += [done.stderr, str(done.exception or "")]
        if arguments[0] != "create":
            self.printed.append(done.stdout)
        return done

    def create(self, cluster: str, *options: str) -> str:
        """The text of a new key."""
        text = self.run("create", "--cluster", cluster, *options).stdout.removesuffix("\n")
        self.texts.append(text)
        return text

    def listed(self, *options: str) -> dict[str, dict[str, Any]]:
        """Id -> what the list says about it."""
        return {one["id"]: one for one in json.loads(self.run("list", "--json", *options).stdout)["keys"]}

    def in_memory(self) -> Keyring:
        """The topic as a collector knows it."""
        keyring = Keyring()
        for record in self.stack.read(KEYS):
            version = read_key(record.key, record.value, record.timestamp)
            if not isinstance(version, list):
                keyring.take(version)
        return keyring

    def send(self, version: KeyVersion) -> None:
        """Put a version on the topic, as another operator's command would."""
        self.stack.send(KEYS, [(version.key, version.to_json(), [], None)])


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Keys]:
    """One stack for this module, its worker with all that it can log."""
    made = Stack(tmp_path_factory.mktemp("keys"))
    try:
        made.start_worker(LOG_LEVEL="DEBUG")
        yield Keys(made)
    finally:
        made.close()


def identity(text: str) -> str:
    """The id of a key."""
    found = id_of(text)
    assert found is not None
    return found


def now() -> datetime:
    return datetime.now(UTC)


@pytest.mark.integration
def test_a_key_is_printed_once(keys: Keys):
    """Alone on standard output; what is said about it is on standard error, and has its id only."""
    done = keys.run("create", "--cluster", "food-bio", "--expires", "2099-12-31", "--note", "CRM, prøve")
    text = done.stdout.removesuffix("\n")
    keys.texts.append(text)
    assert f"key {identity(text)} of cluster food-bio works until 2099-12-31 (included)" in done.stderr
    assert text not in done.stderr
    assert keys.in_memory().find(text, now()) == KeyHolder(identity(text), "food-bio")
    entry = keys.listed()[identity(text)]
    assert (now() - datetime.fromisoformat(entry.pop("created"))) < timedelta(minutes=1)
    assert entry == {
        "id": identity(text),
        "cluster": "food-bio",
        "note": "CRM, prøve",
        "expires": "2099-12-31",
        "revoked": None,
        "state": "active",
    }


@pytest.mark.integration
def test_a_key_as_json(keys: Keys):
    """The object has the key, and what the list says about it."""
    said = json.loads(keys.run("create", "--cluster", "clean", "--json").stdout)
    keys.texts.append(said["key"])
    key_id = identity(said.pop("key"))
    assert said == keys.listed("--cluster", "clean")[key_id]


@pytest.mark.integration
def test_a_cluster_has_several_keys(keys: Keys):
    """Each works by itself; the list has them by cluster and age, those that work unless all are asked for."""
    first, second = keys.create("we-build", "--note", "old"), keys.create("we-build", "--note", "new")
    assert [one["note"] for one in keys.listed("--cluster", "we-build").values()] == ["old", "new"]
    keys.run("revoke", identity(first))
    assert [*keys.listed("--cluster", "we-build")] == [identity(second)]
    assert [one["state"] for one in keys.listed("--all", "--cluster", "we-build").values()] == ["revoked", "active"]
    keyring = keys.in_memory()
    assert keyring.find(first, now()) is KeyProblem.REVOKED
    assert keyring.find(second, now()) == KeyHolder(identity(second), "we-build")


@pytest.mark.integration
def test_the_list_as_text(keys: Keys):
    """A table with the state of each key; what is left out is counted."""
    text = make_key(secrets.token_bytes(RANDOM_BYTES)).get_secret_value()
    keys.texts.append(text)
    keys.send(
        KeyVersion(
            id=identity(text),
            cluster="made",
            hash=hash_of(text),
            created=1_577_836_800_000,
            expires=date(2020, 12, 31),
            note="a trick\x1b[2J",
            revision=1_577_836_800_000,
        )
    )
    done = keys.run("list", "--cluster", "made")
    assert (done.stdout, done.stderr) == ("", "expired or revoked, and shown with --all: 1 key of cluster made\n")
    lines = keys.run("list", "--cluster", "made", "--all").stdout.splitlines()
    assert [line.split() for line in lines] == [
        ["id", "cluster", "note", "created", "expires", "state"],
        [identity(text), "made", "a", r"trick\x1b[2J", "2020-01-01", "2020-12-31", "expired"],
    ]
    assert keys.in_memory().find(text, now()) is KeyProblem.EXPIRED
    assert "no key of cluster odense-robotics" in keys.run("list", "--cluster", "odense-robotics").stderr


@pytest.mark.integration
def test_revoked_for_good(keys: Keys):
    """Revoking twice is harmless; with one id that is wrong nothing is revoked."""
    first, second = keys.create("clean"), keys.create("clean")
    both = identity(first), identity(second)
    refused = keys.run("revoke", *both, "abcdefgh", expect=2)
    assert "no key has the id abcdefgh" in str(refused.exception)
    assert {keys.listed()[one]["state"] for one in both} == {"active"}
    said = keys.run("revoke", *both, both[0]).stdout
    assert said.splitlines() == [f"key {one} of cluster clean is revoked" for one in both]
    before = keys.listed("--all")
    sent = len(keys.stack.read(KEYS))
    assert keys.run("revoke", *both).stdout.splitlines() == [
        f"key {one} of cluster clean was revoked before" for one in both
    ]
    assert keys.listed("--all") == before
    assert len(keys.stack.read(KEYS)) == sent


@pytest.mark.integration
def test_a_key_from_a_clock_that_is_ahead(keys: Keys):
    """It can be revoked at once all the same."""
    text = make_key(secrets.token_bytes(RANDOM_BYTES)).get_secret_value()
    keys.texts.append(text)
    ahead = int(now().timestamp() * 1000) + 50_000
    keys.send(KeyVersion(id=identity(text), cluster="clean", hash=hash_of(text), created=ahead, revision=ahead))
    keys.run("revoke", identity(text))
    assert keys.in_memory().find(text, now()) is KeyProblem.REVOKED


@pytest.mark.integration
def test_a_clock_of_ours_that_is_ahead(keys: Keys, monkeypatch: pytest.MonkeyPatch):
    """What it dates is ignored by everybody, so no command says that it was done."""
    text = keys.create("clean")

    class Ahead(datetime):
        """A clock that is two minutes ahead."""

        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Self:
            return super().now(tz) + timedelta(minutes=2)

    with monkeypatch.context() as patch:
        patch.setattr(command, "datetime", Ahead)
        refused = keys.run("create", "--cluster", "clean", expect=1)
        assert refused.stdout == ""
        assert "was not printed" in str(refused.exception)
        refused = keys.run("revoke", identity(text), expect=1)
        assert str(refused.exception) == (
            "The clock of this machine is more than a minute ahead of Kafka's, so what was sent is ignored: "
            "some of the keys may still work; set the clock and repeat the command"
        )
    assert isinstance(keys.in_memory().find(text, now()), KeyHolder)
    keys.run("revoke", identity(text))
    assert keys.in_memory().find(text, now()) is KeyProblem.REVOKED


@pytest.mark.integration
def test_the_cluster_must_be_in_the_registry(keys: Keys):
    """A slug that is misspelt is named with the right one, and no key is made."""
    before = len(keys.stack.read(KEYS))
    refused = keys.run("create", "--cluster", "food-boi", expect=2)
    assert "--cluster food-boi: the registry in force has no such cluster (did you mean food-bio?)" in str(
        refused.exception
    )
    assert len(keys.stack.read(KEYS)) == before


@pytest.mark.integration
def test_the_ledger_has_every_version(keys: Keys):
    """A worker carries the keys; the view says what the list says, and what was known before."""
    keys.stack.send(KEYS, [(b"abcdefgh", b'{"id":"abcdefgh","hash":"' + b"0" * 63 + b'"}', [], None)])
    keys.stack.wait_counted()
    records = [read_key(record.key, record.value, record.timestamp) for record in keys.stack.read(KEYS)]
    versions = {(one.id, one.revision): one.hash for one in records if not isinstance(one, list)}
    rows = keys.stack.query("SELECT id, revision, lower(hex(hash)) FROM collector_key")
    assert {(key_id, revision): hashed for key_id, revision, hashed in rows} == versions
    found = keys.stack.query(
        "SELECT id, cluster, note, toString(expires), isNotNull(revoked_at), toUnixTimestamp64Milli(created_at) "
        f"FROM collector_key_known(known = '{NOW_KNOWN}')"
    )
    assert {row[0]: row[1:] for row in found} == {
        one["id"]: (
            one["cluster"],
            one["note"],
            one["expires"],
            one["revoked"] is not None,
            round(datetime.fromisoformat(one["created"]).timestamp() * 1000),
        )
        for one in keys.listed("--all").values()
    }
    assert keys.stack.query("SELECT * FROM collector_key_known(known = '2019-01-01 00:00:00')") == []
    rejected = (
        "SELECT toString(topic), arrayMap(f -> (f.field, f.code, f.value), faults) FROM rejected WHERE key = 'abcdefgh'"
    )
    assert keys.stack.query(rejected) == [
        (
            "keys.v1",
            [
                ("cluster", "missing", ""),
                ("hash", "invalid_key", ""),
                ("created", "missing", ""),
                ("revision", "missing", ""),
            ],
        )
    ]
    listed = keys.stack.run_here("rejected", "list", "--topic", "keys.v1", "--json").stdout
    assert "missing" in {record["reason"] for record in json.loads(listed)["records"]}


@pytest.mark.integration
def test_no_key_is_anywhere(keys: Keys):
    """Neither a key nor its hash is in a log, in metrics, in what a command says or in the arguments of a process."""
    worker = keys.stack.workers[0]
    records = keys.stack.read(KEYS)
    said = [*keys.printed, keys.stack.metrics(worker), answer(worker, "/readyz")[1], worker.log.read_text("utf-8")]
    said += [arguments_of(process) for process in Path("/proc").iterdir() if process.name.isdecimal()]
    said += [str(record.headers) for record in [*records, *keys.stack.read(REJECTED)]]
    assert "clustertrack_key_versions_total" in "".join(said)
    assert len(keys.texts) >= 8
    for text in keys.texts:
        assert any(identity(text) in place for place in said)
        assert not any(text.split("_")[2] in place or hash_of(text) in place for place in said)
        assert not any(text.split("_")[2].encode() in record.value for record in records)


def arguments_of(process: Path) -> str:
    """What `ps` shows of a process; empty when it has ended."""
    try:
        return (process / "cmdline").read_text(errors="replace")
    except OSError:
        return ""


@pytest.fixture
def away(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing answers where Kafka should be."""
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", f"127.0.0.1:{free_ports(1)[0]}")


def refusal(*arguments: str) -> tuple[int, str]:
    """Exit code and sentence of a command that ends with one; it prints nothing else."""
    done = CliRunner().invoke(root, ["keys", *arguments])
    assert isinstance(done.exception, ClustertrackError), done.exception
    assert done.output == ""
    return done.exception.exit_code, str(done.exception)


@pytest.mark.usefixtures("away")
@pytest.mark.parametrize(
    ("options", "said"),
    [
        pytest.param(["--expires", "2020-01-01"], "--expires 2020-01-01 is past: give the last day", id="past"),
        pytest.param(["--expires", "31-12-2099"], "write the day as 2027-12-31", id="Danish day"),
        pytest.param(["--expires", "2099-02-30"], "write the day as 2027-12-31", id="no such day"),
        pytest.param(["--expires", "9999-12-31"], "the last day possible is 2149-06-06", id="too late"),
        pytest.param(["--expires", "\x1b[2J"], r"--expires \x1b[2J: write the day", id="a trick"),
        pytest.param(["--note", "x" * 201], "one line of at most 200 characters", id="long note"),
        pytest.param(["--note", "a\nb"], "one line of at most 200 characters", id="two lines"),
        pytest.param(["--note", "for jens@example.dk"], "a CPR number or an e-mail address", id="a person"),
        pytest.param(["--note", " a"], "without blanks around it", id="blank"),
        pytest.param(["--note", "\udcff"], "one line of at most 200 characters", id="no UTF-8"),
    ],
)
def test_what_cannot_be_created(options: list[str], said: str):
    """It is refused before anything is asked, in one sentence."""
    code, sentence = refusal("create", "--cluster", "food-bio", *options)
    assert (code, said in sentence) == (2, True), sentence


@pytest.mark.usefixtures("away")
def test_a_whole_key_is_not_quoted():
    """Who gives `revoke` a whole key, or a piece of it, learns the id; nothing of the secret is repeated."""
    text = make_key(secrets.token_bytes(RANDOM_BYTES)).get_secret_value()
    for given in (text, f" {text}", text[:-5], f"{text}\n"):
        code, sentence = refusal("revoke", given)
        assert code == 2
        assert sentence.endswith(f"revoke it by its id, {identity(text)}")
        assert text.split("_")[2][:12] not in sentence
    assert refusal("revoke", "ct_")[1].endswith("revoke it by its id, the part after ct_")


@pytest.mark.usefixtures("away")
@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(["create", "--cluster", "food-bio"], id="create"),
        pytest.param(["list"], id="list"),
        pytest.param(["revoke", "abcdefgh"], id="revoke"),
    ],
)
def test_kafka_is_away(arguments: list[str]):
    """One sentence and exit code 3."""
    code, sentence = refusal(*arguments)
    assert code == 3
    assert sentence.startswith("Kafka ")


def test_what_kafka_did_not_confirm(monkeypatch: pytest.MonkeyPatch):
    """The sentence says what may be the case, and what to do."""

    @contextmanager
    def broken(_kafka: object, _topic: str) -> Iterator[MemoryPublisher]:
        yield MemoryPublisher()
        raise DeliveryFailed(place=SourceLine("keys", 1), confirmed=None, records=0, cause="it is gone")

    monkeypatch.setattr(command, "kafka_publisher", broken)
    version = KeyVersion(id="abcdefgh", cluster="food-bio", hash="0" * 64, created=1, revision=1)
    with pytest.raises(DeliveryFailed) as failed:
        command._send(KafkaConnection("nowhere:1"), [version], "key abcdefgh was not printed")
    assert str(failed.value) == (
        "Kafka did not confirm 1 key (it is gone): key abcdefgh was not printed; repeat the command when Kafka answers"
    )
