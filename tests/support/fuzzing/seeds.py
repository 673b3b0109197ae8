"""Inputs to begin with: the project's own corpora of strange records, and what was found before."""

import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Final

from hypothesis import given, settings
from mutations import Mutant, mutants
from poison import COMPANIES, ODD, REFUSED
from rawkafka import Raw
from samples import CVRS, event

from fuzzing.cases import MOST_HEADERS, Case, encoded, of_raw
from schemas.company import CompanyVersion

FINDS: Final = Path(__file__).parents[2] / "fuzz" / "finds"
"""Inputs that have shown a fault, in a folder for each target."""
_LARGEST: Final = 20_000
"""Bytes of a value that is worth changing."""


def finds(target: str) -> list[bytes]:
    """What was found for a target."""
    return [path.read_bytes() for path in sorted(FINDS.glob(f"{target}/*")) if path.is_file()]


def events() -> list[bytes]:
    """Records of the events topic, alone and together."""
    strange = [one.raw for one in (*REFUSED, *ODD.values()) if _worth(one.raw)]
    drawn = [Raw(m.value, b"%08d" % m.company, [(n.encode(), v) for n, v in m.headers.items()]) for m in _drawn()]
    sound = [Raw(event(company, f"WS-{n % 3}"), b"%08d" % company) for n, company in enumerate(CVRS * 2)]
    kinds = ("company.joined", "project.started", "product.launched")
    sound += [Raw(event(type=f"org.clustertrack.{kind}.v1", data={"title": "T"})) for kind in kinds]
    alone = [of_raw([raw]) for raw in (*strange, *drawn, *sound)]
    together = [of_raw([*sound[:6], *strange[n : n + 5], sound[0]]) for n in range(0, len(strange), 5)]
    return [encoded(case) for case in (*alone, *together)]


def register() -> list[bytes]:
    """Records of the register's topic."""
    version = CompanyVersion(cvr=CVRS[0], valid_from=date(2010, 1, 1), revision=1_500_000_000_000, name="Ost A/S")
    full = version.model_copy(
        update={
            "legal_form": "80",
            "employees": 20,
            "employees_is_band": True,
            "nuts": "DK032",
            "industry_scheme": "DB07",
            "industry": "620100",
            "successor_cvr": CVRS[1],
            "ceased_on": date(2020, 5, 1),
        }
    )
    cases = [of_raw([raw]) for raw in COMPANIES if _worth(raw)]
    cases += [of_raw([Raw(one.to_json(), one.key)]) for one in (version, full)]
    cases += [of_raw([Raw(one.to_json(), one.key) for one in (version, full, version)])]
    for name in full.model_dump():
        changed = json.loads(full.to_json())
        del changed[name]
        cases.append(of_raw([Raw(json.dumps(changed).encode(), full.key)]))
    return [encoded(case) for case in cases]


def wire() -> list[bytes]:
    """Batches in every codec, some of them damaged."""
    sound = of_raw([Raw(event(company), b"%08d" % company, [(b"h", b"v")]) for company in CVRS[:3]])
    found = []
    for codec in range(9):
        for damage in (0, 1, 2, 3):
            settings_ = bytes(
                [codec, damage, 17 * damage, 255 - codec, 90, 3, 200, 254, int(codec == 4), 5, 0, int(codec == 8)]
            )
            found.append(encoded(Case(sound.records, settings_)))
    return found + [encoded(Case(of_raw([one.raw]).records)) for one in REFUSED if _worth(one.raw)][::3]


def _worth(raw: Raw) -> bool:
    return len(raw.value or b"") <= _LARGEST and len(raw.key or b"") <= _LARGEST and len(raw.headers) <= MOST_HEADERS


def _drawn() -> Iterator[Mutant]:
    """Some records of Hypothesis's, always the same."""
    found: list[Mutant] = []

    @settings(max_examples=60, database=None, derandomize=True, deadline=None)
    @given(mutants)
    def collect(mutant: Mutant) -> None:
        found.append(mutant)

    collect()
    return iter(found)
