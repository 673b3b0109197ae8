"""Where records are: a partition of a topic, and a record in it. Everything that names one uses these."""

from typing import NamedTuple


def named_topic(topic: str, topic_epoch: int) -> str:
    """A topic as addresses and origins name it: with its epoch if it was re-created, since offsets mean others then."""
    return f"{topic}@{topic_epoch}" if topic_epoch else topic


class TopicPartition(NamedTuple):
    """One partition of one epoch of a topic."""

    topic: str
    topic_epoch: int
    partition: int

    def __str__(self) -> str:
        return f"{named_topic(self.topic, self.topic_epoch)}/{self.partition}"


class RecordAddress(NamedTuple):
    """One record. As text `topic/partition/offset`; `topic@epoch/..` for a topic that was re-created."""

    topic: str
    topic_epoch: int
    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{named_topic(self.topic, self.topic_epoch)}/{self.partition}/{self.offset}"
