"""What `publish` says about files: refusals while they are read, what became of each, and how the command ends."""

import json
from typing import Any, Final

from schemas.errors import CheckFailed
from schemas.people import masked_bytes
from schemas.screen import say, show
from schemas.visible import Lines, as_lines, json_lines, json_text, visible
from sources.files.file_publisher import Outcome
from sources.files.refused_rows import Refusal

_SHOWN: Final = 20
"""Refusals printed when they are also in FILE.refused.csv; a dry run prints all."""

_IN_JSON: Final = 100_000
"""Refusals in the JSON answer, which is one document and has to be held in memory."""


class Report:
    """Says what was refused while the files are read, and what became of each file at the end."""

    def __init__(self, *, as_json: bool, dry_run: bool) -> None:
        self._as_json = as_json
        self._dry_run = dry_run
        self._outcomes: list[Outcome] = []
        self._refusals: list[Refusal] = []
        self._said = 0

    def refusal(self, refusal: Refusal) -> None:
        """One row cannot be sent, or has a fault for which a worker would reject it."""
        self._said += 1
        refusal = refusal.without_people()
        if self._as_json:
            if len(self._refusals) < _IN_JSON:
                self._refusals.append(refusal)
        elif self._dry_run or self._said <= _SHOWN:
            say(f"{'to be rejected' if refusal.sent else 'refused'}: {refusal}")

    def outcome(self, outcome: Outcome) -> None:
        """One file is done."""
        self._outcomes.append(outcome)
        if self._as_json:
            return
        for example in outcome.examples:
            show(_example(masked_bytes(example)))
        say(self._sentence(outcome))

    def _sentence(self, outcome: Outcome) -> str:
        verb = "would be sent" if self._dry_run else "sent"
        events = "1 event" if outcome.events == 1 else f"{outcome.events:,} events"
        text = f"{outcome.file}: {events} {verb}, {outcome.refused:,} refused"
        if outcome.refused_file:
            text += f" (in {outcome.refused_file})"
        if outcome.list_trouble:
            text += f"; {outcome.list_trouble}: --dry-run prints them all"
        if outcome.rejected:
            whose = "of the events" if outcome.events > outcome.accepted else "of the refused rows"
            text += f"; {outcome.rejected:,} {whose} would be rejected by a worker"
        if outcome.rejected and not outcome.accepted and not outcome.events:
            text += ", and none would be accepted: check source and mapping; --anyway sends them all the same"
        if outcome.left_out:
            text += f"; left out of retractions, which have none: {', '.join(outcome.left_out)}"
        return text

    def finish(self) -> None:
        """Print the JSON answer; raise CheckFailed when rows were refused."""
        refused = sum(outcome.refused for outcome in self._outcomes)
        if self._as_json:
            answer = {
                "dry_run": self._dry_run,
                "events": sum(outcome.events for outcome in self._outcomes),
                "accepted": sum(outcome.accepted for outcome in self._outcomes),
                "rejected": sum(outcome.rejected for outcome in self._outcomes),
                "refused": refused,
                "files": [_as_dict(outcome) for outcome in self._outcomes],
                "refusals": [refusal._asdict() for refusal in self._refusals],
            }
            show(json_lines(answer))
        if refused:
            one = refused == 1
            rows, them = ("1 row was", "it") if one else (f"{refused:,} rows were", "them")
            do = f"fix {them}" if self._dry_run else f"fix {them} in the .refused file, then publish that"
            raise CheckFailed(f"{rows} refused: {do}; everything else {'can be' if self._dry_run else 'is'} sent")


def _as_dict(outcome: Outcome) -> dict[str, Any]:
    return {
        "file": outcome.file,
        "events": outcome.events,
        "accepted": outcome.accepted,
        "rejected": outcome.rejected,
        "refused": outcome.refused,
        "refused_file": str(outcome.refused_file) if outcome.refused_file else None,
        "list_trouble": outcome.list_trouble or None,
        "left_out": list(outcome.left_out),
        "without_key": outcome.without_key,
        "examples": [
            json.loads(shown) for shown in map(masked_bytes, outcome.examples) if shown[:1] == b"{" and _is_json(shown)
        ],
    }


def _example(value: bytes) -> Lines:
    """One line: an event as it is sent; what is no JSON is a text like any other."""
    text = value.decode("utf-8", "backslashreplace")
    one = text.replace("\r", " ").replace("\n", " ")  # blanks between JSON's values
    return json_text(one) if _is_json(value) else as_lines([visible(text)])


def _is_json(value: bytes) -> bool:
    try:
        json.loads(value)
    except ValueError:
        return False
    return True
