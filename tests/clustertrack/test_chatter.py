"""What libraries log while Kafka is away, cut down to what explains."""

import logging
from typing import Any

import pytest

from clustertrack.chatter import AGAIN_SECONDS, QUIET_SECONDS, Chatter


class Log:
    """A handler's filter with a clock that the test moves."""

    def __init__(self) -> None:
        self.now = 100.0
        self.chatter = Chatter(lambda: self.now)
        self.lines: list[tuple[str, str]] = []

    def say(self, name: str, level: int, message: Any, *arguments: object, exc_info: Any = None) -> None:
        """A logger of that name logs."""
        record = logging.LogRecord(name, level, "x.py", 1, message, arguments, exc_info)
        if self.chatter.filter(record):
            self.lines.append((record.levelname, record.getMessage()))


@pytest.fixture
def log() -> Log:
    """An empty log."""
    return Log()


def fail(log: Log, seconds: float) -> None:
    """What aiokafka says in so many seconds without a broker."""
    for _ in range(round(seconds * 10)):
        log.now += 0.1
        log.say("aiokafka", logging.ERROR, "Unable connect to node with id %s: 100 %% refused", 1)
        log.say("aiokafka.client", logging.ERROR, "Unable to update metadata from %s", [1])


def test_a_broker_that_is_away(log: Log):
    """One line with what was said first, one a minute, and it is over when it answers and nobody complains."""
    log.chatter.answered()
    fail(log, AGAIN_SECONDS + 10)
    said = "Unable connect to node with id 1: 100 % refused"
    assert log.lines == [
        ("WARNING", f"Kafka does not answer as it should, and is asked again until it does: {said}"),
        ("WARNING", f"Kafka has not answered as it should for 60 s: {said}"),
    ]
    assert log.chatter.over() is None
    log.now += 1
    log.chatter.answered()
    assert log.chatter.over() is None
    log.now += QUIET_SECONDS
    log.chatter.answered()
    assert log.chatter.over() == pytest.approx(AGAIN_SECONDS + 11)
    assert log.chatter.over() is None


def test_the_next_time_is_said_again(log: Log):
    """Each outage has its own line."""
    for _ in range(2):
        fail(log, 1)
        log.now += QUIET_SECONDS
        log.chatter.answered()
        assert log.chatter.over() is not None
    assert len(log.lines) == 2


def test_a_broker_that_is_frozen(log: Log):
    """It is silent, and its client too while it waits: one outage, from the last answer to the next."""
    log.chatter.answered()
    for _ in range(3):
        log.now += 25
        log.say("aiokafka", logging.ERROR, "Unable connect to node with id %s: %s", 1, TimeoutError())
        log.now += QUIET_SECONDS
        assert log.chatter.over() is None
    log.now += 10
    log.chatter.answered()
    assert log.chatter.over() == pytest.approx(100)
    said = "Unable connect to node with id 1: no answer in time"
    assert [line for _, line in log.lines] == [
        f"Kafka does not answer as it should, and is asked again until it does: {said}",
        f"Kafka has not answered as it should for 85 s: {said}",
    ]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("kafka.net.transport", "<KafkaTCPTransport host=x>: socket disconnected"),
        ("kafka.net.transport", "<KafkaTCPTransport host=x>: Abort (KafkaConnectionError)"),
        ("kafka.net.connection", "<KafkaConnection>: Connection lost: None"),
        ("kafka.net.manager", "Connection failed: [Errno 111] ECONNREFUSED"),
        ("kafka.cluster", "Metadata refresh: failed NodeNotReadyError"),
        ("kafka.net.connection", "<KafkaConnection>: Request timed out after 5000 ms. Closing connection."),
        ("aiokafka.consumer.group_coordinator", "Marking the coordinator dead (node 1) for group g."),
        ("aiokafka.conn", "<AIOKafkaConnection host=x>: Connection reset by peer"),
    ],
)
def test_both_clients_speak_of_one_outage(log: Log, name: str, message: str):
    """What either of them says of a broker begins an outage, and all that they say during it is part of it."""
    log.say(name, logging.ERROR, message)
    log.say(name, logging.ERROR, message)
    fail(log, 1)
    log.say("kafka.net.selector", logging.WARNING, "anything else")
    assert len(log.lines) == 1
    assert log.lines[0][1].startswith("Kafka does not answer as it should")


def test_the_clockwork_of_libraries(log: Log):
    """A timer that ran late because Kafka was away explains nothing."""
    log.say("mode.timers", logging.WARNING, "Timer %s is overlapping (interval=%r runtime=%r)", "commit", 0.5, 20.1)
    assert log.lines == []


def test_other_words_of_libraries(log: Log):
    """At most a line a minute for one message, never above a warning; what they tell about themselves is left out."""
    for _ in range(100):
        log.say("aiokafka.consumer", logging.ERROR, "Heartbeat failed for group %s because it is rebalancing", "g")
        log.say("faust.app", logging.INFO, "[^-App]: Starting...")
        log.say("streams.transport", logging.INFO, "[^--BatchConsumer]: Starting...")
        log.now += 1
    assert log.lines == [("WARNING", "Heartbeat failed for group g because it is rebalancing")] * 2


def test_what_is_never_left_out(log: Log):
    """Ours, what ends the worker, and errors with their traceback."""
    error = (ValueError, ValueError("x"), None)
    for _ in range(2):
        log.say("streams.deliver", logging.INFO, {"event": "begun"})
        log.say("mode.worker", logging.CRITICAL, "crashed")
        log.say("aiokafka", logging.ERROR, "Unexpected error", exc_info=error)
    assert len(log.lines) == 6


def test_a_connection_that_broke_has_no_traceback(log: Log):
    """Its cause is part of the line."""
    try:
        raise ConnectionResetError(104, "Connection reset by peer")
    except OSError as error:
        log.say("kafka.net", logging.ERROR, "%s: Error receiving", "conn", exc_info=(type(error), error, None))
    assert log.lines[0][1].endswith(": conn: Error receiving: [Errno 104] Connection reset by peer")


def test_all_of_it_while_looking_for_a_fault():
    """LOG_LEVEL=DEBUG shows everything."""
    chatter = Chatter(lambda: 0.0, verbose=True)
    record = logging.LogRecord("mode", logging.DEBUG, "x.py", 1, "x", (), None)
    assert chatter.filter(record)
    assert chatter.filter(record)
