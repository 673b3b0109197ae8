"""Records that are small as bytes and large as what the worker writes of them."""

import json
from typing import Any

import pytest
from deciding import HERE, decide
from samples import event
from twins import Record

from streams.decide import Output

TOPIC = 2 * 1024 * 1024
"""max.message.bytes of the enriched and the rejected topic."""
EVENTS = 1024 * 1024
"""That of the events topic."""


def written(output: Output) -> int:
    """Bytes of a record on the wire: up to ten for the lengths of a header, and those of a batch."""
    headers = sum(len(name.encode()) + len(value or b"") + 10 for name, value in output.headers)
    return len(output.key or b"") + len(output.value or b"") + headers + 100


def binary(size: int, filling: bytes) -> Record:
    """An event in binary mode with an extension of a given size."""
    document = json.loads(event(HERE[0]))
    data = json.dumps(document.pop("data")).encode()
    headers: list[tuple[str, Any]] = [(f"ce_{name}", value.encode()) for name, value in document.items()]
    return Record(0, data, headers=[*headers, ("ce_note", (filling * size)[:size])])


@pytest.mark.parametrize(
    ("size", "filling", "status"),
    [
        pytest.param(990_000, b"x", "accepted", id="as it is"),
        pytest.param(990_000, "\u00e6".encode(), "accepted", id="letters of two bytes"),
        pytest.param(160_000, b'"', "accepted", id="counted as six times as large"),
        pytest.param(160_000, b"\x01", "accepted", id="six times as large"),
        pytest.param(400_000, b"\x01", "rejected", id="too large as JSON"),
    ],
)
def test_an_attribute_that_grows_when_it_is_written_as_json(size: int, filling: bytes, status: str):
    """What would not fit the enriched topic is refused, as too long, before it is anything else."""
    batch = decide([binary(size, filling)])
    assert [(r.status, r.reason) for r in batch.rows.receipts] == [(status, "too_long" if status == "rejected" else "")]
    (output,) = batch.outputs
    assert output.to == ("rejected" if status == "rejected" else "enriched")
    assert written(output) <= TOPIC


@pytest.mark.parametrize("number", [1_000, 90_000, 400_000], ids=str)
@pytest.mark.parametrize("company", ["here", "elsewhere", "nobody"])
def test_headers_without_content_count(number: int, company: str):
    """A header of no bytes takes room too: accepted or rejected, the record fits its topic."""
    subject = {"here": f"{HERE[0]}", "elsewhere": "13585628", "nobody": "1"}[company]
    batch = decide([Record(0, event(subject=subject), headers=[("", None)] * number)])
    (receipt,) = batch.rows.receipts
    assert (receipt.reason == "too_many_headers") == (number > 1_000)
    (output,) = batch.outputs
    assert written(output) <= (EVENTS if output.to == "events" else TOPIC)
