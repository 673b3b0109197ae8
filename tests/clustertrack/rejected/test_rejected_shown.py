"""A rejected record as it is shown: nothing in it tells who a person is."""

import json
from datetime import UTC, datetime

from clustertrack.rejected.actions import Story
from clustertrack.rejected.records import RejectedRecord, without_people
from clustertrack.rejected.rejected_json import show_dict
from clustertrack.rejected.rejected_text import show_text
from schemas.addresses import RecordAddress
from schemas.faults import fault

NUMBER, ADDRESS = "010190-1234", "ane@example.dk"
RECORD = RejectedRecord(
    place=RecordAddress("activity.events.v1", 0, 1, 2),
    log_time=datetime(2026, 11, 1, tzinfo=UTC),
    source=f"mailto:{ADDRESS}",
    faults=(fault("source", "unknown_source", f"mailto:{ADDRESS}"), fault(f"data.{ADDRESS}", "extra_field", NUMBER)),
    headers=((f"ce_{ADDRESS}", b"x"), ("ce_note", NUMBER.encode()), ("ce_cprnr", b"0101901234"), ("null", None)),
    key=b"0101901234",
    payload=json.dumps({"subject": "0101901234", "data": {"title": f"{NUMBER} {ADDRESS}"}}).encode(),
)


def test_no_output_shows_it():
    """Text and JSON mask numbers and addresses in every part; the record itself is as it came."""
    shown = without_people(RECORD)
    story = Story(status="rejected")
    printed = show_text(shown, story) + json.dumps(show_dict(shown, story))
    for secret in (NUMBER, ADDRESS, "0101901234"):
        assert secret not in printed
    assert b"***" in (shown.payload or b"")
    assert "***" in shown.source
    assert NUMBER.encode() in (RECORD.payload or b"")
