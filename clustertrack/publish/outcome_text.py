"""What `publish` says about files: refusals while they are read, what became of each, and how the command ends."""

from shlex import quote
from typing import Any, Final

from clustertrack.publish.dry_run_text import columns_text, event_of, rows_text
from clustertrack.publish.snapshot import Plan
from clustertrack.publish.snapshot_text import plan_as_dict, plan_text
from schemas.counts import counted, one_or_many
from schemas.errors import CheckFailed
from schemas.people import masked
from schemas.screen import say, show
from schemas.visible import as_lines, json_lines
from sources.files.file_publisher import Input, Outcome, Table
from sources.files.refused_rows import Refusal

_SHOWN: Final = 20
"""Refusals printed when they are also in FILE.refused.csv; a dry run prints all."""

_IN_JSON: Final = 100_000
"""Refusals in the JSON answer, which is one document and has to be held in memory."""


class Report:
    """Says what was refused while the files are read, and what became of each file at the end."""

    def __init__(self, *, as_json: bool, dry_run: bool, reading: str = "", sending: str = "") -> None:
        """Args that need an explanation:
        reading: options that say how the files are read, to be named in what to do next.
        sending: those that say what is sent.
        """
        self._reading = reading
        self._sending = sending
        self._as_json = as_json
        self._dry_run = dry_run
        self._plan: dict[str, Any] | None = None
        self._sources: list[Input] = []
        self._outcomes: list[Outcome] = []
        self._refusals: list[Refusal] = []
        self._said = 0
        self._unsaid = 0
        self._not_judged = ""

    def not_judged(self, why: str) -> None:
        """Sources and clusters cannot be judged in this dry run."""
        self._not_judged = why
        say(f"sources and clusters are not judged (--registry FILE would): {why}", err=True)

    def file(self, source: Input) -> None:
        """A file is about to be read."""
        self._sources.append(source)
        if self._dry_run and not self._as_json:
            show(columns_text(source))

    def plan(self, plan: Plan, *, needs_yes: bool) -> None:
        """What a snapshot will retract."""
        self._plan = {**plan_as_dict(plan), "needs_yes": needs_yes}
        if not self._as_json:
            show(plan_text(plan))
            if self._dry_run and needs_yes:
                say(f"  {plan.percent:.1f} % is so much that it is only retracted with --yes")

    def snapshot_sent(self, plan: Plan) -> None:
        """A snapshot is done."""
        if not self._as_json and not plan.refused:
            retractions = counted(plan.retracted, "retraction")
            say(f"{retractions} {'would be sent' if self._dry_run else 'sent'}")

    def refusal(self, refusal: Refusal) -> None:
        """One row cannot be sent, or has a fault for which a worker would reject it."""
        self._said += 1
        refusal = refusal.without_people()
        if self._as_json:
            if len(self._refusals) < _IN_JSON:
                self._refusals.append(refusal)
        elif self._dry_run or self._said <= _SHOWN:
            say(f"{'to be rejected' if refusal.sent else 'refused'}: {refusal}")
        else:
            self._unsaid += 1

    def outcome(self, outcome: Outcome) -> None:
        """One file is done."""
        self._outcomes.append(outcome)
        if self._as_json:
            return
        if self._unsaid:
            say(f"and {counted(self._unsaid, 'more fault')}: --dry-run prints them all")
            self._unsaid = 0
        if rows := rows_text(outcome.examples):
            show(rows)
        say(self._sentence(outcome))

    def _sentence(self, outcome: Outcome) -> str:
        verb = "would be sent" if self._dry_run else "sent"
        text = f"{outcome.file}: {counted(outcome.events, 'event')} {verb}, {outcome.refused:,} refused"
        if outcome.refused_file:
            text += f" (in {outcome.refused_file})"
        if outcome.list_trouble:
            text += f"; {outcome.list_trouble}: --dry-run prints them all"
        if outcome.rejected:
            whose = "of the events" if outcome.events > outcome.accepted else "of the refused rows"
            text += f"; {outcome.rejected:,} {whose} would be rejected by a worker"
        if _is_held_back(outcome):
            text += ", and none would be accepted: check source and mapping; --anyway sends them all the same"
        if self._not_judged:
            text += "; their sources and clusters are not judged"
        if outcome.left_out:
            text += f"; left out of retractions, which have none: {', '.join(outcome.left_out)}"
        return text

    def _next(self, refused: int) -> list[str]:
        """What to do now, as commands."""
        names = " ".join(quote(outcome.file) for outcome in self._outcomes)
        sendable = sum(outcome.events for outcome in self._outcomes)
        if self._dry_run:
            first = ["  fix the rows in the export, and look again; or"] if refused else []
            send = f"  send what is right: clustertrack publish {names}{self._reading}{self._sending}"
            if sendable:
                return ["", "Nothing was sent. Next:", *first, send]
            held = any(map(_is_held_back, self._outcomes))
            return ["", "Nothing was sent." if held else "Nothing was sent, and nothing can be."]
        if not sendable:
            return []
        see = f"clustertrack publish --verify {names}{self._reading}"
        return [f"What became of it, when `clustertrack status --wait 60` has returned: {see}"]

    def finish(self) -> None:
        """Print the JSON answer, or what to do next; raise CheckFailed when rows were refused."""
        refused = self.answer()
        if self._plan and self._plan["refused"] and not refused:
            raise CheckFailed("Nothing was retracted: rows that a worker would reject have no activity; fix them")
        if refused:
            rows = f"{counted(refused, 'row')} {one_or_many(refused, 'was', 'were')}"
            them = one_or_many(refused, "it", "them")
            lists = [str(one.refused_file) for one in self._outcomes if one.refused_file]
            do = f"fix {them}" + (
                f" in {', '.join(lists)}, then publish {one_or_many(len(lists), 'that', 'those')}" if lists else ""
            )
            rest = f"; everything else {'can be' if self._dry_run else 'is'} sent"
            raise CheckFailed(f"{rows} refused: {do}{rest if any(one.events for one in self._outcomes) else ''}")

    def answer(self) -> int:
        """Print the JSON answer, or what to do next. Returns how many rows were refused."""
        refused = sum(outcome.refused for outcome in self._outcomes)
        if self._as_json:
            answer = {
                "dry_run": self._dry_run,
                "events": sum(outcome.events for outcome in self._outcomes),
                "accepted": sum(outcome.accepted for outcome in self._outcomes),
                "rejected": sum(outcome.rejected for outcome in self._outcomes),
                "refused": refused,
                "not_judged": ["source", "data.cluster"] if self._not_judged else [],
                "not_judged_because": self._not_judged or None,
                "files": [_as_dict(*one) for one in zip(self._sources, self._outcomes, strict=True)],
                "refusals": [refusal._asdict() for refusal in self._refusals],
            }
            if self._plan is not None:
                answer["snapshot"] = self._plan
            show(json_lines(answer))
        elif lines := self._next(refused):
            show(as_lines(lines))
        return refused


def _is_held_back(outcome: Outcome) -> bool:
    """Whether a file is not sent because a worker would reject all of it."""
    return bool(outcome.rejected and not outcome.accepted and not outcome.events)


def _as_dict(source: Input, outcome: Outcome) -> dict[str, Any]:
    builder = source.builder if isinstance(source, Table) else None
    return {
        "file": outcome.file,
        "columns": None if builder is None else {masked(title): fields for title, fields in builder.uses.items()},
        "fixed": None if builder is None else builder.fixed,
        "not_sent": None if builder is None else [masked(title) for title in builder.unused],
        "events": outcome.events,
        "accepted": outcome.accepted,
        "rejected": outcome.rejected,
        "refused": outcome.refused,
        "refused_file": str(outcome.refused_file) if outcome.refused_file else None,
        "list_trouble": outcome.list_trouble or None,
        "left_out": list(outcome.left_out),
        "without_key": outcome.without_key,
        "examples": [event for one in outcome.examples if (event := event_of(one.value)) is not None],
    }
