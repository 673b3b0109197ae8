"""The registry in force, followed live: the collector judges by what workers judge by."""

from collections.abc import Awaitable

import structlog

from brokers.batches import Record, cut_of
from brokers.connection import KafkaConnection
from brokers.topic_feed import TopicFeed
from brokers.topics import REGISTRY
from schemas.registry_document import NO_REGISTRY, read_registry
from sources.collector import collector_metrics as metrics
from sources.collector.collector import Collector
from sources.collector.inspection import Inspector

log = structlog.get_logger()


class RegistryFeed:
    """Gives a collector the inspector of the highest revision.

    Args:
        collector: that judges by it.
        kafka: where the brokers are.
        partitions: of the registry's topic.
        allow_personal_data: whether CPR numbers and e-mail addresses in texts are no fault.
    """

    def __init__(
        self, collector: Collector, kafka: KafkaConnection, partitions: int, *, allow_personal_data: bool
    ) -> None:
        self._collector, self._allowed = collector, allow_personal_data
        self._feed = TopicFeed(self.take, REGISTRY, partitions, kafka)

    def take(self, record: Record) -> None:
        """Take in a record of the registry's topic; it is in force from now on if it is newer."""
        version = None if cut_of(record) else read_registry(record.key, record.value, record.timestamp)
        if version is None or isinstance(version, list):  # workers reject it
            return
        known = self._collector.inspector
        if known is not None and version.revision <= known.revision:
            return
        self._collector.inspector = Inspector(version.by_source, allow_personal_data=self._allowed)
        metrics.REGISTRY_REVISION.set(version.revision)
        log.info("registry in force", revision=version.revision, clusters=len(version.by_source.names))

    def run(self) -> Awaitable[None]:
        """Read forever; raises what no repetition helps against."""
        return self._feed.run()

    @property
    def waits_for(self) -> str:
        """What is not known yet; empty when a registry is."""
        if not self._feed.ready.is_set():
            return "the registry is being read"
        if self._collector.inspector is None:
            return NO_REGISTRY
        return ""
