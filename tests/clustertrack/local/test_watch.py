import pytest
from hypothesis import given
from hypothesis import strategies as st

from clustertrack.local.watch import Life, Limits, Phase, Seen, Sign, Step, back_off, decide

LIMITS = Limits(start=30, red=10, silent=60, first_back_off=1, longest_back_off=30, stable=60)
UP = Life(Phase.UP, since=100)
STARTING = Life(Phase.STARTING, since=100)
WELL, RED, SILENT = Seen(True), Seen(True, sign=Sign.RED), Seen(True, sign=Sign.SILENT)
GONE = Seen(False)


def test_a_healthy_child_is_left_alone():
    """While it runs and is healthy, nothing happens and nothing is printed."""
    decision = decide(UP, WELL, 200, LIMITS)

    assert (decision.step, decision.life, decision.why) == (Step.LEAVE, UP, "")


def test_a_starting_child_is_up_once_ready():
    """The first time it is ready it counts as up."""
    decision = decide(STARTING, Seen(True, ready=True), 105, LIMITS)

    assert decision.life == Life(Phase.UP, since=105)


@pytest.mark.parametrize(
    ("seen", "patience"),
    [pytest.param(RED, 10, id="red"), pytest.param(SILENT, 60, id="silent")],
)
def test_an_unhealthy_child_is_killed_after_its_time(seen, patience):
    """A child that is red or silent is tolerated for a while and then killed."""
    first = decide(UP, seen, 200, LIMITS)
    borne = decide(first.life, seen, 200 + patience - 1, LIMITS)
    killed = decide(borne.life, seen, 200 + patience, LIMITS)

    assert [first.step, borne.step, killed.step] == [Step.LEAVE, Step.LEAVE, Step.KILL]
    assert killed.life.phase is Phase.DOWN


def test_a_moment_of_health_restarts_patience():
    """Only an unbroken time of being red leads to a kill."""
    red = decide(UP, RED, 200, LIMITS).life
    well = decide(red, WELL, 205, LIMITS).life

    assert decide(well, RED, 212, LIMITS).step is Step.LEAVE


def test_a_dead_child_is_started_again_after_the_back_off():
    """It is down first, and started again when the back-off is over."""
    down = decide(UP, GONE, 130, LIMITS).life

    assert down == Life(Phase.DOWN, since=130, failures=1)
    assert decide(down, GONE, 130.5, LIMITS).step is Step.LEAVE
    assert decide(down, GONE, 131, LIMITS).step is Step.START


def test_a_child_that_never_gets_ready_is_killed():
    """A start that takes too long is given up and tried again."""
    decision = decide(STARTING, Seen(True), 130, LIMITS)

    assert decision.step is Step.KILL
    assert "not ready" in decision.why


@pytest.mark.parametrize(
    ("failures", "seconds"),
    [(1, 1), (2, 2), (3, 4), (6, 30), (10_000, 30)],
    ids=["first", "second", "third", "bounded", "after weeks"],
)
def test_back_off_doubles_up_to_a_bound(failures, seconds):
    """Every failure in a row doubles the wait, up to half a minute."""
    assert back_off(failures, LIMITS) == seconds


def test_a_child_that_ran_long_starts_with_the_first_back_off():
    """Failures of last week do not slow down today's restart."""
    long_up = Life(Phase.UP, since=100, failures=5)

    assert decide(long_up, GONE, 161, LIMITS).life.failures == 1
    assert decide(long_up, GONE, 159, LIMITS).life.failures == 6


@given(
    st.lists(
        st.tuples(st.booleans(), st.booleans(), st.sampled_from(Sign), st.floats(0.1, 20)), min_size=1, max_size=200
    )
)
def test_a_start_only_ever_follows_being_down(looks):
    """A child is only ever started after it ended or was killed, so that two never run at once."""
    life, now, running = STARTING, 100.0, True
    for alive, ready, sign, pause in looks:
        now += pause
        running = running and alive
        decision = decide(life, Seen(running, ready, sign), now, LIMITS)
        if decision.step is Step.START:
            assert not running
        running = decision.step is Step.START or (running and decision.step is not Step.KILL)
        life = decision.life
