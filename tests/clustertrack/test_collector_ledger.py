"""Questions to a ledger that does not answer."""

import socket
import time
from datetime import date

import pytest
from free_ports import free_ports

from brokers.connection import KafkaConnection
from clustertrack.collector_ledger import CollectorLedger
from clustertrack.local.ports import HOST
from sinks.clickhouse import ClickHouse
from sources.collector.questions import LedgerAwayError


def ask(port: int) -> None:
    """One question to what listens there."""
    address = ClickHouse(host=HOST, port=port, database="impact")
    ledger = CollectorLedger(address, KafkaConnection(f"{HOST}:{port}"), "clustertrack", seconds=1)
    ledger.rejected(["urn:a"], date(2018, 5, 1), date(2018, 5, 1))


def test_nothing_listens():
    """The question fails at once."""
    with pytest.raises(LedgerAwayError, match="does not answer"):
        ask(free_ports(1)[0])


def test_something_listens_and_never_answers():
    """The question fails after its time."""
    began = time.monotonic()
    with socket.create_server((HOST, 0)) as listener, pytest.raises(LedgerAwayError):
        ask(listener.getsockname()[1])
    assert time.monotonic() - began < 8
