"""What a record may cost: no kind of record costs much more for each of its bytes than good ones do.

Measured from the bytes of a batch to the blocks that the ledger takes, as factors within one run: CPU time and memory
for each byte against those of good records. A record counts as at least as long as a good one, for some work is done
for each record. No seconds: they would say how busy the machine is.
"""

import json
import time
import tracemalloc
from collections.abc import Callable
from datetime import date
from functools import cache
from typing import Any

import pytest
from deciding import HERE, PLACE, decide
from fuzzing.holds import storable
from nasty import KINDS, good, weight
from rawkafka import Raw
from wire import batch_bytes, read_batches

from brokers.record_headers import read_headers
from streams.company_register import Register
from streams.reference_step import process_companies, read_company_record

SIZES = (10_000, 100_000, 900_000)
"""The largest is what a record may have; a batch of Kafka is not much larger."""
MOST_CPU = 25
"""Times the CPU of good records. The worst kind takes 11 times it; attributes without a limit took 50, and headers that
were compared with all before them 100, both growing with the size."""
MOST_MEMORY = 25
"""Times the memory of good records: the worst kind takes 14 times it, attributes without a limit took 37."""
AT_ONCE = 2000
"""Records that a worker decides on together."""


def work(batch: bytes) -> None:
    """All that a worker does with a batch by itself."""
    records = list(read_batches(batch))
    for begin in range(0, len(records), AT_ONCE):
        storable(decide(records[begin : begin + AT_ONCE]).rows)


def seconds(call: Callable[..., Any], tries: int = 3) -> float:
    """The least CPU time of a few calls; of a long one, of one."""
    found = []
    for _ in range(tries):
        begun = time.process_time()
        call()
        found.append(time.process_time() - begun)
        if found[-1] > 1:
            break
    return min(found)


def peak(batch: bytes) -> int:
    """Bytes that Python holds at most, without those that it held before."""
    tracemalloc.start()
    try:
        work(batch)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@cache
def good_cost(size: int) -> tuple[float, float]:
    """CPU seconds and bytes of memory for each byte of good records."""
    records = good(size)
    batch = batch_bytes(records)
    work(batch)  # what is remembered is there
    return seconds(lambda: work(batch), 7) / weight(records), peak(batch) / weight(records)


def test_good_records_are_good():
    """All of the records to compare with are accepted."""
    batch = decide(list(read_batches(batch_bytes(good(100_000)))))
    assert {receipt.status for receipt in batch.rows.receipts} == {"accepted"}


@pytest.mark.parametrize("kind", KINDS)
def test_no_kind_of_record_costs_much_more_than_good_ones(kind):
    """CPU per byte stays within a factor of good records, for any number of bytes."""
    for size in SIZES:
        records = KINDS[kind](size)[:AT_ONCE]  # of more records the rest is decided on by itself
        batch = batch_bytes(records)
        allowed = MOST_CPU * good_cost(size)[0] * weight(records)
        took = seconds(lambda batch=batch: work(batch), 1)
        if took > allowed / 2:
            took = seconds(lambda batch=batch: work(batch))
        assert took <= allowed, f"{size} bytes took {took / allowed * MOST_CPU:.1f} times what good ones do"


@pytest.mark.parametrize("kind", KINDS)
def test_no_kind_of_record_takes_much_more_memory_than_good_ones(kind):
    """Memory per byte stays within a factor of good records."""
    size = 100_000
    records = KINDS[kind](size)[: AT_ONCE // 10]
    allowed = MOST_MEMORY * good_cost(size)[1] * weight(records)
    took = peak(batch_bytes(records))
    assert took <= allowed, f"{took / allowed * MOST_MEMORY:.1f} times what good ones take"


@pytest.mark.parametrize("codec", ["gzip", "snappy", "lz4", "zstd"])
def test_packed_records_cost_no_more_than_plain_ones(codec):
    """Unpacking is a small part of the work for what it gives: blanks that pack well cost no more than good records."""
    records = KINDS["JSON: blanks"](900_000)
    batch = batch_bytes(records, codec=codec)
    took = seconds(lambda: work(batch))
    assert took <= MOST_CPU * good_cost(900_000)[0] * weight(records)


def versions_of_one(size: int) -> list[Raw]:
    """Versions of one company, from the last to the first."""
    values = [
        (f"{date.fromordinal(400_000 + n)}", {"cvr": HERE[0], "revision": 1, "name": "x" * 200})
        for n in range(size // 300)
    ]
    return [
        Raw(json.dumps(fields | {"valid_from": day}).encode(), f"{HERE[0]:08d}/{day}".encode())
        for day, fields in reversed(values)
    ]


@pytest.mark.parametrize(
    "records",
    [
        pytest.param(versions_of_one, id="versions of one company"),
        pytest.param(lambda size: [Raw(b"{}", b"k")] * (size // 350), id="empty objects"),
        pytest.param(lambda size: [Raw(b"{%b}" % b",".join(b'"x%d":1' % n for n in range(size // 12)))], id="fields"),
        pytest.param(lambda size: [Raw(b" " * size, b"k")], id="blanks"),
    ],
)
def test_no_record_of_the_register_costs_much_more_than_good_events(records: Callable[[int], list[Raw]]):
    """CPU for each byte, for the ledger and for the register in memory, however many there are already."""

    def both(batch: bytes) -> None:
        register = Register()
        read = list(read_batches(batch))
        storable(process_companies(PLACE, read, condemned={}).rows)
        for record in read:
            version = read_company_record(record)
            if not isinstance(version, list):
                register.apply(version)
                register.company_as_at(version.cvr, 17_000)

    for size in SIZES:
        made = records(size)
        batch = batch_bytes(made)
        allowed = MOST_CPU * good_cost(size)[0] * weight(made)
        assert seconds(lambda batch=batch: both(batch)) <= allowed


def test_what_grows_with_the_square_is_seen(monkeypatch):
    """A step that compares each header with all before it exceeds the factor."""
    from streams import decide as deciding  # noqa: PLC0415  (its name is replaced)

    read = read_headers

    def comparing(headers: Any) -> Any:
        for name, _ in headers:
            assert sum(name == other for other, _ in headers)
        return read(headers)

    monkeypatch.setattr(deciding, "read_headers", comparing)
    with pytest.raises(AssertionError, match="times what good ones do"):
        test_no_kind_of_record_costs_much_more_than_good_ones("headers: one more in each record")
