"""Publishers that are not ours: every client, codec and mode on a real worker, and what the verbs read of it."""

import functools
import itertools
import json
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import foreign_stories
import pytest
from chaos import cvr_numbers
from foreign import CLIENTS, CODECS, Job, Part, PartitionOffset, Sent
from foreign_stories import STRUCTURED, Story
from samples import CVRS, event
from segments import Stored, batches
from stack import Stack, wait_for
from tales import UNKNOWN_COMPANY

from brokers.batches import KEPT
from brokers.connection import KafkaConnection
from brokers.topics import COMPANIES, EVENTS, TopicAdmin, TopicSpec

pytestmark = pytest.mark.integration

STORIES = foreign_stories.stories()
LEVELED = foreign_stories.leveled()
LARGE = foreign_stories.large()
SMALL = [*STORIES, *LEVELED]
_COMPANIES = iter(cvr_numbers(10 * len(CLIENTS) * len(CODECS), seed=3))
REGISTERS = {client: [list(itertools.islice(_COMPANIES, 10)) for _ in CODECS] for client in CLIENTS}
"""Client -> for each codec the companies that it loads in it."""


class Told(NamedTuple):
    """What became of everything, read once."""

    stack: Stack
    accepted: dict[str, int]
    """Activity -> versions with a receipt of that status."""
    reported: dict[str, str]
    """Activity -> outcomes of the version in force."""
    rejected: dict[PartitionOffset, tuple[bytes | None, bytes | None, list[tuple[str, bytes | None]], list[str]]]
    """Place -> key, payload, headers, codes."""
    receipts: set[PartitionOffset]
    records: set[PartitionOffset]
    """What Kafka delivers."""
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
    """The stories of one client, and its registers."""
    mine = [story for story in (*SMALL, *LARGE) if story.client == client]
    registers = [
        Job(codec, "plain", [Part([company(cvr) for cvr in companies])], topic=COMPANIES)
        for codec, companies in zip(CODECS, REGISTERS[client], strict=True)
    ]
    sent = CLIENTS[client](stack.bootstrap, [*(story.job for story in mine), *registers])
    for story, places in zip(mine, sent, strict=False):
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
        {(record.partition, record.offset) for record in stack.read(EVENTS)},
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
    """One client's versions of an activity are in Kafka in their order, and the last one counts."""
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
        # Of a longer value the ledger keeps the beginning, and what shows the whole.
        kept = one.value if one.value is None else one.value[:KEPT]
        assert (key, payload, headers) == (one.key, kept, list(one.headers))
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


def batch_of(told: Told, place: PartitionOffset) -> Stored:
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
    assert told.records == told.receipts


def test_large_batches_are_large(told: Told) -> None:
    """Of every client and codec, a hundred records or more shared a batch; the largest nearly fills the limit."""
    largest = 0
    for story in LARGE:
        mine = Counter(batch_of(told, place) for place in story.places[0])
        assert max(mine.values()) >= 100, story.name
        largest = max(largest, *(batch.size for batch in mine))
    assert largest > 900_000


def events(prefix: str) -> list[Sent]:
    """Enough events for a codec to save something, each counted once."""
    return [Sent(event(CVRS[4], f"{prefix}/{n}"), b"%08d" % CVRS[4], (STRUCTURED,)) for n in range(20)]


@pytest.mark.parametrize("codec", [*CODECS[1:], "uncompressed"])
def test_the_broker_packs_differently(told: Told, codec: str) -> None:
    """A topic with a `compression.type` of its own: the broker packs again what was sent, and all of it is counted."""
    stack, sent = told.stack, itertools.count()
    number = 0 if codec == "uncompressed" else CODECS.index(codec)
    topic = TopicSpec(name=EVENTS, partitions=stack.partitions)

    def packed() -> bool:
        """Whether a record that is sent now is in that codec: the broker takes a moment to know."""
        packing = "lz4" if codec != "lz4" else "zstd"
        job = Job(packing, "plain", [Part(events(f"broker-{codec}-{next(sent)}"))])
        [[[(partition, offset), *_]]] = CLIENTS["confluent-kafka"](stack.bootstrap, [job])
        stored = batches(stack.folder / "kafka-1", EVENTS, partition)
        return next(batch.codec for batch in stored if batch.first <= offset <= batch.last) == number

    with TopicAdmin(KafkaConnection(stack.bootstrap)) as admin:
        admin._alter(topic, {"compression.type": codec})
        try:
            wait_for(packed, 20, f"the broker to pack with {codec}")
        finally:
            admin._alter(topic, {"compression.type": "producer"})
    stack.wait_counted()
    counted = stack.query(
        "SELECT count() FROM receipt FINAL WHERE status = 'accepted' AND startsWith(activity_id, {p:String})",
        p=f"broker-{codec}-",
    )
    assert counted == [(20 * next(sent),)]


def test_companies_load_reads_a_foreign_register(told: Told) -> None:
    """What `companies load` finds on the topic, in each codec of each client, is withdrawn where the file lacks it."""
    loaded = [cvr for of_codec in REGISTERS.values() for mine in of_codec for cvr in mine]
    folder = told.stack.folder / "kafka-1"
    stored = {batch.codec for p in range(told.stack.partitions) for batch in batches(folder, COMPANIES, p)}
    assert stored == set(range(len(CODECS)))
    file = told.stack.folder / "register.csv"
    header = "cvr,valid_from,name,legal_form,employees,region,industry_scheme,industry,successor_cvr,successor_from\n"
    file.write_text(header + "".join(f"{cvr},2010-01-01,Ny,80,12,,,,,\n" for cvr in loaded), encoding="utf-8")
    answer = json.loads(told.stack.run_here("companies", "load", str(file), "--json").stdout)
    assert (answer["companies"], answer["withdrawn"]) == (len(loaded), len(loaded))


def company(cvr: int) -> Sent:
    """A version of a company, as another program than ours may load it."""
    version = {**UNKNOWN_COMPANY, "cvr": cvr, "valid_from": "2009-01-01", "revision": 1, "name": "Før Æbler ApS"}
    return Sent(json.dumps(version, ensure_ascii=False).encode(), f"{cvr}/2009-01-01".encode())


def test_reconcile_reads_all_of_it(told: Told) -> None:
    """Aborted records and markers are looked up in Kafka between batches of every codec; in the end all is whole."""
    told.stack.wait_counted()
    account = json.loads(told.stack.run("reconcile", "--json").stdout)
    assert account["whole"]
    transactional = [story for story in STORIES if story.mode == "transactional"]
    aborted = len(transactional) * (foreign_stories.STORY_RECORDS + 1)
    markers = sum(len(story.parts) for story in transactional)
    assert sum(partition["no_record"] for partition in account["partitions"]) >= aborted + markers
