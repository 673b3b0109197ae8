"""Publishers that are not ours: every client, codec and mode on a real worker, and what the verbs read of it."""

import functools
import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import foreign_stories
import pytest
from foreign import CLIENTS, CODECS, Place
from foreign_stories import Story
from segments import Stored, batches
from stack import Stack

from streams.topics import EVENTS

pytestmark = pytest.mark.integration

STORIES = foreign_stories.stories()
LEVELED = foreign_stories.leveled()
LARGE = foreign_stories.large()
SMALL = [*STORIES, *LEVELED]


class Told(NamedTuple):
    """What became of everything, read once."""

    stack: Stack
    accepted: dict[str, int]
    """Activity -> versions with a receipt of that status."""
    reported: dict[str, str]
    """Activity -> outcomes of the version that holds."""
    rejected: dict[Place, tuple[bytes | None, bytes | None, list[tuple[str, bytes | None]], list[str]]]
    """Place -> key, payload, headers, codes."""
    receipts: set[Place]
    stored: dict[int, list[Stored]]
    """Partition -> batches as they are in Kafka's files."""


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    """All stories are published at the same time, each client by itself; one worker counts them."""
    stack = Stack(tmp_path_factory.mktemp("stack"))
    try:
        stack.start_worker(wait=False)
        with ThreadPoolExecutor(len(CLIENTS)) as pool:
            list(pool.map(functools.partial(publish, stack), CLIENTS))
        stack.wait_counted(120)
        yield read(stack)
    finally:
        stack.close()


def publish(stack: Stack, client: str) -> None:
    """The stories of one client."""
    mine = [story for story in (*SMALL, *LARGE) if story.client == client]
    for story, places in zip(mine, CLIENTS[client](stack.bootstrap, [s.job for s in mine]), strict=True):
        story.places = places


def read(stack: Stack) -> Told:
    """The ledger, and Kafka's files."""
    accepted = stack.query(
        "SELECT activity_id, count() FROM receipt FINAL WHERE status = 'accepted' GROUP BY activity_id"
    )
    reported = stack.query("SELECT activity_id, reported FROM activity FINAL")
    rejected = stack.query(
        "SELECT partition, offset, isNull(key), hex(key), isNull(payload), hex(payload), "
        "arrayMap(h -> (h.name, isNull(h.value), hex(h.value)), headers), arraySort(f -> f, faults.code) "
        "FROM rejected FINAL"
    )

    def content(null: int, text: str | None) -> bytes | None:
        return None if null else bytes.fromhex(text or "")

    return Told(
        stack,
        dict(accepted),
        dict(reported),
        {
            (p, o): (content(*key), content(*payload), [(name, content(*value)) for name, *value in headers], codes)
            for p, o, *rest, headers, codes in rejected
            for key, payload in [(rest[:2], rest[2:])]
        },
        {(p, o) for p, o in stack.query("SELECT partition, offset FROM receipt FINAL")},
        {p: batches(stack.folder / "kafka-1", EVENTS, p) for p in range(stack.partitions)},
    )


def named(stories: list[Story]) -> Any:
    """As the parameters of a test."""
    return pytest.mark.parametrize("story", [pytest.param(story, id=story.name) for story in stories])


@named([*SMALL, *LARGE])
def test_every_event_is_accepted_once(told: Told, story: Story) -> None:
    """Each version of each activity has one receipt that says so, and no activity is there that was not committed."""
    found = {name: number for name, number in told.accepted.items() if name.startswith(f"{story.name}/")}
    assert found == story.accepted


@named(SMALL)
def test_corrections_end_with_the_last(told: Told, story: Story) -> None:
    """One client's versions of an activity stand in Kafka in their order, and the last one holds."""
    numbers = [n for n, one in enumerate(story.parts[0].records) if story.last.encode() in (one.value or b"")]
    places = [story.places[0][number] for number in numbers]
    assert len(places) == 4
    assert len({partition for partition, _ in places}) == 1
    assert places == sorted(places)
    assert told.reported[story.last] == "new_ideas"


@named(SMALL)
def test_what_is_no_event_is_kept_as_it_was_sent(told: Told, story: Story) -> None:
    """Key, value and headers byte for byte, with all faults; and nothing else of the story is rejected."""
    sent = dict(zip(story.places[0], story.parts[0].records, strict=True))
    wanted = {story.places[0][number]: codes for number, codes in story.faults.items()}
    for place, codes in wanted.items():
        one = sent[place]
        key, payload, headers, found = told.rejected[place]
        assert (key, payload, headers) == (one.key, one.value, list(one.headers))
        assert found == sorted(codes)
    places = {place for part in story.places for place in part}
    assert places & told.rejected.keys() == wanted.keys()


@named([*SMALL, *LARGE])
def test_the_batches_are_what_the_test_claims(told: Told, story: Story) -> None:
    """In Kafka's own files they have the codec and the mode: nobody has packed them differently on the way."""
    mine = [batch for place in story.places[0] for batch in [batch_of(told, place)]]
    codecs = {batch.codec for batch in mine}
    # librdkafka leaves a batch as it is when it would not become smaller.
    assert CODECS.index(story.codec) in codecs
    assert codecs <= {0, CODECS.index(story.codec)}
    assert {batch.transactional for batch in mine} == {story.mode == "transactional"}
    assert {batch.producer_id >= 0 for batch in mine} == {story.mode != "plain"}


def batch_of(told: Told, place: Place) -> Stored:
    """The batch that a record is in."""
    return next(batch for batch in told.stored[place[0]] if batch.first <= place[1] <= batch.last)


def test_aborted_transactions_have_no_receipts(told: Told) -> None:
    """They were never published; neither are their markers."""
    never = {place for story in STORIES for part, places in zip(story.parts, story.places, strict=True)
             if not part.commit for place in places}  # fmt: skip
    assert len(never) == len(CLIENTS) * len(CODECS) * (foreign_stories.STORY_RECORDS + 1)
    assert not never & told.receipts


def test_receipts_are_the_records(told: Told) -> None:
    """Every record that Kafka delivers, those sent on included, has one receipt, and there is no other."""
    assert {(record.partition, record.offset) for record in told.stack.read(EVENTS)} == told.receipts


def test_large_batches_are_large(told: Told) -> None:
    """Of every client and codec, hundreds of records shared a batch, and some nearly filled what the topic takes."""
    sizes: dict[str, int] = defaultdict(int)
    for story in LARGE:
        mine = Counter(batch_of(told, place) for place in story.places[0])
        assert max(mine.values()) >= 400, story.name
        sizes[story.client] = max(sizes[story.client], *(batch.size for batch in mine))
    assert {client for client, size in sizes.items() if size > 900_000} == set(CLIENTS)


def test_reconcile_reads_all_of_it(told: Told) -> None:
    """Aborted records and markers are looked up in Kafka between batches of every codec; the account is whole."""
    account = json.loads(told.stack.run("reconcile", "--json").stdout)
    assert account["whole"]
    assert sum(partition["no_record"] for partition in account["partitions"]) > 1_000
