"""The company register in memory, and the pure step that carries its records into the ledger.

Every worker holds the whole register: 18,000 companies take about 20 MB. It is read from the beginning of the compacted
topic by `streams.register_feed`; this module does no I/O.
"""

from bisect import insort
from collections.abc import Mapping, Sequence
from datetime import date
from operator import attrgetter
from typing import Any, Final

from schemas.classifications import size_band
from schemas.company import CompanyVersion, attributes_as_at, canonical

_EPOCH_ORDINAL: Final = date(1970, 1, 1).toordinal()
_CACHED: Final = 200_000
"""Companies as at a day that are kept ready; the cache starts anew when it is full or the register changes."""


class Register:
    """Versions of companies, newest revision of each (CVR, valid_from), asked for a company as at a day."""

    def __init__(self) -> None:
        self._versions: dict[int, list[CompanyVersion]] = {}
        self._revisions: dict[tuple[int, date], int] = {}
        self._cache: dict[tuple[int, int], dict[str, Any]] = {}

    def __len__(self) -> int:
        """Companies with at least one version in force."""
        return len(self._versions)

    def apply(self, version: CompanyVersion) -> None:
        """Take in a record of the register. A revision of the same version that is not newer changes nothing."""
        identity = (version.cvr, version.valid_from)
        if self._revisions.get(identity, -1) >= version.revision:
            return
        self._revisions[identity] = version.revision
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

    def company_as_at(self, cvr: int, days: int) -> Mapping[str, Any]:
        """What enrichment says of a company: as at a day (days since 1970), mergers followed.

        `known` is false for a company without a row; then only the number stands beside it.
        """
        found = self._cache.get((cvr, days))
        if found is None:
            if len(self._cache) >= _CACHED:
                self._cache.clear()
            found = self._cache[cvr, days] = self._describe(cvr, date.fromordinal(days + _EPOCH_ORDINAL))
        return found

    def _describe(self, cvr: int, day: date) -> dict[str, Any]:
        counted_as, _ = canonical(cvr, day, self.versions_of)
        company = attributes_as_at(self.versions_of(counted_as), day)
        described: dict[str, Any] = {"cvr": f"{counted_as:08d}", "known": company is not None, "as_at": day.isoformat()}
        if company is not None:
            described |= {
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
        return described
