"""Random registries, and company registers: growth, mergers, closures, withdrawals, corrections, late arrivals."""

import json
import random
from datetime import UTC, date, datetime, timedelta

from tally.records import Company, Registry

SIZES = (None, None, 0, 1, 2, 4, 5, 9, 10, 19, 20, 49, 49, 50, 50, 51, 99, 100, 199, 200, 499, 500, 999, 1000, 5000)
REGIONS = ("", "DK01", "DK011", "DK032", "DK042")
INDUSTRIES = (("", ""), ("DB07", "014620"), ("DB07", "620100"), ("DB25", "620100"), ("NACE2", "0146"), ("DB07", ""))
FORMS = ("80", "60", "", "", "230", "250")
LONG_AGO = (date(1873, 1, 1), date(1969, 12, 31), date(1999, 1, 1), date(2010, 5, 1))
FIRST_KNOWN = datetime(2018, 6, 1, tzinfo=UTC)


def random_register(
    rng: random.Random, registered: list[int], numbers: list[int], edges: tuple[date, ...]
) -> list[Company]:
    """Deliveries of versions of the registered companies; `numbers` may be named as successors."""
    return [
        delivery
        for place, company in enumerate(registered)
        for delivery in _company(rng, place, company, numbers, edges)
    ]


def random_registries(rng: random.Random, numbers: list[int], edges: tuple[date, ...]) -> list[Registry]:
    """Deliveries of some versions of the registry, each with other institutions; a few come twice."""
    found = []
    for revision in rng.sample(range(1, 50), 4):
        document = {
            "revision": revision,
            "clusters": _clusters(rng, edges),
            "institutions": _listed(rng, numbers, edges),
        }
        version = Registry(revision, json.dumps(document, ensure_ascii=False), _moment(rng))
        found.append(version)
        if rng.random() < 0.3:
            found.append(version._replace(known_at=_moment(rng)))
    return found


def _clusters(rng: random.Random, edges: tuple[date, ...]) -> list[dict[str, object]]:
    return [
        {
            "slug": slug,
            "name": f"Klynge {slug} æ",
            "name_en": rng.choice((None, f"Cluster {slug}")),
            "valid_from": rng.choice(("1850-01-01", "2016-01-01")),
            "valid_to": rng.choice((None, str(rng.choice(edges)), "9999-12-31")),
            "sources": [f"https://crm.{slug}.example"],
        }
        for slug in rng.sample(("food-bio", "energy", "life"), 2)
    ]


def _listed(rng: random.Random, numbers: list[int], edges: tuple[date, ...]) -> list[dict[str, object]]:
    """A few companies, also some that the register lacks, in spans that begin and end where figures change."""
    found: list[dict[str, object]] = []
    for cvr in rng.sample(numbers, len(numbers) // 6):
        days = sorted(rng.sample((*LONG_AGO, *edges), 3))
        spans = (
            [(days[0], days[1]), (days[2], None)] if rng.random() < 0.3 else [(days[0], rng.choice((None, days[2])))]
        )
        found += [
            {"cvr": cvr, "valid_from": str(first), "valid_to": last and str(last), "reason": "university"}
            for first, last in spans
        ]
    return found


def _company(
    rng: random.Random, place: int, company: int, numbers: list[int], edges: tuple[date, ...]
) -> list[Company]:
    days = sorted(rng.sample((*LONG_AGO, *edges), rng.choice((1, 1, 2, 3, 5))))
    merges, ceases = rng.random() < 0.5, rng.random() < 0.3
    ceased_on = rng.choice(days + list(edges)) if ceases else None
    deliveries: list[Company] = []
    for day in days:
        # Mergers are close together, so that chains are long and some lead back to themselves.
        successor = numbers[(place + rng.choice((-2, -1, 0, 1, 1, 1, 2, 3))) % len(numbers)]
        if rng.random() < 0.1:
            successor = rng.choice(numbers)
        revisions = sorted(rng.sample(range(1, 50), rng.choice((1, 1, 1, 2, 3))))
        for revision in revisions:
            scheme, industry = rng.choice(INDUSTRIES)
            legal_form = rng.choice(FORMS[:4]) if rng.random() < 0.7 else rng.choice(FORMS)
            employees = rng.choice(SIZES)
            version = Company(
                company_id=company,
                valid_from=day,
                revision=revision,
                is_deleted=int(rng.random() < 0.12),
                name=f"{company} from {day} by {revision}",
                legal_form=legal_form,
                employees=employees,
                employees_is_band=int(employees is not None and rng.random() < 0.3),
                nuts=rng.choice(REGIONS),
                industry_scheme=scheme,
                industry=industry,
                successor_id=successor if merges and rng.random() < 0.6 else 0,
                ceased_on=ceased_on if rng.random() < 0.8 else None,
                known_at=_moment(rng),
            )
            deliveries.append(version)
            if rng.random() < 0.2:  # delivered again
                deliveries.append(version._replace(known_at=_moment(rng)))
            if rng.random() < 0.1:  # two files of the same instant: what was known first stays
                other = version.known_at + timedelta(days=rng.randrange(1, 300))
                again = version._replace(name=f"{version.name} again", employees=rng.choice(SIZES), known_at=other)
                # Without a number there is no band: the worker refuses a record that says otherwise.
                deliveries.append(again._replace(employees_is_band=again.employees_is_band if again.employees else 0))
    return deliveries


def _moment(rng: random.Random) -> datetime:
    return FIRST_KNOWN + timedelta(milliseconds=rng.randrange(900 * 86_400_000))
