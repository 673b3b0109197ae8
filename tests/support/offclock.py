"""A wrong wall clock for the processes that a test starts; the monotonic clock cannot be set."""

from pathlib import Path

_SITE = """
import datetime, os, time

OFF = float(os.environ["TEST_CLOCK_OFF"])
read, read_ns, real = time.time, time.time_ns, datetime.datetime
shift = datetime.timedelta(seconds=OFF)
time.time = lambda: read() + OFF
time.time_ns = lambda: read_ns() + int(OFF * 1e9)


class Meta(type):
    def __instancecheck__(cls, value):
        return isinstance(value, real)

    def __subclasscheck__(cls, other):
        return issubclass(other, real)


class Wrong(real, metaclass=Meta):
    @classmethod
    def now(cls, tz=None):
        return real.now(tz) + shift

    @classmethod
    def utcnow(cls):
        return real.utcnow() + shift


Wrong.__name__ = Wrong.__qualname__ = "datetime"
datetime.datetime = Wrong
"""


def wrong_clock(folder: Path, seconds: float) -> dict[str, str]:
    """Environment of a Python process whose clock is `seconds` ahead (behind, when negative)."""
    place = folder / "offclock"
    place.mkdir(exist_ok=True)
    (place / "sitecustomize.py").write_text(_SITE, encoding="utf-8")
    return {"PYTHONPATH": str(place), "TEST_CLOCK_OFF": str(seconds)}
