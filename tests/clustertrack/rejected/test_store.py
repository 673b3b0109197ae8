"""Which rejected records are open, how they are chosen and read, and what the ledger says became of them."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from clickhouse_connect.driver.client import Client

from clustertrack.rejected import store as sinks_rejected
from clustertrack.rejected.actions import ActionBook, list_closed, story_of
from clustertrack.rejected.records import Action, WrittenAddress
from clustertrack.rejected.store import (
    About,
    Count,
    Selection,
    count_open,
    find_places,
    list_open,
    open_places,
    read_records,
)
from schemas.addresses import RecordAddress
from schemas.faults import Fault
from schemas.ledger import Headers, Receipt, Rejection, Rows, Status
from sinks.clickhouse import ClickHouse
from sinks.writer import LedgerWriter

EVENTS, COMPANIES = "activity.events.v1", "companies.v1"
CRM, OTHER = "https://crm.foodbio.example", "https://crm.energy.example"
ARRIVED = datetime.now(UTC).replace(microsecond=0) - timedelta(days=7)
"""The table drops old rows."""
ALL = Selection()

pytestmark = pytest.mark.integration


def place(offset: int, partition: int = 0, topic: str = EVENTS, epoch: int = 0) -> RecordAddress:
    return RecordAddress(topic, epoch, partition, offset)


@pytest.fixture
def reject(server: ClickHouse, ledger: Client, database: str) -> Iterator[Callable[..., RecordAddress]]:
    """Writes a rejected record and its receipt the way a worker does; returns its place."""
    assert ledger.database == database, "migrated before anything is written"
    writer = LedgerWriter(ClickHouse(host=server.host, port=server.port, database=database))

    def reject(
        address: RecordAddress,
        *,
        codes: tuple[str, ...] = ("unknown_source",),
        source: str = CRM,
        headers: Headers = (),
        key: bytes | None = b"13748136",
        payload: bytes | None = b"{}",
        arrived: datetime = ARRIVED,
        status: Status | None = "rejected",
    ) -> RecordAddress:
        at = int(arrived.timestamp() * 1000)
        faults = tuple(Fault("source", code, "x") for code in codes)
        rows = Rows(rejected=[Rejection(*address, at, source, faults, headers, key, payload, 1)])
        if status is not None:
            rows.receipts.append(Receipt(*address, status, codes[0], source, at, "", 0, 1))
        writer.insert(rows)
        return address

    yield reject
    writer.close()


@pytest.fixture
def act(ledger: Client, database: str) -> Callable[..., Action]:
    """Writes what somebody did with a record."""

    def act(address: RecordAddress, action: Any, to: RecordAddress | None = None, **more: Any) -> Action:
        made = Action(address, uuid4(), action, ARRIVED + timedelta(days=1), "anna", to=to)._replace(**more)
        ActionBook(ledger, database).write([made])
        return made

    return act


@pytest.fixture
def opened(ledger: Client, database: str) -> Callable[..., list[RecordAddress]]:
    """Places of the wanted open records, as `list` gives them."""

    def opened(wanted: Selection = ALL, after: RecordAddress | None = None, limit: int = 1000) -> list[RecordAddress]:
        page = list_open(ledger, database, wanted, after=after, limit=limit)
        return [record.place for record in page.records]

    return opened


def test_nothing_is_open_at_first(ledger: Client, database: str, opened):
    """An empty ledger has no open records."""
    assert opened() == []
    assert count_open(ledger, database, ALL) == Count(0, 0)
    assert list(open_places(ledger, database, ALL)) == []
    assert list_closed(ledger, database, ALL, after=None, limit=10) == []


@pytest.mark.parametrize("status", ["accepted", "retracted", "duplicate", "rerouted"])
def test_what_a_later_pipeline_took_is_not_open(reject, opened, status: str):
    """A record is open while its receipt says rejected; one of the register has no receipt and is open too."""
    kept = [reject(place(0)), reject(place(1, topic=COMPANIES), codes=("missing",), status=None)]
    reject(place(2), status=status)
    assert opened() == kept


@pytest.mark.parametrize(
    ("action", "is_open"),
    [
        pytest.param("replaying", True, id="replay begun"),
        pytest.param("replayed", False, id="replayed"),
        pytest.param("discarded", False, id="discarded"),
    ],
)
def test_actions_close_records(ledger: Client, database: str, reject, act, action: str, is_open: bool):
    """Only a replay that was sent and a discard close a record; the same place of another epoch stays open."""
    one, other = reject(place(0)), reject(place(0, epoch=1))
    act(one, action, to=place(9))
    listed = list_open(ledger, database, ALL, after=None, limit=10).records
    assert [record.place for record in listed] == ([one, other] if is_open else [other])
    assert count_open(ledger, database, ALL).records == len(listed)
    assert [record.interrupted for record in listed] == ([True, False] if is_open else [False])


EVENT = b'{"id": "e1", "subject": "13748136", "data": {"activity_id": "WS-17", "occurred_on": "2018-05-03"}}'
DATA = b'{"activity_id": "WS-17", "occurred_on": "2018-05-03"}'


@pytest.mark.parametrize(
    ("payload", "headers", "about"),
    [
        pytest.param(EVENT, (("ct-line", b"a:b.csv:12"),), About("13748136", "WS-17", "2018-05-03", "a:b.csv", 12)),
        pytest.param(DATA, (("ce_subject", b"61056416"),), About("61056416", "WS-17", "2018-05-03")),
        pytest.param(b'{"id": "e1"}', (("ct-line", b"12"),), About("13748136", "e1")),
        pytest.param(b"\xff{", (), About("13748136")),
        pytest.param(None, (), About("13748136")),
        pytest.param(b'{"subject": "0101701234", "id": "ane@x.dk"}', (), About("***", "***")),
        pytest.param(b'{"subject": {"a": 1}, "data": 7, "id": [1]}', (), About('{"a":1}', "[1]")),
    ],
    ids=["an event", "in binary mode", "no data", "no JSON", "a tombstone", "of a person", "of other types"],
)
def test_what_a_record_is_about(ledger: Client, database: str, reject, payload: bytes | None, headers, about: About):
    """Company, activity and day are read as far as they can be, file and line from the publisher's header."""
    reject(place(0), payload=payload, headers=headers)
    [listed] = list_open(ledger, database, ALL, after=None, limit=1).records
    assert listed.about == about


UNREADABLE = (
    b"", b"\0", b"[" * 200_000, b'{"data":' * 100_000, b'{"id":"\\ud800"}', b'{"id":"\xff\xfe"}', b'{"id":1e400}',
    b'"id"', b'\xef\xbb\xbf{"id":"e"}', b'{"data":"{}"}', b'{"data":[1]}', b'{"id":null,"data":null}',
)  # fmt: skip


def test_ids_of_any_payload_can_be_read(ledger: Client, database: str, reject):
    """The ledger reads the ids when a record is stored, and no payload and no header keeps it from being stored."""
    for offset, payload in enumerate(UNREADABLE):
        reject(place(offset), payload=payload)
    for offset, value in enumerate((None, b"", b"\xff", b"e1", b"x" * 1000), start=100):
        reject(place(offset), payload=b'{"id":"e2"}', headers=(("CE_id", value),))
    reject(place(200), payload=b'{"id":"' + b"x" * 1_000_000 + b'"}')
    assert count_open(ledger, database, ALL).records == len(UNREADABLE) + 6
    rows = ledger.query("SELECT event_id, activity_id FROM rejected WHERE offset >= 100 ORDER BY offset").result_rows
    assert [row[0] for row in rows[3:]] == ["e1", "x" * 200, "x" * 200]
    assert {row[1] for row in rows} == {""}


def test_the_states_of_an_attempt_replace_each_other(ledger: Client, database: str, reject, opened):
    """Intent, then result: one row is left of an attempt, in any order and however often the rows arrive."""
    address = reject(place(0))
    book = ActionBook(ledger, database)
    begun = Action(address, uuid4(), "replaying", ARRIVED, "anna", "fixed", 1, edited=False)
    done = begun._replace(action="replayed", to=place(7, 2), acted_at=ARRIVED + timedelta(seconds=2, milliseconds=345))
    book.write([done])
    book.write([begun])
    book.write([done, begun])
    assert book.read([address]) == [done]
    assert opened() == []
    book.write([])
    assert book.read([place(1)]) == []


def test_filters(reject, opened):
    """Reason, source, topic, time and place each narrow the choice, and all of them together."""
    early, late = ARRIVED - timedelta(hours=1), ARRIVED + timedelta(hours=1)
    a = reject(place(0), codes=("unknown_source", "missing"), arrived=early)
    b = reject(place(1), codes=("missing", "unknown_source"), source=OTHER)
    c = reject(place(0, 3), codes=("invalid_json",), source="", arrived=late)
    d = reject(place(0, 3, topic=COMPANIES), codes=("missing",), source="", status=None)
    assert opened() == [a, b, c, d]
    assert opened(Selection(reasons=["unknown_source"])) == [a]
    assert opened(Selection(reasons=["missing", "invalid_json"])) == [b, c, d]
    assert opened(Selection(sources=[OTHER])) == [b]
    assert opened(Selection(sources=["'; DROP TABLE rejected --"])) == []
    assert opened(Selection(topics=[COMPANIES])) == [d]
    assert opened(Selection(since=ARRIVED)) == [b, c, d]
    assert opened(Selection(until=ARRIVED)) == [a]
    assert opened(Selection(since=ARRIVED, until=late)) == [b, d]
    assert opened(Selection(places=[WrittenAddress(EVENTS, None, 0, 1), WrittenAddress(COMPANIES, 0, 3, 0)])) == [b, d]
    assert opened(Selection(places=[WrittenAddress(EVENTS, 1, 0, 1)])) == []
    assert opened(Selection(reasons=["missing"], topics=[COMPANIES], since=ARRIVED, sources=[""])) == [d]


def test_pages(ledger: Client, database: str, reject, opened):
    """Pages follow each other without a gap, also when records arrive and go between them."""
    places = [reject(place(offset, partition)) for partition in (0, 1) for offset in range(3)]
    first = list_open(ledger, database, ALL, after=None, limit=2)
    assert ([record.place for record in first.records], first.more) == (places[:2], True)
    reject(place(3, 1))
    assert opened(after=places[1], limit=3) == places[2:5]
    last = list_open(ledger, database, ALL, after=places[4], limit=2)
    assert ([record.place for record in last.records], last.more) == ([places[5], place(3, 1)], False)


def test_chunks(ledger: Client, database: str, reject, monkeypatch):
    """Chunks hold all places once, and are cut by number and by bytes; a large record is a chunk of its own."""
    monkeypatch.setattr(sinks_rejected, "CHUNK_RECORDS", 3)
    monkeypatch.setattr(sinks_rejected, "CHUNK_BYTES", 100)
    small = [reject(place(offset), key=None, payload=b"x") for offset in range(4)]
    large = [reject(place(offset, 1), key=b"k" * 60, payload=b"x" * 60) for offset in range(2)]
    last = reject(place(9, 1), key=None, payload=None)
    assert list(open_places(ledger, database, ALL)) == [small[:3], small[3:], [large[0]], [large[1]], [last]]


def test_five_hundred_places_at_once(ledger: Client, database: str, act):
    """As many places as a chunk holds fit into one question."""
    places = [place(10**15 + offset, 11, epoch=12) for offset in range(sinks_rejected.CHUNK_RECORDS)]
    act(places[-1], "discarded")
    assert [action.place for action in ActionBook(ledger, database).read(places)] == [places[-1]]
    assert read_records(ledger, database, places) == []


def test_a_record_comes_back_bit_for_bit(ledger: Client, database: str, reject):
    """Bytes that are no text, NULL apart from empty, headers in order and twice, all faults."""
    headers = (("x-crm", b"\xff\xfe"), ("x-crm", b""), ("ce_id", None), ("Æ", b"1"))
    codes = ("missing", "invalid_time")
    one = reject(place(0), key=b"\x00\xff", payload=b"\xc3\x28\x00", headers=headers, codes=codes)
    two = reject(place(1), key=None, payload=None)
    three = reject(place(2), key=b"", payload=b"")
    records = read_records(ledger, database, [three, two, one, place(99)])
    assert [(r.place, r.key, r.payload) for r in records] == [
        (one, b"\x00\xff", b"\xc3\x28\x00"),
        (two, None, None),
        (three, b"", b""),
    ]
    assert records[0].headers == headers
    assert records[0].faults == tuple(Fault("source", code, "x") for code in codes)
    assert (records[0].reason, records[0].source, records[0].log_time) == ("missing", CRM, ARRIVED)


def test_what_is_listed(ledger: Client, database: str, reject):
    """A line of the list: size, replays so far, all faults; the same message twice is one message."""
    same = {"payload": b"12345", "key": b"k"}
    reject(place(0), **same, headers=(("ct-replays", b"2"), ("ce_id", b"1")))
    reject(place(1), **same, headers=(("CE_ID", b"1"), ("x", b"y")))
    reject(place(2), **same, headers=(("ce_id", b"1"), ("ct-origin", b"a/0/1")))
    [first, *_] = list_open(ledger, database, ALL, after=None, limit=10).records
    assert (first.size, first.replays, first.source, first.log_time) == (6, 2, CRM, ARRIVED)
    assert count_open(ledger, database, ALL) == Count(3, 2)


def test_named_places(ledger: Client, database: str, reject):
    """A place without an epoch is found in every epoch, closed records too; unknown ones are nowhere."""
    old, new = reject(place(5)), reject(place(5, epoch=1), status="accepted")
    loose, exact, unknown = (
        WrittenAddress(EVENTS, None, 0, 5),
        WrittenAddress(EVENTS, 1, 0, 5),
        WrittenAddress(EVENTS, None, 0, 6),
    )
    assert find_places(ledger, database, [loose, exact, unknown]) == {loose: [old, new], exact: [new], unknown: []}


@pytest.mark.parametrize(
    ("status", "reason", "shown"),
    [
        pytest.param(None, "", "pending", id="not counted yet"),
        pytest.param("accepted", "", "accepted", id="accepted"),
        pytest.param("duplicate", "", "duplicate", id="duplicate"),
        pytest.param("rejected", "missing", "rejected", id="rejected again"),
    ],
)
def test_what_became_of_a_replay(
    ledger: Client, database: str, reject, act, status: str | None, reason: str, shown: str
):
    """The receipt of the record that was sent tells; one that was rejected again is a new open record."""
    old, new = reject(place(0)), place(8, 2)
    if status is not None:
        reject(new, status=status, codes=(reason or "x",), headers=(("ct-replays", b"1"),))
    action = act(old, "replayed", to=new, replays=1, note="the registry was fixed")
    [done] = list_closed(ledger, database, ALL, after=None, limit=10)
    assert (done.action, done.status) == (action, shown)
    assert done.reason == (reason or ("x" if status else ""))
    story = story_of(ledger, database, old)
    assert (story.status, story.done, story.replay_of) == ("rejected", [done], None)
    assert story_of(ledger, database, new).replay_of == old
    still_open = [record.place for record in list_open(ledger, database, ALL, after=None, limit=9).records]
    assert still_open == ([new] if status == "rejected" else [])


def test_closed_records_are_chosen_by_the_same_filters(ledger: Client, database: str, reject, act):
    """Filters read the record itself; without any, actions are listed even when their record has expired."""
    one, two = reject(place(0)), reject(place(1), source=OTHER)
    for address in (one, two, place(77)):
        act(address, "discarded", note="tests")
    act(place(3), "replaying")

    def closed(wanted: Selection, after: RecordAddress | None = None) -> list[RecordAddress]:
        return [d.action.place for d in list_closed(ledger, database, wanted, after=after, limit=10)]

    assert closed(ALL) == [one, two, place(77)]
    assert closed(ALL, after=one) == [two, place(77)]
    assert closed(Selection(sources=[OTHER])) == [two]


def test_two_replays_of_one_record_are_both_kept(ledger: Client, database: str, reject, act):
    """Where two people did the same at one moment, the ledger shows both records that were sent."""
    old = reject(place(0))
    for offset in (5, 6):
        act(old, "replayed", to=place(offset))
    story = story_of(ledger, database, old)
    assert {done.action.to for done in story.done} == {place(5), place(6)}
