"""Where records are: a partition of a topic, and a record in it. Everything that names one uses these."""

from typing import NamedTuple


class TopicPartition(NamedTuple):
    """One partition of one epoch of a topic."""

    topic: str
    topic_epoch: int
    partition: int

    def __str__(self) -> str:
        epoch = f"@{self.topic_epoch}" if self.topic_epoch else ""
        return f"{self.topic}{epoch}/{self.partition}"


class RecordAddress(NamedTuple):
    """One record. As text `topic/partition/offset`; `topic@epoch/..` for a topic that was re-created."""

    topic: str
    topic_epoch: int
    partition: int
    offset: int

    def __str__(self) -> str:
        epoch = f"@{self.topic_epoch}" if self.topic_epoch else ""
        return f"{self.topic}{epoch}/{self.partition}/{self.offset}"
