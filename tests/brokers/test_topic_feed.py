"""The feed of a compacted topic: its records are taken into memory, a portion at a time."""

import asyncio
from datetime import date, timedelta
from itertools import pairwise
from typing import Any, cast

import pytest
from samples import CVRS
from twins import Record

from brokers.connection import KafkaConnection
from brokers.topic_feed import AT_ONCE, TopicFeed
from schemas.company import CompanyVersion
from streams.company_register import Register
from streams.reference_step import read_company_record

VERSION = CompanyVersion(cvr=CVRS[0], valid_from=date(2018, 1, 1), revision=5)


def feed(register: Register) -> TopicFeed:
    """A feed that is given its records."""

    def take(record: Any) -> None:
        version = read_company_record(record)
        assert isinstance(version, CompanyVersion)
        register.apply(version)

    return TopicFeed(take, "companies.v1", 1, cast("KafkaConnection", None))


@pytest.mark.parametrize("versions", [0, 1, AT_ONCE, 10 * AT_ONCE + 1])
def test_the_loop_comes_round_between_portions(versions: int):
    """However many records one fetch brings, heartbeats and events have their turn after each portion of them."""
    register = Register()
    listed = [VERSION.model_copy(update={"valid_from": VERSION.valid_from + timedelta(n)}) for n in range(versions)]
    records = [Record(n, version.to_json(), key=version.key) for n, version in enumerate(listed)]
    seen = [0, 0]

    async def look() -> None:
        while True:
            seen.append(len(register.versions_of(CVRS[0])))
            await asyncio.sleep(0)

    async def run() -> None:
        looking = asyncio.create_task(look())
        await feed(register)._apply(records)
        looking.cancel()

    asyncio.run(run())
    assert list(register.versions_of(CVRS[0])) == listed
    assert max(later - before for before, later in pairwise(seen)) <= AT_ONCE
