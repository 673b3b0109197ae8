"""What is judged over HTTP is judged on Kafka in the same way: records that nearly are events, sent both ways."""

from typing import Any
from urllib.parse import quote_from_bytes

from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from judging import ARRIVED, CLUSTERS
from mutations import Mutant, mutants
from samples import SOURCE

from brokers.judging import Judge
from brokers.partitioning import key_hash
from brokers.record_headers import STRUCTURED
from schemas.events import Activity
from schemas.faults import Fault
from sources.collector.http_events import Candidate, JsonEvents, LineSplitter, binary_event
from sources.collector.inspection import Inspector, OutRecord

KEY = b"00000000"
OWN = {"name_twice", "invalid_header", "invalid_utf8", "invalid_json"}
"""Codes of faults that the collector finds itself."""


class AnySource(Inspector):
    """With a key of all clusters."""

    def _is_of_another(self, source: str | None, cluster: str, counts_for: str = "") -> bool:
        del source, cluster, counts_for
        return False


INSPECTOR = AnySource(CLUSTERS, allow_personal_data=False)


def on_kafka(value: bytes, headers: list[tuple[str, Any]], key: bytes = KEY) -> Activity | list[Fault]:
    """A worker's verdict on a record."""
    found = Judge(CLUSTERS, allow_personal_data=False).record(key, value, headers, ARRIVED)
    return found if isinstance(found, list) else found[0]


def compare(candidate: Candidate, directly: Activity | list[Fault]) -> None:
    """The same activity, or the same faults and perhaps more; and what is sent is judged as it was."""
    found = INSPECTOR.inspect(candidate, "food-bio", ARRIVED)
    if isinstance(found, OutRecord):
        assert not isinstance(directly, list), directly
        assert on_kafka(found.value, list(found.headers), found.key) == directly
        assert found.key == b"%08d" % directly.company_id
        assert found.number == key_hash(found.key)
        assert (found.source, found.event_id) == (directly.source, directly.event_id)
        event("accepted")
        return
    if isinstance(directly, list):
        others = {one for one in found if one.code not in OWN}
        assert others == {one for one in directly if one.code not in OWN}
        assert {one.field for one in directly} <= {one.field for one in found}
        event("rejected")
    else:  # only what the worker does not look at
        assert {one.code for one in found} == {"name_twice"}
        event("rejected for a name that is there twice")


@given(mutants)
@settings(max_examples=200, suppress_health_check=[HealthCheck.too_slow])
def test_whole_events(mutant: Mutant):
    """As one event, in a list, and as a line: the record is what was sent, so the verdict is the same."""
    value = mutant.value
    directly = on_kafka(value.removeprefix(b"\xef\xbb\xbf"), [STRUCTURED])
    compare(JsonEvents().event(value), directly)
    if b"\n" not in value and b"\r" not in value and value.strip():
        lines = LineSplitter()
        [line] = [*lines.feed(value), *lines.rest()]
        compare(JsonEvents().event(line), directly)
    if isinstance(directly, Activity):
        first, second = JsonEvents().batch(b"[" + value + b"," + value + b"]", 2)
        compare(first, on_kafka(value.strip(), [STRUCTURED]))
        compare(second, on_kafka(value.strip(), [STRUCTURED]))


@given(mutants, st.booleans())
@settings(max_examples=200, suppress_health_check=[HealthCheck.too_slow])
def test_binary_mode(mutant: Mutant, encoded: bool):
    """Attributes as headers, encoded or as they are where that makes no difference."""
    sound = {
        "ce_specversion": b"1.0",
        "ce_id": b"1",
        "ce_source": SOURCE.encode(),
        "ce_type": b"org.clustertrack.workshop.attended.v1",
        "ce_subject": b"%08d" % mutant.company,
        "ce_time": b"2018-05-03T14:05:09Z",
        "content-type": b"application/json",
    }
    headers = {name: text for name, text in {**sound, **mutant.headers}.items() if text is not None}
    if headers.get("content-type", b"").startswith(b"application/cloudevents"):
        headers["content-type"] = b"application/json; charset=utf-8"
    http = [
        (
            name.replace("_", "-").encode(),
            quote_from_bytes(text, safe="/:").encode()
            if name != "content-type" and (encoded or not _plain(text))
            else text,
        )
        for name, text in headers.items()
    ]
    value = b'{"activity_id": "WS-1", "occurred_on": "2018-05-03"}' if encoded else mutant.value
    compare(binary_event(http, value), on_kafka(value, list(headers.items())))


def _plain(text: bytes) -> bool:
    return text.isascii() and text.isalnum()
