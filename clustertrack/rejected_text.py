"""Rejected records as a person reads them. What publishers wrote is shown so that a terminal does not obey it."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final, NamedTuple

from reports.layout import number
from schemas import company, faults
from schemas.faults import Fault
from schemas.people import masked
from schemas.replays import RecordPlace, RejectedRecord, replays_of
from sinks.rejected import Count, Listed, Page
from sinks.rejected_actions import Done, Story
from sources.replay import Outgoing
from sources.resending import NOT_KNOWN, Results

_WIDTH: Final = 16
"""Bytes in a line of a hex dump."""
SHOWN: Final = 20
"""Lines of each kind that are printed of a long run; JSON has all."""


class Would(NamedTuple):
    """What a dry run would send."""

    place: RecordPlace
    to: str
    sent: Outgoing
    faults: list[Fault]
    """What would be wrong with it now."""


def records(count: int) -> str:
    """`1 record`, `2,000 records`."""
    return "1 record" if count == 1 else f"{number(count)} records"


def instant(value: datetime) -> str:
    """`2018-05-03 14:05:09Z`."""
    return f"{value:%Y-%m-%d %H:%M:%S}Z"


def visible(text: str) -> str:
    """The text on one line: whatever is no printable character is escaped."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def columns(rows: Sequence[Sequence[str]], indent: str = "") -> str:
    """Rows of equal length as lines, every column to the left, two blanks between."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        indent + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def list_text(page: Page, count: Count, *, limit: int) -> str:
    """The open records of a page as a table, the counts beneath; `limit` is the most replays."""
    rows = [("place", "arrived", "source", "reason", "replays", "")]
    rows += [
        (
            str(record.place),
            instant(record.log_time),
            visible(masked(record.source)) or "-",
            visible(record.faults[0].code) if record.faults else "",
            str(record.replays),
            _state(record, limit),
        )
        for record in page.records
    ]
    table = columns(rows) + "\n\n" if page.records else ""
    same = f" ({number(count.messages)} different)" if count.messages != count.records else ""
    text = f"{table}{number(count.records)} open{same}\n"
    return text + (f"the next ones: --after {page.records[-1].place}\n" if page.more else "")


def closed_text(done: Sequence[Done]) -> str:
    """Closed records as a table, with what became of each."""
    if not done:
        return "none\n"
    rows = [("place", "when", "who", "what became of it", "note")]
    rows += [
        (
            str(d.action.place),
            instant(d.action.acted_at),
            visible(d.action.acted_by),
            outcome(d),
            visible(d.action.note),
        )
        for d in done
    ]
    return columns(rows) + "\n"


def outcome(done: Done) -> str:
    """What was done with a record and what came of it."""
    action = done.action
    if action.action == "replaying":
        return f"a replay began and was interrupted: repeat it (clustertrack rejected replay {action.place})"
    if action.action == "abandoned":
        return f"a replay was interrupted{'' if action.note == NOT_KNOWN else ' before it left'}"
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


def show_text(record: RejectedRecord, story: Story) -> str:
    """Everything about one record."""
    head = [
        ("arrived", instant(record.log_time)),
        ("source", visible(record.source) or "-"),
        ("receipt", story.status or "none: its topic has no receipts"),
        ("replays", str(replays_of(record.headers))),
    ]
    if story.replay_of:
        head.append(("sent for", str(story.replay_of)))
    parts = [
        f"{record.place}\n{columns(head, '  ')}",
        "faults\n" + columns([_fault(fault) for fault in record.faults], "  "),
        "headers\n" + ("\n".join(_headers(record)) or "  none"),
        "key\n" + (_indented(record.key) if record.key is not None else "  none"),
        _payload(record),
    ]
    if story.done:
        lines = [(instant(d.action.acted_at), visible(d.action.acted_by), outcome(d), visible(d.action.note))
                 for d in story.done]  # fmt: skip
        parts.append("what was done\n" + columns(lines, "  "))
    return "\n\n".join(parts) + "\n"


def replayed_text(results: Results, would: Sequence[Would], *, dry_run: bool) -> str:
    """What a replay did, or would do."""
    lines = [f"{w.place} -> {w.to}: {_verdict(w)}" for w in would]
    lines += [f"{action.place} -> {action.to}" for action in results.replayed]
    lines += [f"{action.place} -> {action.to}: had been sent before an interruption" for action in results.found]
    if dry_run:
        last = f"would replay {records(len(would))}; judged here, with the cluster registry of this machine"
    else:
        last = f"replayed {records(len(results.replayed))}"
        last += f", {number(len(results.found))} more had been sent before" if results.found else ""
    return "\n".join([*first_lines(lines), *refused_lines(results), last]) + "\n"


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
    meaning = faults.CODES.get(fault.code) or company.CODES.get(fault.code, "")
    return visible(fault.field) or "-", visible(fault.code), visible(fault.value), meaning


def _headers(record: RejectedRecord) -> Iterator[str]:
    for name, value in record.headers:
        text = "null" if value is None else _one_line(value)
        yield f"  {visible(name)}: {text}"


def _payload(record: RejectedRecord) -> str:
    payload = record.payload
    if payload is None:
        return "payload\n  none: a tombstone" if record.whole else "payload\n  none of it could be kept"
    size = f"{number(len(payload))} bytes"
    if record.original is not None:
        size += f" of {number(record.original.size)}"
        size += f", SHA-256 of all {record.original.sha256.hex()}" if record.original.sha256 else ""
    return f"payload, {size}\n{_indented(payload)}"


def _one_line(value: bytes) -> str:
    try:
        return visible(value.decode("utf-8"))
    except UnicodeDecodeError:
        return "0x" + value.hex()


def _indented(value: bytes) -> str:
    """Text where it is some, else a hex dump."""
    try:
        text = value.decode("utf-8").replace("\r\n", "\n")
    except UnicodeDecodeError:
        text = "\0"
    plain = all(c.isprintable() or c in "\n\t" for c in text)
    return "\n".join(f"  {line}" for line in (text.split("\n") if plain else _hex_dump(value)))


def _hex_dump(value: bytes) -> Iterator[str]:
    for start in range(0, len(value), _WIDTH):
        part = value[start : start + _WIDTH]
        shown = "".join(chr(byte) if 0x20 <= byte < 0x7F else "." for byte in part)  # noqa: PLR2004  (printable ASCII)
        yield f"{start:08x}  {part.hex(' '):<{3 * _WIDTH - 1}}  |{shown}|"
