"""The company register in memory, and the pure step that carries its records into the ledger.

Every worker holds the whole register: 18,000 companies take about 20 MB. It is read from the beginning of the compacted
topic by `streams.register_feed`; this module does no I/O.
"""

from bisect import bisect_right, insort
from collections.abc import Sequence
from datetime import date
from operator import attrgetter
from sys import intern
from typing import Any, Final, NamedTuple

import pydantic_core

from schemas.bounded_cache import Remembered
from schemas.classifications import size_band
from schemas.company import CompanyVersion, attributes_as_at, canonical
from schemas.event_time import EPOCH_ORDINAL

_CACHED: Final = 65_536
"""Companies whose history is kept ready, about 1 kB each; the cache starts over when full or out of date."""


class _Story(NamedTuple):
    """What enrichment says about one company in the course of time, as JSON without the day asked for."""

    begins: tuple[int, ...]
    """Days (since 1970) on which this changes."""
    texts: tuple[bytes, ...]
    """The text before the day and the text after it, for each span between those days."""


class Register:
    """Versions of companies, newest revision of each (CVR, valid_from), asked for a company as at a day."""

    def __init__(self) -> None:
        self._versions: dict[int, list[CompanyVersion]] = {}
        self._revisions: dict[tuple[int, date], int] = {}
        self._cache: dict[int, _Story] = {}

    def __len__(self) -> int:
        """Companies with at least one version in force."""
        return len(self._versions)

    def apply(self, version: CompanyVersion) -> None:
        """Take in a record of the register. A revision of the same version that is not newer changes nothing."""
        identity = (version.cvr, version.valid_from)
        if self._revisions.get(identity, -1) >= version.revision:
            return
        self._revisions[identity] = version.revision
        version = _slim(version)
        versions = [v for v in self._versions.get(version.cvr, ()) if v.valid_from != version.valid_from]
        if not version.withdrawn:
            insort(versions, version, key=attrgetter("valid_from"))
        if versions:
            self._versions[version.cvr] = versions
        else:
            self._versions.pop(version.cvr, None)
        self._cache.clear()

    def versions_of(self, cvr: int) -> Sequence[CompanyVersion]:
        """Versions in force of a company, by valid_from; empty for a company that the register lacks."""
        return self._versions.get(cvr, ())

    def company_as_at(self, cvr: int, days: int) -> bytes:
        """What enrichment says about a company, as a JSON object: as at a day (days since 1970), mergers followed.

        `known` is false for a company without a row; then only number and day are given with it.
        """
        story = self._cache.get(cvr)
        if story is None:
            if len(self._cache) >= _CACHED:
                self._cache.clear()
            story = self._cache[cvr] = self._tell(cvr)
        begins, texts = story
        at = 2 * bisect_right(begins, days) if begins else 0
        return b"%b%b%b" % (texts[at], _iso_days[days], texts[at + 1])

    def _tell(self, cvr: int) -> _Story:
        """All that enrichment can say about a company; it changes only where a version of it or a successor begins."""
        family, unread = {cvr}, [cvr]
        while unread:
            versions = self.versions_of(unread.pop())
            following = {v.successor_cvr for v in versions if v.successor_cvr is not None} - family
            family |= following
            unread += following
        days = sorted({version.valid_from for member in family for version in self.versions_of(member)})
        begins, texts = list[int](), [*self._describe(cvr, date.min)]
        for day in days:
            text = self._describe(cvr, day)
            if [*text] != texts[-2:]:
                begins.append(day.toordinal() - EPOCH_ORDINAL)
                texts += text
        return _Story(tuple(begins), tuple(texts))

    def _describe(self, cvr: int, day: date) -> tuple[bytes, bytes]:
        counted_as, _ = canonical(cvr, day, self.versions_of)
        company = attributes_as_at(self.versions_of(counted_as), day)
        before = pydantic_core.to_json({"cvr": f"{counted_as:08d}", "known": company is not None})
        if company is None:
            return before[:-1] + b',"as_at":"', b'"}'
        attributes = {
            "name": company.name,
            "kind": company.kind,
            "legal_form": company.legal_form,
            "employees": company.employees,
            "size_band": size_band(company.employees),
            "nuts": company.nuts,
            "region": company.nuts[:4],
            "industry_scheme": company.industry_scheme,
            "industry": company.industry,
        }
        return before[:-1] + b',"as_at":"', b'",' + pydantic_core.to_json(attributes)[1:]


def _slim(version: CompanyVersion) -> CompanyVersion:
    """The same in less than half the memory.

    pydantic keeps for each the names of the fields that were given, and JSON makes a text of its own for each value.
    """
    values: dict[str, Any] = {name: intern(value) if name in _REPEATED else value for name, value in version}
    return CompanyVersion.model_construct(_ALL_FIELDS, **values)


_REPEATED: Final = frozenset({"legal_form", "kind", "nuts", "industry_scheme", "industry"})
"""Fields whose few values many companies share."""
_ALL_FIELDS: Final = set(CompanyVersion.model_fields)


def _iso_day(days: int) -> bytes:
    return date.fromordinal(days + EPOCH_ORDINAL).isoformat().encode()


_iso_days: Final = Remembered(_iso_day, 16_384)
