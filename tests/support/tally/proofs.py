"""The proofs of completeness by brute force: offsets and their receipts, receipts and their rows, rows and receipts."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from tally.figures import Figures
from tally.records import NOW, Activity, Bound, History, Receipt

Row = dict[str, Any]
_RANKS = {"duplicate": 1, "rejected": 2, "rerouted": 3, "accepted": 4, "retracted": 5}
_PIPELINE = 0xFF << 55


class Hole(NamedTuple):
    """Offsets without a receipt, both ends included."""

    bound: Bound
    first: int
    last: int

    @property
    def missing(self) -> int:
        """Offsets in it."""
        return self.last - self.first + 1


class Proofs:
    """All proofs of one history."""

    def __init__(self, history: History) -> None:
        self.history = history
        self._receipts: dict[tuple[str, int, int, int], Receipt] = {}
        for receipt in history.receipts:
            place = receipt[:4]
            other = self._receipts.get(place)
            if other is None or _rank(receipt) > _rank(other):
                self._receipts[place] = receipt
        self._rows = {(row.source, row.activity_id, row.revision) for row in history.activities}

    def _within(self, bound: Bound) -> list[Receipt]:
        """Receipts of a partition by offset."""
        return sorted(
            (r for r in self._receipts.values() if r[:3] == bound[:3] and bound.low <= r.offset < bound.high),
            key=lambda r: r.offset,
        )

    def _lost(self, receipts: Iterable[Receipt]) -> list[Receipt]:
        return [
            r
            for r in receipts
            if r.status not in ("rejected", "rerouted") and (r.source, r.activity_id, r.revision) not in self._rows
        ]

    def _holes(self, bound: Bound) -> list[Hole]:
        received = {r.offset for r in self._within(bound)}
        holes: list[Hole] = []
        for offset in range(bound.low, bound.high):
            if offset in received:
                continue
            if holes and holes[-1].last == offset - 1:
                holes[-1] = holes[-1]._replace(last=offset)
            else:
                holes.append(Hole(bound, offset, offset))
        return holes

    # ---- views

    def receipt(self) -> list[Row]:
        """One receipt for each offset: an acceptance, then of the newest pipeline, then the one that says most."""
        return [receipt._asdict() for receipt in self._receipts.values()]

    def receipt_hole(self, bounds: Sequence[Bound]) -> list[Row]:
        """Ranges of offsets without a receipt."""
        return [
            {**_partition(bound), "first": hole.first, "last": hole.last, "missing": hole.missing}
            for bound in bounds
            for hole in self._holes(bound)
        ]

    def receipt_without_row(self) -> list[Row]:
        """Receipts whose row the history lacks."""
        hidden = ("reason", "pipeline_version", "sent_to", "origin_partition", "origin_offset", "event_id")
        return [
            {name: value for name, value in receipt._asdict().items() if name not in hidden}
            for receipt in self._lost(self._receipts.values())
        ]

    def reroute_not_arrived(self) -> list[Row]:
        """Rerouted records that no receipt names as its origin."""
        shown = ("topic", "topic_epoch", "partition", "offset", "sent_to", "source", "log_time")
        arrived = {(*r[:2], r.origin_partition, r.origin_offset) for r in self.history.receipts}
        return [
            {name: getattr(r, name) for name in shown}
            for r in self._receipts.values()
            if r.status == "rerouted" and r[:4] not in arrived
        ]

    def row_without_receipt(self) -> list[Row]:
        """Rows that no receipt names, be it as another pipeline wrote the same version."""
        named: dict[tuple[str, str], list[int]] = {}
        for receipt in self._receipts.values():
            if receipt.status in ("accepted", "retracted"):
                named.setdefault((receipt.source, receipt.activity_id), []).append(receipt.revision)
        found: dict[tuple[str, str, int], Activity] = {}
        for row in self.history.activities:
            if not any(_answers_for(revision, row.revision) for revision in named.get(row.identity, [])):
                key = (*row.identity, row.revision)
                if key not in found or row.known_at < found[key].known_at:
                    found[key] = row
        shown = ("source", "activity_id", "revision", "is_deleted", "event_id", "recorded_at")
        return [{name: getattr(row, name) for name in shown} for row in found.values()]

    def activity_difference(self, strays: Sequence[Activity] = ()) -> list[Row]:
        """Where the current table, the history with some strays, and the history alone disagree."""
        current = {row.identity: row for row in Figures(self._with(strays)).standing(NOW)}
        history = {row.identity: row for row in Figures(self.history).standing(NOW)}
        rows = []
        for identity in {**current, **history}:
            sides = [("current", current.get(identity)), ("history", history.get(identity))]
            if sides[0][1] != sides[1][1]:
                found = tuple((side, row.revision) for side, row in sides if row is not None)
                rows.append({"source": identity[0], "activity_id": identity[1], "sides": found})
        return rows

    def _with(self, strays: Sequence[Activity]) -> History:
        return History([*self.history.activities, *strays], self.history.companies)

    # ---- what an analyst should look at

    def activity_moved(self) -> list[Row]:
        """Activities whose versions, retractions left out, name several companies."""
        rows = []
        for (source, activity_id), versions in self._versions().items():
            standing = [row for row in versions if not row.is_deleted]
            companies = {row.company_id for row in standing}
            if len(companies) > 1:
                rows.append(
                    {
                        "source": source,
                        "activity_id": activity_id,
                        "clusters": tuple(sorted({row.cluster for row in standing})),
                        "companies": tuple(sorted(companies)),
                    }
                )
        return rows

    def retraction_without_activity(self) -> list[Row]:
        """Activities of which nothing but retractions is known."""
        return [
            {
                "source": source,
                "activity_id": activity_id,
                "last_revision": max(row.revision for row in versions),
                "revisions": len({row.revision for row in versions}),
                "first_known_at": min(row.known_at for row in versions),
            }
            for (source, activity_id), versions in self._versions().items()
            if all(row.is_deleted for row in versions)
        ]

    def _versions(self) -> dict[tuple[str, str], list[Activity]]:
        found: dict[tuple[str, str], list[Activity]] = {}
        for row in self.history.activities:
            found.setdefault(row.identity, []).append(row)
        return found


def _rank(receipt: Receipt) -> tuple[bool, int, int]:
    return receipt.status in ("accepted", "retracted"), receipt.pipeline_version, _RANKS[receipt.status]


def _answers_for(named: int, revision: int) -> bool:
    """The same revision; or the same time, retracted or not, as another pipeline wrote it."""
    return named == revision or (named >> 63 == revision >> 63 and (named ^ revision) & _PIPELINE != 0)


def _partition(bound: Bound) -> Row:
    return {"topic": bound.topic, "topic_epoch": bound.topic_epoch, "partition": bound.partition}
