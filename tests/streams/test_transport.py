"""The transport on a real aiokafka."""

import asyncio
import uuid
from typing import Any

import faust
import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.conn import create_conn
from aiokafka.errors import KafkaError
from aiokafka.protocol.metadata import MetadataRequest
from free_ports import free_ports
from tcp_proxy import TcpProxy

from brokers import silence
from clustertrack.local.ports import HOST
from streams.transport import FETCH_WAIT_MS, Delivery, check_alive


@pytest.mark.integration
def test_a_consumer_whose_fetcher_has_ended_says_so(kafka: Any) -> None:
    """Faust would go on asking it for records, and get none, forever."""

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


@pytest.mark.integration
def test_a_connection_that_does_not_answer_is_closed(kafka: Any) -> None:
    """Otherwise aiokafka would ask for its metadata in vain, forever."""
    port = int(kafka.bootstrap.rpartition(":")[2])
    (behind,) = free_ports(1)
    proxy = TcpProxy(behind, port)

    async def go() -> None:
        silence.install()
        connection = await create_conn(HOST, behind, client_id="test", request_timeout_ms=500)
        assert (await connection.send(MetadataRequest([]))).brokers
        proxy.silence()
        with pytest.raises(TimeoutError):
            await connection.send(MetadataRequest([]))
        assert not connection.connected()

    try:
        asyncio.run(go())
    finally:
        proxy.close()


def test_a_partition_without_records_holds_up_no_other() -> None:
    """A worker's consumer lets no broker hold a fetch for long: until then the partitions with a backlog would wait."""

    async def go() -> None:
        app = faust.App("group", broker="kafkabatch://127.0.0.1:1", store="memory://")
        app.delivery = Delivery()
        thread = app.consumer._thread
        consumer = thread._create_worker_consumer(app.transport)
        try:
            assert consumer._fetch_max_wait_ms == FETCH_WAIT_MS <= 100
        finally:
            await consumer.stop()
            thread.thread_loop.close()

    asyncio.run(go())
