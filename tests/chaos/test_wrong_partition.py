"""Records on the wrong partition: sent on once, counted once, never in an endless circle, no matter what they claim."""

import json
import random
import zlib
from collections import Counter
from collections.abc import Callable

import pytest
from chaos import EVENTS, SEED, Load, conclude
from rawkafka import Parcel, Raw, send_raw
from stack import Stack, wait_for

from brokers.partitioning import partition_of

pytestmark = [pytest.mark.integration, pytest.mark.extended, pytest.mark.timeout(300)]


class Placed(Load):
    """A load whose publisher chooses key and partition in its own way."""

    place: Callable[[bytes | None], tuple[bytes | None, int | None]]

    def _record(self) -> tuple[bytes | None, bytes | None, int | None]:
        key, value, partition = super()._record()
        if partition is None:
            key, partition = self.place(key)
        return key, value, partition

    def forged(self, origin: bytes | None, *, shift: int) -> Parcel:
        """A new version whose publisher claims that it was sent on; `shift` partitions from its own."""
        key, value = self._version()
        self.published += 1
        partition = (partition_of(int(key), self.stack.partitions) + shift) % self.stack.partitions
        return Parcel(partition, [Raw(value, key, [(b"x", b"y"), (b"ct-origin", origin)])])


@pytest.fixture(scope="module")
def placed(load: Load) -> Placed:
    """The module's load, on a stack with a worker."""
    load.stack.start_worker()
    return Placed(load.stack, SEED)


def statuses(stack: Stack) -> Counter[str]:
    """Receipts by their status."""
    return Counter(
        status for (status,) in stack.query("SELECT status FROM receipt FINAL WHERE topic = {t:String}", t=EVENTS)
    )


def check_sent_on(stack: Stack) -> int:
    """Each record with the receipt `rerouted` came once more, with its bytes and an origin; gives their number."""
    at = {(r.partition, r.offset): r for r in stack.read(EVENTS)}
    sent_on = stack.query("SELECT partition, offset FROM receipt FINAL WHERE status = 'rerouted'")
    origins = {dict(r.headers).get("ct-origin"): r for r in at.values()}
    for place in sent_on:
        came = origins[f"{EVENTS}/{place[0]}/{place[1]}".encode()]
        assert (came.key, came.value) == (at[place].key, at[place].value)
        assert came.headers[:-1] == at[place].headers
    return len(sent_on)


def crc32(key: bytes | None, partitions: int) -> int:
    """What librdkafka does when nobody tells it otherwise (`consistent_random`)."""
    return zlib.crc32(key or b"") % partitions


def test_a_crc32_partitioner(placed: Placed) -> None:
    """A publisher built on librdkafka: three records of four are wrong, everything is counted once."""
    placed.place = lambda key: (key, crc32(key, placed.stack.partitions))
    number = placed.size(600)
    placed.publish(number)
    conclude(placed, "wrong partition: CRC32", faults=number)
    assert check_sent_on(placed.stack) > number / 2


def test_records_without_key(placed: Placed) -> None:
    """A publisher that knows no keys: the record's company says where it belongs."""
    draw = random.Random(SEED)
    placed.place = lambda _key: (None, draw.randrange(placed.stack.partitions))
    number, before = placed.size(400), statuses(placed.stack)["rerouted"]
    placed.publish(number)
    conclude(placed, "wrong partition: no key", faults=number)
    assert check_sent_on(placed.stack) - before > number / 2


def test_forged_origins_on_the_right_partition(placed: Placed) -> None:
    """A header `ct-origin` that lies hides no record and makes no hole where it points to, least of all a true one."""
    stack = placed.stack
    partition, offset = stack.query("SELECT partition, offset FROM receipt FINAL WHERE status = 'rerouted' LIMIT 1")[0]
    claims = [
        None,
        b"",
        b"\xff\x00",
        b"/",
        b"activity.events.v1/0/0",
        b"activity.events.v1/3/0",
        b"activity.events.v1/2/9999999999999999999",
        b"activity.events.v1/2/99999999999999999999999999",
        b"activity.events.v1/70000/1",
        b"activity.events.v1/-1/-1",
        b"companies.v1/1/1",
        b"x" * 10_000,
        f"{EVENTS}/{partition}/{offset}".encode(),
    ]
    before = statuses(stack)
    send_raw(stack.bootstrap, EVENTS, [placed.forged(claim, shift=0) for claim in claims])
    conclude(placed, "wrong partition: forged origins", faults=len(claims))
    grown = statuses(stack) - before
    assert sum(grown.values()) == len(claims)
    assert set(grown) <= {"accepted", "retracted"}


def test_a_misrouted_record_that_keeps_coming_back(placed: Placed) -> None:
    """With an origin and still wrong: rejected each time, never in a loop, and counted once after a replay."""
    stack = placed.stack
    before, records = statuses(stack), len(stack.read(EVENTS))
    parcels = [placed.forged(b"activity.events.v1/1/%d" % n, shift=1 + n % 3) for n in range(20)]
    for _ in range(3):
        send_raw(stack.bootstrap, EVENTS, parcels)
    wait_for(lambda: statuses(stack)["rejected"] - before["rejected"] >= 60, 60, "the rejections")
    assert len(stack.read(EVENTS)) == records + 60, "none was sent on"
    rejected = stack.query("SELECT faults[1].code, payload, headers FROM rejected FINAL WHERE reason = 'misrouted'")
    assert len(rejected) == 60
    assert {payload.encode() for _, payload, _ in rejected} == {parcel.records[0].value for parcel in parcels}
    placed.published += 40
    replayed = json.loads(stack.run("rejected", "replay", "--reason", "misrouted", "--json").stdout)
    assert len(replayed["replayed"]) == 60
    conclude(placed, "wrong partition: misrouted again and again", faults=60)
    grown = statuses(stack) - before
    assert grown["accepted"] + grown["retracted"] == 20
    assert (grown["rejected"], grown["duplicate"], grown["rerouted"]) == (60, 40, 0)
