"""How an activity counts now: as which company, of which size and kind.

The view `fact` says the same of all activities at once, and reads the whole register for it. Here the versions of the
few companies that matter are read by their key and judged by the rules of `schemas.company`, as workers do.
"""

from datetime import date
from functools import lru_cache
from typing import Final

from clickhouse_connect.driver.client import Client

from reports.as_known import PRESENT
from reports.receipts.answer_model import CountedAs, Version
from reports.receipts.bounds import ask
from schemas.classifications import kind_of, size_band
from schemas.company import CompanyVersion, attributes_as_at, canonical, standing

_COMPANY: Final = """
SELECT valid_from, revision, is_deleted, name, legal_form, employees, successor_id, ceased_on
FROM company_version
WHERE company_id = {company:UInt32}
ORDER BY known_at
"""
_LISTED: Final = """
SELECT count() FROM institution_at(as_at = {day:Date32}, known = {known:DateTime64(3, 'UTC')})
WHERE company_id = {company:UInt32}
"""


def counted_as(client: Client, version: Version) -> CountedAs | None:
    """How a version counts that is the newest of its activity, with the company as at the end of its year.

    None for a retraction.
    """
    if version.day is None:
        return None
    end = date(version.day.year, 12, 31)
    versions_of = lru_cache(lambda cvr: _standing(client, cvr))
    company, _ = canonical(int(version.company), end, versions_of)
    found = attributes_as_at(versions_of(company), end)
    bound = {"day": end, "known": f"{PRESENT:%Y-%m-%d %H:%M:%S}", "company": company}
    legal_form = found.legal_form if found else ""
    listed = kind_of(legal_form, listed=False) != "other" and bool(ask(client, _LISTED, bound)[0][0])
    return CountedAs(
        year=version.day.year,
        day=version.day,
        cluster=version.cluster,
        reported=version.reported,
        derived=version.derived,
        company=f"{company:08d}",
        name=found.name if found else "",
        size_band=size_band(found.employees if found else None),
        kind=kind_of(legal_form, listed=listed),
        in_register=found is not None,
    )


def _standing(client: Client, cvr: int) -> list[CompanyVersion]:
    """The versions of a company that hold. They were checked before they entered the ledger."""
    return standing(
        CompanyVersion.model_construct(
            cvr=cvr,
            valid_from=valid_from,
            revision=revision,
            withdrawn=bool(is_deleted),
            name=name,
            legal_form=legal_form,
            employees=employees,
            successor_cvr=successor or None,
            ceased_on=ceased_on,
        )
        for valid_from, revision, is_deleted, name, legal_form, employees, successor, ceased_on in ask(
            client, _COMPANY, {"company": cvr}
        )
    )
