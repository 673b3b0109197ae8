"""How often `schemas.people` is wrong: ordinary Danish titles and ids that are refused, true forms that are not found.

Titles are in tests/data/danish_titles.txt. Ids and true forms are drawn from a seed, so that every run
gives the same result.
"""

# ruff: noqa: S311  (it prints; a seed draws what can be repeated)

import base64
import sys
import uuid
from collections.abc import Callable, Iterator, Sequence
from datetime import date, timedelta
from pathlib import Path
from random import Random
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from schemas.people import holds_personal_data  # noqa: E402  (the product is next to this folder)

TITLES: Final = ROOT / "tests" / "data" / "danish_titles.txt"
OF_EACH: Final = 25
"""Ids of each shape."""
SHAPES: Final[dict[str, str]] = {
    "project number": "PROJ-20##-0###",
    "workshop and company": "WS-###/########-##",
    "day and number": "20##-0#-1#/##",
    "case number": "##/#####",
    "case number with year": "20##-#####",
    "journal number": "######-#####",
    "case of six and four digits": "######-####",
    "P-number": "10########",
    "ten digits": "##########",
    "telephone": "+45 ## ## ## ##",
    "telephone in a row": "########",
    "CVR number": "DK########",
    "EAN 13": "5790#########",
    "IBAN": "DK## #### #### #### ##",
    "moment": "20##-0#-1#T1#:##:##.###Z",
    "activity and moment": "WS-#@20##-0#-1#T1#:##:##Z",
    "DOI": "10.####/zenodo.#######",
    "ORCID": "0000-000#-####-####",
    "EU grant": "H2020-######",
    "EU grant of today": "101######",
    "version": "v#.##.#+build.####",
    "URN": "urn:crm:activity:########-####",
    "HubSpot id": "####/###########",
    "compact moment": "20##0#1#-1#####",
    "four fours": "####-####-####-####",
}
"""Ids of CRMs, journals and registers; # is any digit."""


def ids(rng: Random) -> Iterator[str]:
    """Ids of all shapes."""
    for shape in SHAPES.values():
        for _ in range(OF_EACH):
            yield "".join(str(rng.randrange(10)) if sign == "#" else sign for sign in shape)
    for _ in range(OF_EACH):
        yield str(uuid.UUID(int=rng.getrandbits(128), version=4))  # also of Dataverse
        yield f"{rng.getrandbits(128):032x}"
        yield "701" + base64.b32encode(rng.randbytes(10)).decode()[:15]  # Salesforce


def numbers(rng: Random) -> Iterator[str]:
    """CPR numbers of days of 1900 to 1999, in the ways in which they are written."""
    writers: Sequence[Callable[[str, str], str]] = (
        lambda day, serial: f"{day}-{serial}",
        lambda day, serial: f"{day} - {serial}",
        lambda day, serial: f"{day}\u2013{serial}",
        lambda day, serial: f"{day}\u2011{serial}",
        lambda day, serial: f"WS-113-{day}-{serial}-2",
        lambda day, serial: f"{day}-{serial}".translate({48 + digit: 0xFF10 + digit for digit in range(10)}),
        lambda day, serial: f"CPR {day}{serial}",
        lambda day, serial: f"cpr-nr.: {day} {serial}",
        lambda day, serial: f"Personnummer: {day}{serial}",
        lambda day, serial: f"cpr {day[:2]}.{day[2:4]}.{day[4:]}-{serial}",
        lambda day, serial: f"cpr {day[:4]}19{day[4:]}-{serial}",
        lambda day, serial: f"c.p.r. {day}{serial}",
        lambda day, serial: f"{day}{serial} (CPR)",
        lambda day, serial: f"{day}\u3164-{serial}",
    )
    for write in writers:
        for _ in range(OF_EACH):
            day = date(1900, 1, 1) + timedelta(days=rng.randrange(36_524))
            yield f"Kursus for {write(f'{day:%d%m%y}', f'{rng.randrange(4000):04}')}, Aarhus"


def addresses(rng: Random) -> Iterator[str]:
    """E-mail addresses, in the ways in which they are written."""
    names = ("ane", "a.b+c", "ane_jensen", "søren", "o'hara", "a-b")
    domains = ("example.dk", "blåbær.dk", "mail.crm.example.co.uk", "xn--blbr-roah.dk", "example.museum")
    forms = ("{}@{}", "mailto:{}@{}", "<{}@{}>", "{}%40{}", "{}\uff20{}", "kontakt={}@{};", "{}&#64;{}", "{}%2540{}")
    for form in forms:
        for _ in range(OF_EACH):
            yield form.format(rng.choice(names), rng.choice(domains))
    for _ in range(OF_EACH):
        yield f"{rng.choice(names)}@[10.{rng.randrange(256)}.{rng.randrange(256)}.1]"


def rates() -> dict[str, tuple[int, int]]:
    """How much of each sample is rejected, and how large the sample is."""
    rng = Random(20181231)
    samples = {
        "titles": TITLES.read_text("utf-8").splitlines(),
        "ids": [*ids(rng)],
        "numbers": [*numbers(rng)],
        "addresses": [*addresses(rng)],
    }
    return {name: (sum(map(holds_personal_data, texts)), len(texts)) for name, texts in samples.items()}


def main() -> None:
    """Print a table in Markdown."""
    print("| sample | rejected | of | share |\n|---|---:|---:|---:|")
    for name, (refused, of) in rates().items():
        print(f"| {name} | {refused} | {of} | {refused / of:.1%} |")


if __name__ == "__main__":
    main()
