"""Target `event`: one record, judged by itself. And `headers`: everything that reads them."""

import json
import time
from collections.abc import Mapping
from typing import Any, Final

from judging import CLUSTERS

from brokers import record_headers as stream_headers
from clustertrack.rejected import records as replays
from fuzzing.cases import ARRIVED, One, decoded
from fuzzing.holds import sound_activity, sound_faults
from schemas import binding, events
from schemas.errors import UsageFault
from schemas.events import Activity
from schemas.faults import Fault

Judged = tuple[Activity, dict[str, Any]] | list[Fault]
ARRIVALS: Final = (ARRIVED, ARRIVED + 365 * 86_400_000, 1_540_688_400_000, 1_798_675_200_000, 1_456_704_000_000)
"""Also the hour in which summer time ends, the last day of 2026, and 29 February 2016."""
TOPIC: Final = "activity.events.v1"
MOST: Final = getattr(binding, "MAX_FIELDS", 1_000_000)


def event(data: bytes) -> None:
    """A record is an activity or has faults; the second time too, and in both modes."""
    case = decoded(data)
    arrived = ARRIVALS[case.setting(0) % len(ARRIVALS)]
    for one in case.records:
        headers = _limited(one)
        read = stream_headers.read_headers(headers)
        before = None if read.event is None else dict(read.event)
        found = _judge(one.value, read.event, arrived)
        assert before == read.event
        assert found == _judge(one.value, read.event, arrived)
        if isinstance(found, list):
            sound_faults(found)
        else:
            sound_activity(*found, arrived)
            assert found[1]["subject"] == str(found[0].company_id)
        if read.event is None:
            _other_mode(one.value, found, arrived)


def _limited(one: One) -> list[tuple[str, bytes | None]]:
    """The headers, as many as are ever read."""
    return one.text_headers[: getattr(stream_headers, "MAX_HEADERS", 1000)]


def _judge(value: bytes | None, headers: Mapping[str, bytes | None] | None, arrived: int) -> Judged:
    return events.read_event(value, headers, arrived, CLUSTERS)


def _other_mode(value: bytes | None, found: Judged, arrived: int) -> None:
    """The same event in binary mode, where that can say the same: with attributes that are texts."""
    try:
        document = json.loads(value or b"", object_pairs_hook=_single)
    except (ValueError, RecursionError):
        return
    if not isinstance(document, dict) or "data" not in document or len(document) > MOST:
        return
    if isinstance(found, list) and (len(found) > 90 or {one.code for one in found} & {"invalid_json", "invalid_utf8"}):
        return
    data = document.pop("data")
    given = document.pop("datacontenttype", "application/json")
    texts = all(isinstance(text, str) and name == name.lower() for name, text in document.items())
    if not document:
        return  # without attributes it is not a CloudEvent, and its data is not judged
    if not texts or given != "application/json" or "datacontenttype" in document:
        return
    try:
        headers = {f"ce_{name}": text.encode() for name, text in document.items()} | {"content-type": given.encode()}
        plain = json.dumps(data, allow_nan=False).encode()  # a number beyond floats cannot be written again
    except (ValueError, RecursionError):
        return
    other = _judge(plain, headers, arrived)
    if isinstance(found, list):
        assert isinstance(other, list), (found, other)
        # Which of the values is shown is not the same where one mode reads a number and the other a text.
        assert {one[:2] for one in found} == {one[:2] for one in other}, (found, other)
    else:
        assert not isinstance(other, list), (found, other)
        assert found[0] == other[0]


def _single(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object whose names are all different: of an extension that is there twice the first one is judged too, which
    binary mode cannot say.
    """
    if len(dict(pairs)) < len(pairs):
        raise ValueError("a name is there twice")
    return dict(pairs)


# ---- headers

_BASE: Final = 0.2
_EACH: Final = 40e-6
_BYTE: Final = 100e-9
"""Seconds that reading may take: some, and more for each header and each byte. Far more than it needs, with
instrumented code on a busy machine, and far less than work that grows with the square."""


def headers(data: bytes) -> None:
    """Any headers are read in a time that grows with their number, and mean what they say."""
    case = decoded(data)
    partition = case.setting(0) % 3
    for one in case.records:
        given = one.text_headers
        allowed = _BASE + len(given) * _EACH + sum(len(name) + len(value or b"") for name, value in given) * _BYTE
        took = min(_seconds(one, given) for _ in range(1))
        if took > allowed:
            took = min(_seconds(one, given) for _ in range(3))
        assert took <= allowed, f"{len(given)} headers took {took:.2f} s, {allowed:.2f} s are allowed"
        _mean_what_they_say(given, partition)


def _seconds(one: One, given: list[tuple[str, bytes | None]]) -> float:
    begun = time.process_time()
    read = stream_headers.read_headers(given)
    if read.event is not None:
        binding.unbind(one.value or b"", read.event)
    return time.process_time() - begun


def _mean_what_they_say(given: list[tuple[str, bytes | None]], partition: int) -> None:
    given = given[: getattr(stream_headers, "MAX_HEADERS", 1000)]
    read = stream_headers.read_headers(given)
    assert read == stream_headers.read_headers(tuple(given))
    assert read.written >= read.size >= sum(len(name) + len(value or b"") for name, value in given)
    origins = [value or b"" for name, value in given if name == "ct-origin"]
    assert read.origin == (origins[-1] if origins else None)
    if read.event is not None:
        known = {name.lower(): value for name, value in given}
        assert set(read.event) <= {name for name in known if name == "content-type" or name.startswith("ce_")}
        for name, value in read.event.items():
            all_of_it = {content for other, content in given if other.lower() == name}
            assert all_of_it == {value} or (len(all_of_it) > 1 and b"\xff" in (value or b"")), name
        found = binding.unbind(b"{}", read.event)
        if isinstance(found, list):
            sound_faults(found)
    if read.origin is not None:
        place = stream_headers.other_place(read.origin, TOPIC, partition)
        assert place is None or (0 <= place[0] < 65_535 and place[0] != partition and 0 <= place[1] < 10**19)
        assert place is None or read.origin.startswith(TOPIC.encode() + b"/")
    count = replays.replays_of(tuple(given))
    assert 0 <= count <= 9999
    for _, value in given:
        _place(value or b"")


def _place(value: bytes) -> None:
    text = value.decode("utf-8", "backslashreplace")
    try:
        place = replays.read_address(text)
    except UsageFault as error:
        str(error).encode("utf-8", "backslashreplace")
        return
    assert replays.read_address(str(place)) == place
