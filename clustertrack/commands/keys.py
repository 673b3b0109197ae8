"""`clustertrack keys`: keys with which publishers send to the HTTP collector. All of it is in the topic `keys.v1`."""

import re
import secrets
from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any, Final

import click
from pydantic import TypeAdapter, ValidationError

from brokers import topics
from brokers.codecs import require_codecs
from brokers.connection import KafkaConnection
from clustertrack.registry import registry_in_force
from clustertrack.settings import load_settings
from schemas.counts import counted
from schemas.errors import CheckFailed, UsageFault
from schemas.event_time import copenhagen_day, to_ms
from schemas.keys import MAX_NOTE, RANDOM_BYTES, KeyVersion, Note, hash_of, id_of, make_key, read_key
from schemas.people import masked
from schemas.register_dates import LAST_DAY, DayError, read_register_day
from schemas.screen import note_reached, say, show
from schemas.similar import suggestion
from schemas.visible import json_lines, table, visible
from sources.collector.keyring import Keyring
from sources.publisher import DeliveryFailed, SourceLine, kafka_publisher
from sources.register.register_topic import read_topic

_LONGEST: Final = 12
"""Characters of a wrong id that are shown: it may be a piece of a key."""
_WHOLE_KEY: Final = re.compile(r"\s*ct_([a-z2-7]{8})?", re.ASCII)


@click.group(
    epilog="\b\nExamples:\n  clustertrack keys create --cluster food-bio --note 'CRM, production'\n"
    "  clustertrack keys list\n  clustertrack keys revoke abcdefgh"
)
def command() -> None:
    """Create, list and revoke keys with which publishers send to the HTTP collector.

    Collectors learn of changes without a restart.
    """


@command.command(
    short_help="Create a key for a cluster, and print it once.",
    epilog="\b\nExamples:\n"
    "  clustertrack keys create --cluster food-bio --expires 2027-12-31 --note 'CRM, production'\n"
    "  clustertrack keys create --cluster food-bio > food-bio.key",
)
@click.option("--cluster", required=True, metavar="SLUG", help="Cluster whose sources the key may publish for.")
@click.option(
    "--expires", metavar="DAY", help="Last day, in Denmark, on which the key works; by default it does not expire."
)
@click.option("--note", default="", metavar="TEXT", help="What the key is for; kept permanently, with its id.")
@click.option("--json", "as_json", is_flag=True, help="Print the key in a JSON object.")
def create(cluster: str, expires: str | None, note: str, *, as_json: bool) -> None:
    """Create a key for a cluster, and print it: this once, alone on standard output.

    What is kept is a hash, from which the key cannot be recovered. A cluster may have several keys, so that a new one
    can be put into a CRM before the old one is revoked.
    """
    now = datetime.now(UTC)
    last_day = None if expires is None else _last_day(expires, copenhagen_day(to_ms(now)))
    _check_note(note)
    settings = load_settings()
    require_codecs()
    slugs = registry_in_force(settings).names
    if cluster not in slugs:
        raise UsageFault(
            f"--cluster {visible(cluster)}: the registry in force has no such cluster{suggestion(cluster, slugs)}; "
            "give one that it has, or load another registry with `clustertrack registry load FILE`"
        )
    text = make_key(secrets.token_bytes(RANDOM_BYTES)).get_secret_value()
    made = KeyVersion(
        id=id_of(text) or "",
        cluster=cluster,
        hash=hash_of(text),
        created=to_ms(now),
        expires=last_day,
        note=note,
        revision=to_ms(now),
    )
    otherwise = f"key {made.id} was not printed: revoke it if `clustertrack keys list` has it"
    _send(settings.kafka.connection(), [made], otherwise)
    until = "does not expire" if last_day is None else f"works until {last_day} (included)"
    say(f"key {made.id} of cluster {cluster} {until}: {_ONCE} clustertrack keys revoke {made.id}", err=True)
    if as_json:
        show(json_lines({"key": text, **_as_dict(made, now)}))
    else:
        say(text)


_ONCE: Final = "it is printed this once, so keep it where the CRM keeps its passwords; to end it:"


@command.command(
    "list", epilog="\b\nExamples:\n  clustertrack keys list --cluster food-bio\n  clustertrack keys list --all --json"
)
@click.option("--cluster", metavar="SLUG", help="Only keys of this cluster.")
@click.option("--all", "everything", is_flag=True, help="Also keys that have expired or were revoked.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_(cluster: str | None, *, everything: bool, as_json: bool) -> None:
    """List the keys that work, by cluster and age."""
    now = datetime.now(UTC)
    today = copenhagen_day(to_ms(now))
    keys = [one for one in _read(load_settings().kafka.connection()).versions if cluster in (None, one.cluster)]
    keys.sort(key=lambda one: (one.cluster, one.created, one.id))
    chosen = [one for one in keys if everything or one.state(today) == "active"]
    if as_json:
        show(json_lines({"keys": [_as_dict(one, now) for one in chosen]}))
        return
    if chosen:
        rows = [("id", "cluster", "note", "created", "expires", "state")]
        rows += [
            (
                one.id,
                one.cluster,
                one.note,
                str(copenhagen_day(one.created)),
                str(one.expires or "never"),
                one.state(today),
            )
            for one in chosen
        ]
        show(table(rows))
    of = "" if cluster is None else f" of cluster {visible(cluster)}"
    if not keys:
        say(f"no key{of}: create one with `clustertrack keys create --cluster SLUG`", err=True)
    elif hidden := len(keys) - len(chosen):
        say(f"expired or revoked, and shown with --all: {counted(hidden, 'key')}{of}", err=True)


@command.command(epilog="Example: clustertrack keys revoke abcdefgh")
@click.argument("ids", metavar="ID...", nargs=-1, required=True)
def revoke(ids: tuple[str, ...]) -> None:
    """Revoke keys permanently, by their ids as `list` prints them. Repeating the command is safe."""
    _refuse_whole_keys(ids)
    kafka = load_settings().kafka.connection()
    known = {one.id: one for one in _read(kafka).versions}
    wanted = list(dict.fromkeys(ids))
    for one in wanted:
        if one not in known:
            raise UsageFault(
                f"no key has the id {visible(one, _LONGEST)}{suggestion(one, known)}: `clustertrack keys list --all` "
                "has all ids; nothing was revoked"
            )
    now = to_ms(datetime.now(UTC))
    revoked = {one: _revoked(known[one], now) for one in wanted if known[one].revoked is None}
    if revoked:
        _send(kafka, list(revoked.values()), "some of the keys may still work")
    for one in wanted:
        already = "is revoked" if one in revoked else "was revoked before"
        say(f"key {one} of cluster {known[one].cluster} {already}")


def _revoked(version: KeyVersion, now: int) -> KeyVersion:
    """Revoked also where the clock is behind the one of who created the key."""
    revision = max(now, version.revision + 1)
    return version.model_copy(update={"revoked": revision, "revision": revision})


def _last_day(text: str, today: date) -> date:
    try:
        day = read_register_day(text.strip())
    except DayError as error:
        late = f"the last day possible is {LAST_DAY}; leave it out for a key that does not expire"
        raise UsageFault(
            f"--expires {visible(text)}: {late if error.code == 'date_too_late' else 'write the day as 2027-12-31'}"
        ) from error
    if day < today:
        raise UsageFault(f"--expires {day} is past: give the last day on which the key is to work, today or later")
    return day


def _check_note(note: str) -> None:
    try:
        TypeAdapter(Note).validate_python(note)
    except ValidationError as error:
        advice = f"write one line of at most {MAX_NOTE} characters, without blanks around it"
        raise UsageFault(f"--note cannot be used: {advice}") from error
    if masked(note) != note:
        raise UsageFault(
            "--note has a CPR number or an e-mail address, and notes are kept permanently: say what the key is for, "
            "not whose it is"
        )


def _refuse_whole_keys(ids: Sequence[str]) -> None:
    """A whole key must not be given as an argument: nothing of it but its id is quoted."""
    for one in ids:
        if (whole := _WHOLE_KEY.match(one)) is not None:
            raise UsageFault(
                "a whole key was given, which others can see among the processes of this machine and in the history of "
                f"the shell: revoke it by its id, {whole[1] or 'the part after ct_'}"
            )


def _read(kafka: KafkaConnection) -> Keyring:
    """All keys as the topic has them now."""
    require_codecs()
    keyring = Keyring()
    for version in read_topic(kafka, topics.KEYS, read_key, lambda _passed, _all: None):
        keyring.take(version)
    return keyring


def _send(kafka: KafkaConnection, versions: Sequence[KeyVersion], otherwise: str) -> None:
    """Send versions, and see that they are taken; `otherwise` says what holds if they are not."""
    try:
        with kafka_publisher(kafka, topics.KEYS) as publisher:
            for line, version in enumerate(versions, 1):
                publisher.send(version.key, version.to_json(), SourceLine("keys", line))
            publisher.flush()
    except DeliveryFailed as error:
        what = f"Kafka did not confirm {counted(len(versions), 'key')} ({error.cause})"
        error.args = (f"{what}: {otherwise}; repeat the command when Kafka answers",)
        raise
    finally:
        note_reached(otherwise)
    newest = {one.id: one.revision for one in _read(kafka).versions}
    if any(newest.get(one.id, -1) < one.revision for one in versions):
        raise CheckFailed(
            "The clock of this machine is more than a minute ahead of Kafka's, so what was sent is ignored: "
            f"{otherwise}; set the clock and repeat the command"
        )


def _as_dict(version: KeyVersion, now: datetime) -> dict[str, Any]:
    """A key as JSON types, without its hash."""
    return {
        "id": version.id,
        "cluster": version.cluster,
        "note": version.note,
        "created": _instant(version.created),
        "expires": None if version.expires is None else version.expires.isoformat(),
        "revoked": None if version.revoked is None else _instant(version.revoked),
        "state": version.state(copenhagen_day(to_ms(now))),
    }


def _instant(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="milliseconds")
