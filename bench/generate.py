"""The one source of events and companies of all measurements: seeded, with its truth next to it.

Events are as CRMs send them: CloudEvents in structured JSON, 300 to 500 bytes. Of a hundred records 5 are exact
repeats, 3 corrections, 1 a retraction, and of two hundred one is invalid. The letter next to each event says which it
is.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

from schemas.cvr import CvrError, parse_cvr
from schemas.registry_document import read_sample

COMPANIES = 18_000
SEED = 20181231
NEW, REPEAT, INVALID = "n", "r", "i"
RECENT = 20_000
"""Repeats and corrections are of one of this many earlier events."""
HEADERS = [("content-type", b"application/cloudevents+json; charset=utf-8")]
KINDS = (
    ("workshop.attended", "workshop_id", "WS"),
    ("project.started", "project_id", "PR"),
    ("product.launched", "product_id", "PD"),
)
TITLES = (
    "Digital twins in food production",
    "Bæredygtige materialer",
    "AI for exporters",
    "Grøn omstilling: første skridt",
)
OUTCOMES = (["new_competencies"], ["new_ideas", "new_competencies"], ["new_products"], [])
REGIONS = ("DK011", "DK021", "DK032", "DK041", "DK050")
INDUSTRIES = ("620100", "108900", "282900", "721900", "461900")
WRITERS = (
    json.JSONEncoder(),
    json.JSONEncoder(ensure_ascii=False, separators=(",", ":")),
    json.JSONEncoder(ensure_ascii=False),
)
"""CRMs do not agree on how JSON is written."""
ID_MASK = 2**64 - 1


@dataclass(frozen=True)
class Truth:
    """What the ledger must hold after the first `records` events."""

    records: int
    versions: int
    """Distinct accepted versions, retractions included."""
    repeats: int
    invalid: int
    ids: int
    """Sum of the first 64 bits of the ids of all versions, modulo 2**64: the very versions, not only as many."""


def company_numbers(count: int = COMPANIES) -> list[int]:
    """Valid CVR numbers, drawn from the seed."""
    rng, found = Random(SEED), set[int]()
    while len(found) < count:
        try:
            found.add(parse_cvr(str(rng.randrange(10_000_000, 70_000_000))))
        except CvrError:
            continue
    return sorted(found)


def sources() -> list[str]:
    """Sources that speak for one cluster alone on the days of the events."""
    return [cluster.sources[0] for cluster in read_sample().clusters if cluster.valid_to]


def _event(rng: Random, number: int, company: int, source: str) -> dict[str, Any]:
    kind, field, prefix = rng.choice(KINDS)
    thing = f"{prefix}-{rng.randrange(40_000)}"
    day = date(2021, 1, 1) + timedelta(days=rng.randrange(1_000))
    recorded = datetime(2022, 1, 1, 8, tzinfo=UTC) + timedelta(milliseconds=rng.randrange(60_000_000_000))
    data: dict[str, Any] = {"activity_id": f"{thing}/{company}-{number}", "occurred_on": day.isoformat()}
    if rng.random() < 0.8:  # noqa: PLR2004  (a draw)
        data |= {field: thing, "title": rng.choice(TITLES)}
    if rng.random() < 0.4:  # noqa: PLR2004  (a draw)
        data["outcomes"] = rng.choice(OUTCOMES)
    return {
        "specversion": "1.0",
        "id": f"{rng.getrandbits(128):032x}",
        "source": source,
        "type": f"org.clustertrack.{kind}.v1",
        "subject": f"{company:08d}",
        "time": recorded.isoformat(timespec="milliseconds" if number % 2 else "seconds"),
        "datacontenttype": "application/json",
        "data": data,
    }


def events(count: int, companies: Sequence[int]) -> Iterator[tuple[str, bytes, str]]:
    """(letter, value, id) of each record, always the same ones; fewer records are a prefix of more."""
    rng, speakers = Random(SEED), sources()
    recent: list[tuple[dict[str, Any], bytes]] = []
    for number in range(count):
        draw, letter = rng.random(), NEW
        chosen = recent[rng.randrange(len(recent))] if recent and draw < 0.09 else None  # noqa: PLR2004  (a draw)
        if chosen and draw < 0.05:  # noqa: PLR2004  (a draw)
            yield REPEAT, chosen[1], ""
            continue
        if chosen:
            # Its number makes the id unique, and its time later than all earlier ones.
            later = datetime(2025, 3, 1, 8, tzinfo=UTC) + timedelta(milliseconds=number)
            document = {**chosen[0], "id": f"{rng.getrandbits(128):032x}", "time": later.isoformat("T", "milliseconds")}
            if draw < 0.08:  # noqa: PLR2004  (a draw)
                document["data"] = {**document["data"], "title": "Corrected"}
            else:
                document["type"] = "org.clustertrack.activity.retracted.v1"
                document["data"] = {"activity_id": chosen[0]["data"]["activity_id"], "reason": "entered twice"}
        else:
            document = _event(rng, number, rng.choice(companies), rng.choice(speakers))
            if draw > 0.995:  # noqa: PLR2004  (a draw)
                document["data"]["email"] = "somebody@example.org"
                letter = INVALID
        value = WRITERS[number % 3].encode(document).encode()
        if letter is NEW and "occurred_on" in document["data"]:  # a retraction is not corrected
            if len(recent) < RECENT:
                recent.append((document, value))
            else:
                recent[number % RECENT] = (document, value)
        yield letter, value, document["id"]


def truth_of(made: Iterable[tuple[str, bytes, str]]) -> Truth:
    """Count what these records must lead to."""
    letters, ids = {NEW: 0, REPEAT: 0, INVALID: 0}, 0
    for letter, _, event_id in made:
        letters[letter] += 1
        if letter == NEW:
            ids += int(event_id[:16], 16)
    return Truth(sum(letters.values()), letters[NEW], letters[REPEAT], letters[INVALID], ids & ID_MASK)


def write_events(path: Path, count: int) -> None:
    """One record a line: letter, id, value, with tabs between."""
    with path.open("wb") as file:
        for letter, value, event_id in events(count, company_numbers()):
            file.write(f"{letter}\t{event_id}\t".encode() + value + b"\n")


def read_events(path: Path, count: int) -> Iterator[tuple[str, bytes, str]]:
    """The first `count` records of a file of `write_events`."""
    with path.open("rb") as file:
        for _, line in zip(range(count), file, strict=False):
            letter, event_id, value = line.rstrip(b"\n").split(b"\t", 2)
            yield letter.decode(), value, event_id.decode()


def subject_of(value: bytes) -> bytes:
    """The key of a record: the CVR number of its company."""
    at = value.index(b'"subject"') + 9
    start = value.index(b'"', at) + 1
    return value[start : start + 8]


def write_register(path: Path, companies: int = COMPANIES) -> None:
    """The register file: one version of each company, some with a larger one later."""
    with path.open("w", encoding="utf-8") as file:
        columns = (
            "cvr,valid_from,name,legal_form,employees,region,industry_scheme,industry,successor_cvr,successor_from"
        )
        file.write(columns + "\n")
        for number, cvr in enumerate(company_numbers(companies)):
            rest = f"{REGIONS[number % 5]},DB07,{INDUSTRIES[number % 5]},,"
            name = f"Syntetisk Møbelfabrik {number} ApS"
            file.write(f"{cvr:08d},2010-01-01,{name},80,{number % 250},{rest}\n")
            if number % 3 == 0:
                file.write(f"{cvr:08d},2022-07-01,{name},80,{number % 250 + 20},{rest}\n")
