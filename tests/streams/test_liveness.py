"""When a worker is healthy, and when it is ready."""

import pytest

from streams.liveness import DELIVERY_TIMES, LONGEST_START, Signs, unhealthy, unready

WELL = Signs(
    loop_age=0.5,
    fetch_age=1.0,
    flowing=True,
    recovering=False,
    held=False,
    delivery_age=0.0,
    untaken_for=0.0,
    not_flowing_for=0.0,
    waits_for="",
    joined=True,
    waiting_for=0.0,
)
STALLED = 45.0
LONG = STALLED + 1


def signs(**changes: float | bool | str) -> Signs:
    """A healthy worker but for the changes."""
    return Signs(**{**{name: getattr(WELL, name) for name in Signs.__dataclass_fields__}, **changes})


def test_a_working_worker_is_healthy_and_ready() -> None:
    """No reason against it."""
    assert unhealthy(WELL, STALLED) is None
    assert unready(WELL) is None


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        pytest.param({"loop_age": LONG}, "event loop", id="blocked loop"),
        pytest.param({"fetch_age": LONG}, "fetcher", id="dead fetcher"),
        pytest.param({"held": True, "delivery_age": DELIVERY_TIMES * LONG}, "have not moved", id="stuck delivery"),
        pytest.param({"untaken_for": LONG}, "have not been taken", id="dead agent"),
        pytest.param(
            {"flowing": False, "recovering": True, "fetch_age": LONG}, "fetcher", id="fetcher dead in recovery"
        ),
        pytest.param({"flowing": False, "not_flowing_for": LONGEST_START + 1}, "assignment", id="endless recovery"),
    ],
)
def test_a_stalled_worker_is_unhealthy(changes: dict[str, float | bool | str], word: str) -> None:
    """Only a restart helps, and the reason is named."""
    assert word in (unhealthy(signs(**changes), STALLED) or "")


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"waiting_for": 3600.0, "held": True, "fetch_age": 3600.0}, id="ClickHouse away for an hour"),
        pytest.param({"held": True, "fetch_age": LONG, "delivery_age": 1.0}, id="back-pressure"),
        pytest.param({"waits_for": "a registry", "fetch_age": 3600.0}, id="no registry for an hour"),
        pytest.param({"flowing": False, "not_flowing_for": LONG, "fetch_age": LONG}, id="long rebalance"),
        pytest.param({"flowing": False, "recovering": True, "not_flowing_for": LONG}, id="long recovery"),
    ],
)
def test_waiting_is_healthy(changes: dict[str, float | bool | str]) -> None:
    """A retry is a sign of life; a full pipeline needs no fetcher."""
    assert unhealthy(signs(**changes), STALLED) is None


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        pytest.param({"waits_for": "the register is being read"}, "register", id="register"),
        pytest.param({"flowing": False}, "recovered", id="recovery"),
        pytest.param(
            {"joined": False, "flowing": False, "waits_for": "the register is being read"},
            "group has not let",
            id="group",
        ),
        pytest.param(
            {"joined": False, "flowing": False, "waits_for": "the register is being read"},
            "register",
            id="register and group",
        ),
        pytest.param({"waiting_for": 5.0}, "refused for 5 s", id="outage"),
    ],
)
def test_why_a_worker_is_not_ready(changes: dict[str, float | bool | str], word: str) -> None:
    """The reason is named."""
    assert word in (unready(signs(**changes)) or "")
