"""The registry in force, for commands: read from its topic, the same for everybody who asks the same Kafka."""

from brokers import topics
from brokers.codecs import require_codecs
from brokers.connection import KafkaConnection
from clustertrack.settings import Settings
from schemas.clusters import ClusterRegistry
from schemas.errors import CheckFailed
from schemas.registry_document import Registry, read_registry
from sources.register.register_topic import read_topic


def find_registry(kafka: KafkaConnection) -> Registry | None:
    """The version of the highest revision; None before the first was loaded.

    Raises:
        KafkaUnreachable, CheckFailed, Unreachable
    """
    require_codecs()
    versions = read_topic(kafka, topics.REGISTRY, read_registry, lambda _passed, _all: None)
    # Of equal revisions the first, as workers and the ledger take it.
    return max(versions, key=lambda version: version.revision, default=None)


def registry_in_force(settings: Settings) -> ClusterRegistry:
    """What workers judge events by now.

    Raises:
        CheckFailed: none was loaded yet.
        KafkaUnreachable, Unreachable
    """
    found = find_registry(settings.kafka.connection())
    if found is None:
        raise CheckFailed(
            f"No registry is loaded at {settings.kafka.connection().address}: run `clustertrack registry load FILE`, "
            "with a file like examples/registry.toml."
        )
    return found.by_source
