"""A ledger that was restored or begun anew, and workers that still have the marks of the former one."""

import pytest
from samples import CVRS, event
from stack import Stack

from streams.topics import EVENTS

pytestmark = pytest.mark.integration

TABLES = ("activity_revision", "activity", "receipt", "rejected")
COMPANIES = CVRS[:4]


def test_a_ledger_with_a_new_id_is_filled_again_from_the_topic(stack: Stack) -> None:
    """Rows are lost and the ledger gets a new id: a worker with its old data folder counts the whole topic again."""
    records = [(b"%08d" % cvr, event(cvr, f"restored-{n}"), [], None) for n, cvr in enumerate(COMPANIES * 3)]
    stack.send(EVENTS, records)
    worker = stack.start_worker("worker-kept")
    stack.wait_counted()
    before = stack.report(2018)
    worker.stop(20)
    client = stack.client()
    for table in (*TABLES, "ledger"):
        client.command(f"TRUNCATE TABLE {table}")
    client.close()

    stack.run("migrate")
    stack.start_worker("worker-kept")
    stack.wait_counted()

    assert stack.report(2018) == before
    assert before["helped"]["companies"] == len(COMPANIES)
    stack.run("reconcile")
