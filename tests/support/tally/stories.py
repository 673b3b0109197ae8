"""Random stories for the whole pipeline: records for Kafka in phases, as clumsy publishers send them."""

import json
import random
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

from tally.histories import EDGES
from tally.judge import OUTCOMES, PREFIX, SUFFIX, Cluster, is_cvr
from tally.records import Company
from tally.registers import random_register

FOOD, ENERGY = "https://crm.food.example", "https://crm.energy.example"
CLUSTERS = (
    Cluster("food-bio", date(2010, 1, 1), date(2100, 1, 1), FOOD),
    Cluster("energy", date(2010, 1, 1), date(2018, 12, 31), ENERGY),
    Cluster("life", date(2018, 7, 1), date(2100, 1, 1), ENERGY),
)
YEARS = (2016, 2017, 2018, 2019, 2020)
PHASES = 2
Record = tuple[bytes | None, bytes | None, list[Any], int | None]
"""Key, value, headers, partition (None = that of the key)."""


@dataclass
class Phase:
    """What is published, and counted before the next phase."""

    companies: list[Record]
    events: list[Record]


def registry_file(institutions: Iterable[int]) -> str:
    """The clusters as the product reads them, and some institutions."""
    listed = "".join(
        f'[[institution]]\ncvr = {cvr}\nvalid_from = 2010-01-01\nvalid_to = 2018-12-31\nreason = "university"\n\n'
        for cvr in institutions
    )
    return listed + "\n".join(
        f'[[cluster]]\nslug = "{c.slug}"\nname = "{c.slug}"\nvalid_from = {c.first}\nvalid_to = {c.last}\n'
        f'sources = ["{c.source}"]'
        for c in CLUSTERS
    )


def some_companies(seed: int, companies: int) -> list[int]:
    """The first of the companies that a story of that seed and size is about."""
    return _numbers(random.Random(seed), companies // 6)


def random_story(seed: int, activities: int, companies: int, partitions: int) -> list[Phase]:
    """A story of some activities; ids differ by the seed."""
    rng = random.Random(seed)
    numbers = _numbers(rng, companies + companies // 6 + 1)
    phases = [Phase([], []) for _ in range(PHASES)]
    for row, number in _register(rng, random_register(rng, numbers[:companies], numbers, EDGES)):
        phases[number].companies.append(_company(row))
    for number in range(activities):
        for value, subject in _activity(rng, f"S{seed}-{number}", numbers):
            first = rng.randrange(PHASES)
            for place in range(first, PHASES):  # some come again at once, some later
                for _ in range(rng.choice((0, 0, 1) if place > first else (1, 1, 1, 2))):
                    phases[place].events.append(_placed(rng, value, subject, partitions))
    for phase in phases:
        rng.shuffle(phase.companies)
        rng.shuffle(phase.events)
    return phases


def _numbers(rng: random.Random, count: int) -> list[int]:
    found: list[int] = []
    while len(found) < count:
        number = rng.randrange(10_000_000, 100_000_000)
        if is_cvr(str(number)) and number not in found:
            found.append(number)
    return found


def _register(rng: random.Random, rows: list[Company]) -> list[tuple[Company, int]]:
    """Rows and their phases. What another file of the same instant says comes later: of one batch none is first."""
    first: dict[tuple[int, date, int], tuple[Company, int]] = {}
    found = []
    for row in rows:
        identity = row[:3]
        said = row._replace(known_at=rows[0].known_at)
        if identity not in first:
            phase = rng.randrange(PHASES)
            first[identity] = (said, phase)
        elif said == first[identity][0]:
            phase = rng.randrange(PHASES)
        elif first[identity][1] == 0:
            phase = 1
        else:
            continue
        if said == first[identity][0] and phase < first[identity][1]:
            phase = first[identity][1]
        found.append((said, phase))
    return found


def _company(row: Company) -> Record:
    said = row._asdict()
    for name in ("company_id", "is_deleted", "successor_id", "known_at"):
        said.pop(name)
    said |= {
        "cvr": row.company_id,
        "valid_from": row.valid_from.isoformat(),
        "withdrawn": bool(row.is_deleted),
        "employees_is_band": bool(row.employees_is_band),
        "successor_cvr": row.successor_id or None,
        "ceased_on": row.ceased_on.isoformat() if row.ceased_on else None,
    }
    return f"{row.company_id}/{row.valid_from}".encode(), json.dumps(said).encode(), [], None


# ---- events


def _activity(rng: random.Random, activity_id: str, numbers: list[int]) -> list[tuple[bytes, int]]:
    """Versions of one activity, each with its company."""
    source = rng.choice((FOOD, ENERGY))
    recorded = datetime(2019, 1, 1, tzinfo=UTC) - timedelta(milliseconds=rng.randrange(900 * 86_400_000))
    if rng.random() < 0.1:  # the CRM's clock is fast: all versions are dated after their arrival
        recorded = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=rng.randrange(2, 23))
    subject, data = rng.choice(numbers), _data(rng)
    event_type = rng.choice(("company.joined", "workshop.attended", "project.started", "product.launched"))
    found = []
    for version in range(rng.choice((1, 1, 2, 3, 4))):
        said = {**data, "activity_id": activity_id}
        kind = event_type
        if rng.random() < 0.2:
            kind, said = "activity.retracted", {"activity_id": activity_id, "reason": "entered twice"}
        elif kind == "company.joined" and rng.random() < 0.5:
            said["membership"] = rng.choice(("member", "participant"))
        identifier = f"{activity_id}#{version}"
        if rng.random() < 0.1 and kind != "activity.retracted":  # the day and the activity are those of the event
            identifier = said.pop("activity_id")
            said.pop("occurred_on")
        event = {
            "specversion": "1.0",
            "id": identifier,
            "source": source,
            "type": f"{PREFIX}{kind}{SUFFIX}",
            "subject": rng.choice((f"{subject}", f"DK {subject}")),
            "time": _written(rng, recorded),
            "data": said,
        }
        found.append((_spoilt(rng, event), subject))
        recorded += rng.choice((0, 0, 1, 60_000, -3_600_000)) * timedelta(milliseconds=1)
        changed = rng.randrange(4)
        if changed == 0:
            subject = rng.choice(numbers)
        elif changed == 1:
            event_type = rng.choice(("workshop.attended", "project.started"))
        else:
            data = _data(rng)
    return found


def _data(rng: random.Random) -> dict[str, Any]:
    day = rng.choice(EDGES) if rng.random() < 0.7 else date(2017, 1, 1) + timedelta(days=rng.randrange(900))
    data: dict[str, Any] = {"occurred_on": day.isoformat()}
    outcomes = rng.choice((None, None, [], ["new_ideas"], ["new_products", "new_competencies"], list(OUTCOMES)))
    if outcomes is not None:
        data["outcomes"] = outcomes
    cluster = rng.choice((None, None, "energy", "life"))
    if cluster is not None and rng.random() < 0.6:
        data["cluster"] = cluster
    if rng.random() < 0.5:
        data["title"] = rng.choice(("Æ, ø 'å' \\ \"", "B"))
    return data


def _written(rng: random.Random, instant: datetime) -> str:
    """The instant in one of the zones and precisions of CRMs."""
    zone = timezone(timedelta(hours=rng.choice((0, 1, 2))))
    return (instant + timedelta(microseconds=rng.choice((0, 0, 999)))).astimezone(zone).isoformat()


def _spoilt(rng: random.Random, event: dict[str, Any]) -> bytes:
    """The event as bytes; one in twenty breaks a rule."""
    fault = rng.randrange(100)
    if fault == 0:
        return json.dumps(event).encode()[:-1]
    if fault == 1:
        event["subject"] = "13748137"
    if fault == 2:
        event["type"] = f"{PREFIX}meeting.held{SUFFIX}"
    if fault == 3:
        event["time"] = "2018-05-03T14:05:09"
    if fault == 4:
        event["source"] = "https://crm.unknown.example"
    return json.dumps(event, ensure_ascii=False).encode()


def _placed(rng: random.Random, value: bytes, subject: int, partitions: int) -> Record:
    """With the company's key; or without one, wherever it falls."""
    if rng.random() < 0.1:
        return None, value, [], rng.randrange(partitions)
    return f"{subject}".encode(), value, [("content-type", b"application/cloudevents+json")], None
