"""The registry in force, for commands: read from its topic, the same for everybody who asks the same Kafka."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from pathlib import Path

from brokers import topics
from brokers.codecs import require_codecs
from brokers.connection import KafkaConnection
from clustertrack.settings import Settings
from schemas.bounded_toml import MAX_BYTES
from schemas.clusters import ClusterRegistry
from schemas.errors import CheckFailed, UsageFault
from schemas.own_files import TooLarge, read_within
from schemas.registry_document import Registry, read_file, read_registry
from sources.register.register_topic import read_topic


def read_versions(kafka: KafkaConnection) -> Iterator[Registry]:
    """All versions that were loaded, one after another; of each partition in the order of their arrival.

    Raises:
        KafkaUnreachable, CheckFailed, Unreachable
    """
    require_codecs()
    return read_topic(kafka, topics.REGISTRY, read_registry, lambda _passed, _all: None)


def in_force_of(versions: Iterable[Registry]) -> Registry | None:
    """The version of the highest revision; None before the first was loaded."""
    # Of equal revisions the first, as workers and the ledger take it.
    return max(versions, key=lambda version: version.revision, default=None)


def find_registry(kafka: KafkaConnection) -> Registry | None:
    """The version in force; None before the first was loaded.

    Raises:
        KafkaUnreachable, CheckFailed, Unreachable
    """
    return in_force_of(read_versions(kafka))


def registry_of_file(file: Path) -> Registry:
    """What an operator's file says.

    Raises:
        UsageFault: names the file, the entry and what to do.
    """
    try:
        return read_file(read_within(file, MAX_BYTES), str(file))
    except TooLarge as error:
        raise UsageFault(f"{file}: larger than {MAX_BYTES:,} bytes; is it the registry?") from error
    except OSError as error:
        raise UsageFault(f"{file}: the registry cannot be read ({error.strerror}); check the path") from error


class AnyClusters:
    """In the place of a registry that cannot be asked: no source and no cluster is found wrong."""

    revision = 0

    def knows(self, source: str) -> bool:
        """Every source."""
        del source
        return True

    def slugs_of(self, source: str, day: date) -> Sequence[str]:
        """None is known."""
        del source, day
        return ()

    def resolve(self, source: str, day: date, wanted: str | None) -> str:
        """The cluster that is wanted."""
        del source, day
        return wanted or ""


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
