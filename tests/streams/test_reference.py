"""The reference in memory: which version of the registry is in force, and what a worker waits for."""

import asyncio
import json
from collections.abc import Callable
from datetime import date
from typing import Any, cast

from samples import CVRS
from twins import Record

from brokers.batches import BoundedRecord, Cut
from brokers.connection import KafkaConnection
from brokers.topics import COMPANIES, REGISTRY
from schemas.company import CompanyVersion
from schemas.registry_document import NO_REGISTRY, Institution, Registry, read_sample
from streams.reference import Reference

COMPANY = CompanyVersion(cvr=CVRS[0], valid_from=date(2018, 1, 1), revision=5, legal_form="90")
DAY = (date(2018, 5, 3) - date(1970, 1, 1)).days


def with_reference(look: Callable[[Reference], Any]) -> Any:
    """What is seen of a reference whose feeds never run."""

    async def run() -> Any:
        return look(Reference(cast("KafkaConnection", None), {COMPANIES: 1, REGISTRY: 1}))

    return asyncio.run(run())


def version(revision: int, *institutions: int) -> Record:
    """A record of the registry's topic."""
    listed = tuple(Institution(cvr=cvr, valid_from=date(2018, 1, 1), reason="university") for cvr in institutions)
    made = Registry(revision=revision, clusters=read_sample().clusters, institutions=listed)
    return Record(0, made.to_json(), key=made.key)


def kind(reference: Reference) -> str:
    return str(json.loads(reference.register.company_as_at(CVRS[0], DAY))["kind"])


def test_the_highest_revision_is_in_force():
    """Versions come in any order, and more than once; the highest decides, and names itself."""

    def look(reference: Reference) -> list[int]:
        seen = []
        for revision in (5, 3, 9, 9, 5):
            reference.take_registry(version(revision))
            seen.append(reference.clusters.revision)
        return seen

    assert with_reference(look) == [5, 5, 9, 9, 9]


def test_what_is_said_about_a_company_follows_the_registry():
    """Texts that were kept ready are forgotten when another version lists other institutions."""

    def look(reference: Reference) -> list[str]:
        reference.take_company(Record(0, COMPANY.to_json(), key=COMPANY.key))
        seen = [kind(reference)]
        for number, institutions in enumerate([[], [CVRS[0]], [CVRS[1]], [CVRS[0]]], 1):
            reference.take_registry(version(number, *institutions))
            seen += [kind(reference), kind(reference)]
        return seen

    assert with_reference(look) == ["company"] * 3 + ["other"] * 2 + ["company"] * 2 + ["other"] * 2


def test_what_the_ledger_rejects_is_not_taken_in():
    """A record of which only the beginning was kept says nothing, even if that can be read."""

    def look(reference: Reference) -> tuple[int, int]:
        text = COMPANY.to_json() + b" "
        reference.take_company(
            BoundedRecord(0, 0, 1, COMPANY.key, text, cut=Cut("too_long", "2000000", 2_000_000, b""))
        )
        reference.take_company(Record(1, b"{", key=COMPANY.key))
        reference.take_registry(Record(1, b"{", key=b"1"))
        return len(reference.register), reference.clusters.revision

    assert with_reference(look) == (0, -1)


def test_what_a_worker_waits_for():
    """First both topics are read; then, until there is a version of the registry, it says what to do."""

    async def run() -> list[str]:
        reference = Reference(cast("KafkaConnection", None), {COMPANIES: 1, REGISTRY: 1})
        seen = [reference.waits_for()]
        waiting, *unused = reference.running()
        for one in unused:
            cast("Any", one).close()
        waits = asyncio.ensure_future(waiting)
        for feed in reference._feeds:
            feed.ready.set()
        await asyncio.sleep(0)
        seen.append(reference.waits_for())
        reference.take_registry(version(1))
        await asyncio.wait_for(waits, 5)
        return [*seen, reference.waits_for()]

    assert asyncio.run(run()) == ["the company register and the registry are being read", NO_REGISTRY, ""]
