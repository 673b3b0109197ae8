"""The collector's way to Kafka, in memory: what it is given is confirmed, unless the test says otherwise."""

from collections.abc import Sequence

from sources.collector.delivery import NotTakenError
from sources.collector.inspection import OutRecord
from sources.topic_producer import Place


class MemoryShipment:
    """Records with their places."""

    def __init__(self, places: Sequence[Place | None]) -> None:
        self._places = places

    async def confirmed(self, seconds: float) -> Sequence[Place | None]:
        """All at once."""
        del seconds
        return self._places


class MemoryDelivery:
    """Keeps the records of one partition."""

    topic = "activity.events.v1"

    def __init__(self) -> None:
        self.sent: list[OutRecord] = []
        self.refuses: NotTakenError | None = None
        self.confirms = 1_000_000
        """So many more records are confirmed; then none."""

    def hand_over(self, records: Sequence[OutRecord]) -> MemoryShipment:
        """Keep records; raises NotTakenError."""
        if self.refuses is not None:
            raise self.refuses
        places: list[Place | None] = []
        for record in records:
            places.append(Place(0, len(self.sent)) if self.confirms > 0 else None)
            self.confirms -= 1
            self.sent.append(record)
        return MemoryShipment(places)
