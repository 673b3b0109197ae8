from structlog.testing import capture_logs

from streams.outages import Outage


def test_ever_fewer_lines():
    """A thousand failures are ten lines and one at the end; without any there is none."""
    with capture_logs() as lines:
        outage = Outage("events")
        for _ in range(1_000):
            outage.failed("will be repeated", step="insert")
        outage.over("it works again")
        Outage("events").over("it works again")
    assert [line["tries"] for line in lines[:-1]] == [2**n for n in range(10)]
    assert lines[-1] == {"event": "it works again", "pipeline": "events", "log_level": "info"}
