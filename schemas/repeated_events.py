"""Judges events that were made here, row by row of one file, without judging again what repeats. Pure.

The faults of an event are those of its parts, each for itself (`schemas.events`): source, type, day, outcomes, cluster
and membership together; the subject; the time; and the texts. So an event is accepted whose time is right, whose texts
are short, not blank and without a sign of personal data, and whose other parts were in events that were accepted. Any
other is judged as a whole: faults are never put together here.
"""

from typing import Any, Final

from schemas.envelope import DETAILS, LONGEST_ID
from schemas.events import Clusters, judge_event
from schemas.faults import Fault
from schemas.field_rules import judge_time
from schemas.people import worth_a_look

_MOST: Final = 65_536
"""Subjects, and combinations of the other parts, that are remembered."""
_FEW: Final = 8
"""Most outcomes of an event that is remembered."""
_SHORT: Final = 64
"""Characters of the longest subject that is remembered."""
_TEXTS: Final = frozenset(("activity_id", *DETAILS))


class RepeatedEvents:
    """Judges many events that arrive at one instant, each with the attributes of `sources.files.made_events` and no
    others, and all of its texts strings.

    Args:
        clusters: the cluster registry.
        arrived: ms since 1970 UTC.
        allow_personal_data: whether CPR numbers and e-mail addresses in texts are no fault.
    """

    def __init__(self, clusters: Clusters, arrived: int, *, allow_personal_data: bool) -> None:
        self._clusters, self._arrived, self._allowed = clusters, arrived, allow_personal_data
        self._accepted: set[tuple[object, ...]] = set()
        self._subjects: set[str] = set()

    def faults(self, event: dict[str, Any]) -> list[Fault]:
        """What `schemas.events.judge_event` finds wrong with an event; nothing when it is accepted."""
        data = event["data"]
        outcomes = data.get("outcomes")
        parts = (
            event["source"],
            event["type"],
            data.get("occurred_on"),
            None if outcomes is None else tuple(outcomes),
            data.get("cluster"),
            data.get("membership"),
        )
        subject = event["subject"]
        if parts in self._accepted and subject in self._subjects and self._is_right(event):
            return []
        found = judge_event(event, self._arrived, self._clusters, self._allowed)
        if isinstance(found, list):
            return found
        # Without a day of its own, the day follows from the time.
        if parts[2] is not None and (outcomes is None or len(outcomes) <= _FEW) and len(subject) <= _SHORT:
            if max(len(self._accepted), len(self._subjects)) >= _MOST:
                self._accepted.clear()
                self._subjects.clear()
            self._accepted.add(parts)
            self._subjects.add(subject)
        return []

    def _is_right(self, event: dict[str, Any]) -> bool:
        """Whether the parts that hardly repeat are right; False where it takes a closer look."""
        texts = [event["id"], *[text for name, text in event["data"].items() if name in _TEXTS]]
        together = f" {' '.join(texts)}"
        # Short as they are together, none is too long.
        return (
            len(together) <= LONGEST_ID
            and all(map(str.strip, texts))
            and (self._allowed or not worth_a_look(together))
            and judge_time(event["time"], self._arrived, []) is not None
        )
