"""Size bands, regions, industries and legal forms: the words in which figures are broken down.

Every reader here takes a text as a register or a spreadsheet writes it and returns the one form that is stored, or
raises `ClassificationError` with the code that the register's refusals carry. Texts are stripped first.
"""

import csv
import re
from bisect import bisect_right
from collections.abc import Mapping
from functools import lru_cache
from importlib.resources import files
from types import MappingProxyType
from typing import Final, Literal

UNKNOWN: Final = "unknown"
"""What every breakdown says where the register says nothing."""

_LOWER_BOUNDS: Final = (0, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
SIZE_BANDS: Final = ("0", "1", "2-4", "5-9", "10-19", "20-49", "50-99", "100-199", "200-499", "500-999", "1000+")
"""Bands of employees as the CVR register publishes them; the figures in brackets are those below 50."""

MAX_EMPLOYEES: Final = 9_999_999
"""A number of 8 digits or more is a CVR number in the wrong column."""

_INTERVALS: Final = MappingProxyType(
    {"ANTAL_0_0": 0, "ANTAL_1_1": 1}
    | {f"ANTAL_{band.replace('-', '_')}": int(band.split("-")[0]) for band in SIZE_BANDS if "-" in band}
)
_LARGEST_INTERVAL: Final = re.compile(r"ANTAL_1000(_.*)?", re.ASCII)
"""Published as ANTAL_1000_, ANTAL_1000_999999 and otherwise."""

INDUSTRY_SCHEMES: Final[Mapping[str, int]] = MappingProxyType({"DB07": 6, "DB25": 6, "NACE2": 4, "NACE2.1": 4})
"""Scheme -> digits of its codes. DB07 and DB25 are NACE with two Danish digits; DB25 replaced DB07 in 2025."""

OTHER_FORMS: Final = frozenset({"230", "245", "250"})
"""Legal forms of public bodies: state, region, municipality (Statistics Denmark, 2008)."""

Kind = Literal["company", "other"]


class ClassificationError(ValueError):
    """A text that is in no classification.

    Attributes:
        code: `invalid_employees`, `unknown_region`, `unknown_municipality`, `region_disagrees`,
            `unknown_industry_scheme`, `invalid_industry` or `invalid_legal_form`.
    """

    def __init__(self, code: str, text: str) -> None:
        super().__init__(f"{text!r}: {code}")
        self.code = code


def size_band(employees: int | None) -> str:
    """Band of a number of employees, the same as in the views of the ledger; `unknown` for None."""
    return UNKNOWN if employees is None else SIZE_BANDS[bisect_right(_LOWER_BOUNDS, employees) - 1]


def parse_employees(text: str) -> tuple[int | None, bool]:
    """Employees and whether they are the lower bound of a band.

    `25` is (25, False), `ANTAL_20_49` is (20, True), an empty text (None, False).

    Raises:
        ClassificationError: `invalid_employees`, also for `1.200` and `25,0`, which could mean two things.
    """
    text = text.strip()
    if not text:
        return None, False
    if text.isascii() and text.isdigit() and len(text) <= len(str(MAX_EMPLOYEES)):
        return int(text), False
    interval = text.upper()
    if interval in _INTERVALS:
        return _INTERVALS[interval], True
    if _LARGEST_INTERVAL.fullmatch(interval):
        return _LOWER_BOUNDS[-1], True
    raise ClassificationError("invalid_employees", text)


@lru_cache(maxsize=256)
def parse_region(text: str) -> str:
    """A Danish NUTS 2 or NUTS 3 code (`DK03`, `DK032`); empty for an empty text.

    Raises:
        ClassificationError: `unknown_region`.
    """
    code = text.strip().upper()
    if code and code not in _regions():
        raise ClassificationError("unknown_region", text)
    return code


@lru_cache(maxsize=1024)
def municipality_nuts(code: str) -> str:
    """NUTS 3 code of a municipality, by its number with or without leading zero (`0101`, `101`).

    Raises:
        ClassificationError: `unknown_municipality`.
    """
    try:
        return _municipalities()[code.strip().zfill(4)]
    except KeyError:
        raise ClassificationError("unknown_municipality", code) from None


def region_of(region: str, municipality: str) -> str:
    """The most detailed NUTS code that a region and a municipality give together; empty when both are.

    Raises:
        ClassificationError: `region_disagrees` when the municipality does not lie in the region, or as the two readers.
    """
    nuts = parse_region(region)
    if not municipality.strip():
        return nuts
    nuts_3 = municipality_nuts(municipality)
    if not nuts_3.startswith(nuts):
        raise ClassificationError("region_disagrees", f"{nuts} but {municipality.strip()} lies in {nuts_3}")
    return nuts_3


@lru_cache(maxsize=8192)
def parse_industry(scheme: str, code: str) -> tuple[str, str]:
    """Scheme and code as stored: `("db07", "14620")` is `("DB07", "014620")`, `62.01.00` is `620100`.

    A spreadsheet drops the leading zero of divisions 01 to 09; no division is 00, so one missing digit is that zero.
    Without a code both are empty: a scheme alone says nothing.

    Raises:
        ClassificationError: `unknown_industry_scheme`, also for a code without scheme, or `invalid_industry`.
    """
    digits = code.strip().replace(".", "")
    if not digits:
        return "", ""
    known = scheme.strip().upper()
    length = INDUSTRY_SCHEMES.get(known)
    if length is None:
        raise ClassificationError("unknown_industry_scheme", scheme)
    if len(digits) == length - 1:
        digits = "0" + digits
    if len(digits) != length or not (digits.isascii() and digits.isdigit()) or digits.startswith("00"):
        raise ClassificationError("invalid_industry", code)
    return known, digits


@lru_cache(maxsize=256)
def parse_legal_form(text: str) -> str:
    """Code of a legal form without leading zeros (`80`); empty for an empty text.

    Raises:
        ClassificationError: `invalid_legal_form` when it is not a number of 1 to 3 digits.
    """
    code = text.strip()
    if not code:
        return ""
    if not re.fullmatch(r"\d{1,3}", code, re.ASCII):
        raise ClassificationError("invalid_legal_form", text)
    return str(int(code))


def kind_of(legal_form: str, *, listed: bool) -> Kind:
    """`other` for public bodies, and for what the registry lists as an institution on the day; else `company`.

    An unknown legal form is a company. The views `company_at` and `fact` say the same.
    """
    return "other" if listed or legal_form in OTHER_FORMS else "company"


@lru_cache(maxsize=1)
def _municipalities() -> Mapping[str, str]:
    """Number of 4 digits -> NUTS 3; 98 municipalities and Christiansø (Eurostat's list of local units)."""
    text = (files("schemas") / "municipality_nuts3.csv").read_text("utf-8")
    return {row["kommunekode_4"]: row["nuts3"] for row in csv.DictReader(text.splitlines())}


@lru_cache(maxsize=1)
def _regions() -> frozenset[str]:
    nuts_3 = set(_municipalities().values())
    return frozenset(nuts_3 | {code[:4] for code in nuts_3})
