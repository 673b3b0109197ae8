"""The transport on a real aiokafka."""

import asyncio
import uuid
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError

from streams.transport import check_alive


@pytest.mark.integration
def test_a_consumer_whose_fetcher_has_ended_says_so(kafka: Any) -> None:
    """Faust would go on asking it for records, and get none, for ever."""

    async def go() -> None:
        consumer = AIOKafkaConsumer(bootstrap_servers=kafka.bootstrap, group_id=f"group-{uuid.uuid4()}")
        await consumer.start()
        try:
            check_alive(consumer)
            ended = consumer._fetcher.error_future
            ended.cancel()
            await asyncio.wait([ended])
            with pytest.raises(KafkaError, match="fetcher"):
                check_alive(consumer)
        finally:
            await consumer.stop()

    asyncio.run(go())
