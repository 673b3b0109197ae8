"""What events are judged and enriched by: the registry in force and the company register, each following its topic."""

import asyncio
from collections.abc import Awaitable, Mapping
from typing import Final

import structlog

from brokers.batches import Record
from brokers.connection import KafkaConnection
from brokers.topic_feed import TopicFeed
from brokers.topics import COMPANIES, REGISTRY
from schemas.clusters import ClusterRegistry
from schemas.registry_document import NO_REGISTRY, Registry
from streams import worker_metrics as metrics
from streams.company_register import Register
from streams.reference_step import read_company_record, read_registry_record

_NONE: Final = ClusterRegistry((), -1)

log = structlog.get_logger()


class Reference:
    """In memory, whole. Records can be decided as soon as `ready` is set.

    Args:
        kafka: where the brokers are.
        partitions: topic -> how many it has.
    """

    def __init__(self, kafka: KafkaConnection, partitions: Mapping[str, int]) -> None:
        self.register = Register()
        self.clusters = _NONE
        """Of the highest revision that was read. Immutable: a batch is decided by one version, and names it."""
        self.ready = asyncio.Event()
        self._known = asyncio.Event()
        takes = {COMPANIES: self.take_company, REGISTRY: self.take_registry}
        self._feeds = [TopicFeed(take, topic, partitions[topic], kafka) for topic, take in takes.items()]

    def take_company(self, record: Record) -> None:
        """Take in a record of the company register."""
        version = read_company_record(record)
        if not isinstance(version, list):  # what cannot be read is rejected by its agent
            self.register.apply(version)
            metrics.REGISTER_COMPANIES.set(len(self.register))

    def take_registry(self, record: Record) -> None:
        """Take in a record of the registry's topic; it is in force from now on if it is newer."""
        version = read_registry_record(record)
        if isinstance(version, list) or version.revision <= self.clusters.revision:
            return
        self.clusters = version.by_source
        self.register.list_institutions(version.institutions)
        self._known.set()
        metrics.REGISTRY_REVISION.set(version.revision)
        log.info("registry is in force", **_counts(version))

    def waits_for(self) -> str:
        """What is not known yet and has to be before any record is decided; empty when all is known."""
        if self.ready.is_set():
            return ""
        if all(feed.ready.is_set() for feed in self._feeds):
            return NO_REGISTRY
        return "the company register and the registry are being read"

    def running(self) -> list[Awaitable[None]]:
        """What has to run next to the agents."""
        return [self._get_ready(), *(feed.run() for feed in self._feeds)]

    async def _get_ready(self) -> None:
        for feed in self._feeds:
            await feed.ready.wait()
        if not self._known.is_set():
            log.warning("the worker waits, and takes no records", reason=NO_REGISTRY)
        await self._known.wait()
        self.ready.set()


def _counts(version: Registry) -> dict[str, int]:
    institutions = len({one.cvr for one in version.institutions})
    return {"revision": version.revision, "clusters": len(version.by_source.names), "institutions": institutions}
