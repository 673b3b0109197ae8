"""What must hold of what the worker decides, in the words of the schema but not by the product's own rules."""

import hashlib
import json
from collections.abc import Callable, Sequence
from typing import Any, Final

from judging import CLUSTERS

from schemas import company, faults
from schemas.envelope import DETAILS
from schemas.events import Activity
from schemas.faults import Fault
from schemas.indicators import DERIVED, OUTCOMES
from schemas.ledger import Rejection, Rows
from sinks import writer

SLUGS: Final = frozenset({"food-bio", "ended", "kelp", "wool"})
MS_OF_2000: Final = 946_684_800_000
DAY_MS: Final = 86_400_000
DAYS_TO_2000: Final = 10_957
_LONGEST: Final = 500


def sound_activity(row: Activity, event: dict[str, Any], arrived: int) -> None:
    """The row fits the ledger's columns, and what is derived in it follows from the rest."""
    for text in (row.source, row.activity_id, row.event_id, row.cluster, row.event_type, row.membership, row.details):
        text.encode()
    assert CLUSTERS.knows(row.source), row.source
    for name in (row.activity_id, row.event_id):
        assert 0 < len(name) <= 200, len(name)
        assert name.strip(), name
    assert row.event_type in DERIVED, row.event_type
    retracted = row.event_type == "activity.retracted"
    assert row.is_deleted == int(retracted)
    digits = f"{row.company_id:d}"
    assert len(digits) == 8, digits
    assert sum(int(d) * w for d, w in zip(digits, (2, 7, 6, 5, 4, 3, 2, 1), strict=True)) % 11 == 0, digits
    assert MS_OF_2000 <= row.recorded_at <= arrived + DAY_MS, row.recorded_at
    assert row.known_at >= arrived
    assert DAYS_TO_2000 - 1 <= row.occurred_on <= arrived // DAY_MS + 368, row.occurred_on
    assert 0 <= row.revision < 2**128
    assert row.revision >> 64 == row.recorded_at
    assert row.revision >> 63 & 1 == row.is_deleted
    assert row.cluster in SLUGS or (retracted and row.cluster == ""), row.cluster
    assert row.reported == tuple(name for name in OUTCOMES if name in row.reported)
    assert row.outcomes_given in (0, 1)
    assert row.derived == (() if row.outcomes_given else DERIVED[row.event_type])
    assert row.outcomes_given or not row.reported
    assert row.membership in ("", "member", "participant")
    assert not row.membership or row.event_type == "company.joined"
    details = json.loads(row.details)
    assert details == {name: event["data"][name] for name in DETAILS if event["data"].get(name) is not None}
    assert list(details) == sorted(details)
    assert all(len(text) <= _LONGEST for text in details.values())


def sound_faults(found: Sequence[Fault]) -> None:
    """At least one fault and at most 100, with codes that are documented, and short texts that can be written."""
    assert 1 <= len(found) <= 100, len(found)
    for field, code, value in found:
        assert code in faults.CODES or code in company.CODES, code
        for text in (field, value):
            text.encode()
            # A lone surrogate is written as six letters.
            assert len(text) <= 200 * 6, len(text)
            assert len(text) <= 200 or "\\u" in text, text


def kept(row: Rejection, key: bytes | None, value: bytes | None) -> None:
    """A rejected record is kept as received, or its beginning is, with length and hash of the whole."""
    assert row.key == key
    if row.payload == value:
        return
    assert row.payload is not None
    assert value is not None
    assert value.startswith(row.payload)
    size, sha256 = getattr(row, "payload_size", None), getattr(row, "payload_sha256", None)
    assert size == len(value)
    assert sha256 == hashlib.sha256(value).digest()


def storable(rows: Rows) -> None:
    """The ledger's writer can make a block of each table."""
    tables: tuple[tuple[list[Any], Callable[[Any], Any]], ...] = (
        (rows.activities, writer._activities),
        (rows.companies, writer._companies),
        (rows.registries, writer._registries),
        (rows.keys, writer._keys),
        (rows.rejected, writer._rejected),
        (rows.receipts, writer._receipts),
    )
    for table, build in tables:
        if table:
            block = build(table)
            assert block.num_rows == len(table)
            block.validate(full=True)
