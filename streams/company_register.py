"""The company register in memory, and the pure step that carries its records into the ledger.

Every worker holds the whole register: 18,000 companies take about 20 MB. It is read from the beginning of the compacted
topic by `brokers.topic_feed`; this module does no I/O.
"""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from datetime import date
from sys import intern
from typing import Any, Final

import pydantic_core

from schemas.bounded_cache import Remembered
from schemas.classifications import kind_of, size_band
from schemas.company import CompanyVersion, attributes_as_at, canonical
from schemas.event_time import EPOCH_ORDINAL, day_of
from schemas.registry_document import Institution

_CACHED: Final = 131_072
"""Texts that are kept ready, less than 1 kB each; all are forgotten when there are more."""
_FEW: Final = 16
"""Versions of a company up to which all that is said about it is kept ready at once; a real one has a handful."""


class _History:
    """Versions of one company."""

    __slots__ = ("begins", "texts", "versions")

    def __init__(self) -> None:
        self.versions: list[CompanyVersion] = []
        """By `valid_from`."""
        self.begins = array("i")
        """`valid_from` of each, in days since 1970."""
        self.texts: dict[tuple[int, bool], tuple[bytes, bytes]] = {}
        """Versions that have begun, and whether it is listed as an institution -> what enrichment says then: the text
        before the day, and after it."""

    def put(self, version: CompanyVersion, *, held: bool) -> None:
        """Put a version in its place, where an earlier revision of it may be, or take that out."""
        begins = version.valid_from.toordinal() - EPOCH_ORDINAL
        place = bisect_left(self.begins, begins)
        if place == len(self.begins) or self.begins[place] != begins:
            if not held:
                return
            self.begins.insert(place, begins)
            self.versions.insert(place, version)
        elif held:
            self.versions[place] = version
        else:
            del self.begins[place], self.versions[place]


class Register:
    """Versions of companies, newest revision of each (CVR, valid_from), asked for a company as at a day.

    A record costs a search among the versions of its company, an answer one among those of each company in its chain,
    which is bounded: workers go on with any register.
    """

    def __init__(self) -> None:
        self._companies: dict[int, _History] = {}
        self._naming: dict[int, _History] = {}
        """Of those that were merged, the versions that name a successor."""
        self._revisions: dict[tuple[int, date], int] = {}
        self._institutions: dict[int, list[Institution]] = {}
        self._texts = 0
        """Texts kept ready."""
        self._stories: dict[int, tuple[tuple[int, ...], tuple[tuple[bytes, bytes], ...]]] = {}
        """Of companies with few versions that were never merged and are no institutions: when versions begin, and the
        text of each time."""

    def __len__(self) -> int:
        """Companies with at least one version in force."""
        return len(self._companies)

    def apply(self, version: CompanyVersion) -> None:
        """Take in a record of the register. A revision of the same version that is not newer changes nothing."""
        identity = (version.cvr, version.valid_from)
        if self._revisions.get(identity, -1) >= version.revision:
            return
        self._revisions[identity] = version.revision
        version = _slim(version)
        _put(self._naming, version, held=not version.withdrawn and version.successor_cvr is not None)
        company = _put(self._companies, version, held=not version.withdrawn)
        self._texts -= len(company.texts)
        company.texts.clear()
        if (story := self._stories.pop(version.cvr, None)) is not None:
            self._texts -= len(story[1])

    def list_institutions(self, institutions: Iterable[Institution]) -> None:
        """Take in who is an institution from now on, in place of those before."""
        self._institutions = {}
        for one in institutions:
            self._institutions.setdefault(one.cvr, []).append(one)
        self._forget()

    def versions_of(self, cvr: int) -> Sequence[CompanyVersion]:
        """Versions in force of a company, by valid_from; empty for a company that the register lacks."""
        company = self._companies.get(cvr)
        return () if company is None else company.versions

    def company_as_at(self, cvr: int, days: int) -> bytes:
        """What enrichment says about a company, as a JSON object: as at a day (days since 1970), mergers followed.

        `known` is false for a company without a row; then only number and day are given with it.
        """
        story = self._stories.get(cvr)
        if story is not None:
            head, tail = story[1][bisect_right(story[0], days)]
            return b"%b%b%b" % (head, _iso_days[days], tail)
        if cvr in self._naming:
            cvr, _ = canonical(cvr, day_of(days), self._naming_of)
        company = self._companies.get(cvr)
        if company is None:
            return b'{"cvr":"%08d","known":false,"as_at":"%b"}' % (cvr, _iso_days[days])
        if len(company.versions) <= _FEW and cvr not in self._naming and cvr not in self._institutions:
            return self._tell(cvr, company, days)
        state = bisect_right(company.begins, days), self._is_listed(cvr, days)
        text = company.texts.get(state)
        if text is None:
            if self._texts >= _CACHED:
                self._forget()
            text = company.texts[state] = _described(company.versions, day_of(days), listed=state[1])
            self._texts += 1
        return b"%b%b%b" % (text[0], _iso_days[days], text[1])

    def _tell(self, cvr: int, company: _History, days: int) -> bytes:
        if self._texts >= _CACHED:
            self._forget()
        begins = tuple(company.begins)
        texts = tuple(_described(company.versions, day_of(day), listed=False) for day in (begins[0] - 1, *begins))
        self._stories[cvr] = begins, texts
        self._texts += len(texts)
        head, tail = texts[bisect_right(begins, days)]
        return b"%b%b%b" % (head, _iso_days[days], tail)

    def _is_listed(self, cvr: int, days: int) -> bool:
        spans = self._institutions.get(cvr)
        return spans is not None and any(span.holds(day_of(days)) for span in spans)

    def _forget(self) -> None:
        for company in self._companies.values():
            company.texts.clear()
        self._stories.clear()
        self._texts = 0

    def _naming_of(self, cvr: int) -> Sequence[CompanyVersion]:
        company = self._naming.get(cvr)
        return () if company is None else company.versions


def _put(companies: dict[int, _History], version: CompanyVersion, *, held: bool) -> _History:
    """Put a version into the history of its company, or take it out; a company without versions is left out."""
    company = companies.get(version.cvr) or _History()
    company.put(version, held=held)
    if company.versions:
        companies[version.cvr] = company
    else:
        companies.pop(version.cvr, None)
    return company


def _described(versions: Sequence[CompanyVersion], day: date, *, listed: bool) -> tuple[bytes, bytes]:
    company = attributes_as_at(versions, day)
    assert company is not None  # noqa: S101  (a history has versions)
    attributes = {
        "name": company.name,
        "kind": kind_of(company.legal_form, listed=listed),
        "legal_form": company.legal_form,
        "employees": company.employees,
        "size_band": size_band(company.employees),
        "nuts": company.nuts,
        "region": company.nuts[:4],
        "industry_scheme": company.industry_scheme,
        "industry": company.industry,
    }
    return b'{"cvr":"%08d","known":true,"as_at":"' % company.cvr, b'",' + pydantic_core.to_json(attributes)[1:]


def _slim(version: CompanyVersion) -> CompanyVersion:
    """The same in less than half the memory.

    pydantic keeps for each the names of the fields that were given, and JSON makes a text of its own for each value.
    """
    values: dict[str, Any] = {name: intern(value) if name in _REPEATED else value for name, value in version}
    return CompanyVersion.model_construct(_ALL_FIELDS, **values)


_REPEATED: Final = frozenset({"legal_form", "nuts", "industry_scheme", "industry"})
"""Fields whose few values many companies share."""
_ALL_FIELDS: Final = set(CompanyVersion.model_fields)


def _iso_day(days: int) -> bytes:
    return day_of(days).isoformat().encode()


_iso_days: Final = Remembered(_iso_day, 16_384)
