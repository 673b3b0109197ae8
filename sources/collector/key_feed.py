"""The keys in force, followed live: a key that is created works at once, and one that is revoked no longer."""

from collections.abc import Awaitable

from brokers.batches import Record, cut_of
from brokers.connection import KafkaConnection
from brokers.topic_feed import TopicFeed
from brokers.topics import KEYS
from schemas.keys import read_key
from sources.collector.keyring import Keyring


class KeyFeed:
    """Fills a keyring.

    Args:
        keyring: that requests are checked by.
        kafka: where the brokers are.
        partitions: of the topic of keys.
    """

    def __init__(self, keyring: Keyring, kafka: KafkaConnection, partitions: int) -> None:
        self._keyring = keyring
        self._feed = TopicFeed(self.take, KEYS, partitions, kafka)

    def take(self, record: Record) -> None:
        """Take in a record of the topic of keys."""
        version = None if cut_of(record) else read_key(record.key, record.value, record.timestamp)
        if version is not None and not isinstance(version, list):  # else workers reject it
            self._keyring.take(version)

    def run(self) -> Awaitable[None]:
        """Read forever; raises what no repetition helps against."""
        return self._feed.run()

    @property
    def waits_for(self) -> str:
        """What is not known yet: before all is read, a key that was revoked would seem to work."""
        return "" if self._feed.ready.is_set() else "the keys are being read"
