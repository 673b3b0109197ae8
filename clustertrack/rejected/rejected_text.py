"""Rejected records as a person reads them. Publishers' text is escaped, so that a terminal does not obey it."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final, NamedTuple

from brokers.topics import EVENTS
from clustertrack.rejected.actions import Done, Story
from clustertrack.rejected.outgoing import Outgoing
from clustertrack.rejected.records import RejectedRecord, replays_of
from clustertrack.rejected.replay import Results
from clustertrack.rejected.store import Count, Listed, Page
from reports.layout import prose
from schemas.addresses import RecordAddress
from schemas.counts import counted, number
from schemas.fault_codes import MEANINGS
from schemas.faults import SET_ASIDE, Fault
from schemas.people import masked
from schemas.visible import Lines, as_lines, is_visible, stacked, table, visible
from sinks.set_aside import Order

_WIDTH: Final = 16
"""Bytes in a line of a hex dump."""
SHOWN: Final = 20
"""Lines of each kind that are printed of a long run; JSON has all."""


class Would(NamedTuple):
    """What a dry run would send."""

    place: RecordAddress
    to: str
    sent: Outgoing
    faults: list[Fault]
    """What would be wrong with it now."""


def records(count: int) -> str:
    """`1 record`, `2,000 records`."""
    return counted(count, "record")


def instant(value: datetime) -> str:
    """`2018-05-03 14:05:09Z`."""
    return f"{value:%Y-%m-%d %H:%M:%S}Z"


def list_text(page: Page, count: Count, *, limit: int, width: int) -> Lines:
    """The open records of a page, the counts beneath.

    Each has a line in a table, and below it what it is about and where it was sent from.

    Args:
        page: the records.
        count: of all that are wanted.
        limit: the most replays.
        width: columns of the screen.
    """
    rows = [("place", "arrived", "reason", "replays", "")]
    rows += [
        (
            str(record.place),
            instant(record.log_time),
            record.faults[0].code if record.faults else "",
            str(record.replays),
            _state(record, limit),
        )
        for record in page.records
    ]
    head, *lines = table(rows).split("\n")
    about = (prose(_about(record), width, indent="  ") for record in page.records)
    listed = [as_lines([head]), *(stacked([as_lines([line]), more]) for line, more in zip(lines, about, strict=True))]
    same = f" ({number(count.messages)} different)" if count.messages != count.records else ""
    last = [f"{number(count.records)} open{same}"]
    if page.more:
        last.append(f"the next ones: --after {page.records[-1].place}")
    return stacked([stacked(listed) if page.records else as_lines([]), as_lines(last)], between=1, end=True)


def _about(record: Listed) -> str:
    """What a record says it is about, and where it comes from."""
    about = record.about
    source = visible(masked(record.source)) or ("source unknown" if record.place.topic == EVENTS else "")
    words = [
        visible(about.document),
        about.company and f"company {visible(about.company)}",
        about.activity and f"activity {visible(about.activity)}",
        about.day and f"on {visible(about.day)}",
        about.file and f"{visible(about.file)} line {number(about.line or 0)}",
        source,
    ]
    return ", ".join(filter(None, words))


def closed_text(done: Sequence[Done]) -> Lines:
    """Closed records as a table, with what became of each."""
    if not done:
        return as_lines(["none"])
    rows = [("place", "when", "who", "what became of it", "note")]
    rows += [
        (
            str(d.action.place),
            instant(d.action.acted_at),
            d.action.acted_by,
            outcome(d),
            d.action.note,
        )
        for d in done
    ]
    return table(rows)


def outcome(done: Done) -> str:
    """What was done with a record and what came of it."""
    action = done.action
    if action.action == "replaying":
        return "a replay began, its result was not noted"
    if action.action == "discarded":
        return "discarded"
    how = "edited, sent" if action.edited else f"sent again ({action.replays})"
    became = {
        "pending": "not counted yet",
        "rejected": f"rejected again: {done.reason}",
        "duplicate": "duplicate of one that counts",
        "rerouted": "sent on to the partition of its company",
    }.get(done.status, done.status)
    return f"{how} as {action.to}: {became}"


def show_text(record: RejectedRecord, story: Story, aside: Sequence[Order] = ()) -> Lines:
    """Everything about one record."""
    head = [
        ("arrived", instant(record.log_time)),
        ("source", record.source or "-"),
        ("receipt", story.status or "none: its topic has no receipts"),
        ("replays", str(replays_of(record.headers))),
    ]
    if story.replay_of:
        head.append(("sent for", str(story.replay_of)))
    parts = [
        _titled(str(record.place), table(head, indent="  ")),
        _titled("faults", table([_fault(fault) for fault in record.faults], indent="  ")),
        _titled("headers", as_lines(_headers(record)) or as_lines(["  none"])),
        _titled("key", _indented(record.key) if record.key is not None else as_lines(["  none"])),
        _payload(record),
    ]
    if story.done or aside:
        lines = [(instant(order.ordered_at), order.ordered_by, "had it set aside", order.reason) for order in aside]
        lines += [(instant(d.action.acted_at), d.action.acted_by, outcome(d), d.action.note) for d in story.done]
        parts.append(_titled("what was done", table(lines, indent="  ")))
    return stacked(parts, between=1, end=True)


def replayed_text(results: Results, would: Sequence[Would], *, dry_run: bool) -> Lines:
    """What a replay did, or would do."""
    lines = [f"{w.place} -> {w.to}: {_verdict(w)}" for w in would]
    lines += [f"{action.place} -> {action.to}" for action in results.replayed]
    if dry_run:
        last = f"would replay {records(len(would))}; judged as workers would now, by the registry in force"
    else:
        last = f"replayed {records(len(results.replayed))}"
    return as_lines([*first_lines(lines), *refused_lines(results), last])


def refused_lines(results: Results) -> list[str]:
    """The records that stay as they are, and why."""
    return first_lines([f"{refused.place} stays: {refused.why}" for refused in results.refused])


def first_lines(lines: list[str]) -> list[str]:
    """The first lines, and how many more there are."""
    more = len(lines) - SHOWN
    return lines if more <= 0 else [*lines[:SHOWN], f"... and {number(more)} more"]


def _verdict(would: Would) -> str:
    codes = ", ".join(visible(fault.code) for fault in would.faults)
    return f"would be rejected again: {codes}" if codes else "would be accepted"


def _state(record: Listed, limit: int) -> str:
    if record.interrupted:
        return "interrupted"
    return "at the limit" if record.replays >= limit else ""


def _fault(fault: Fault) -> tuple[str, str, str, str]:
    return fault.field or "-", fault.code, fault.value, MEANINGS.get(fault.code, "")


def _headers(record: RejectedRecord) -> Iterator[str]:
    for name, value in record.headers:
        text = "null" if value is None else _one_line(value)
        yield f"  {visible(name)}: {text}"


def _payload(record: RejectedRecord) -> Lines:
    payload = record.payload
    if record.reason == SET_ASIDE:
        return _titled("payload", as_lines(["  not kept: it was not read"]))
    if payload is None:
        return _titled("payload", as_lines(["  none: a tombstone" if record.whole else "  none of it could be kept"]))
    size = counted(len(payload), "byte")
    if record.original is not None:
        size += f" of {number(record.original.size)}"
        size += f", SHA-256 of all {record.original.sha256.hex()}" if record.original.sha256 else ""
    return _titled(f"payload, {size}", _indented(payload))


def _titled(title: str, lines: Lines) -> Lines:
    return stacked([as_lines([title]), lines])


def _one_line(value: bytes) -> str:
    try:
        return visible(value.decode("utf-8"))
    except UnicodeDecodeError:
        return "0x" + value.hex()


def _indented(value: bytes) -> Lines:
    """Text where it is some that can be shown as it is, else a hex dump."""
    try:
        lines = value.decode("utf-8").replace("\r\n", "\n").expandtabs(4).split("\n")
    except UnicodeDecodeError:
        lines = ["\0"]
    plain = all(map(is_visible, lines))
    return as_lines(f"  {line}" for line in (lines if plain else _hex_dump(value)))


def _hex_dump(value: bytes) -> Iterator[str]:
    for start in range(0, len(value), _WIDTH):
        part = value[start : start + _WIDTH]
        shown = "".join(chr(byte) if 0x20 <= byte < 0x7F else "." for byte in part)  # noqa: PLR2004  (printable ASCII)
        yield f"{start:08x}  {part.hex(' '):<{3 * _WIDTH - 1}}  |{shown}|"
