"""What bounds the memory of all requests together, and how much one key may send. Pure; the time is passed in."""

from collections import OrderedDict
from math import ceil
from typing import Final

_KEYS: Final = 10_000
"""Keys whose use is remembered; the one that was used longest ago is forgotten."""


class Budget:
    """Bytes that requests and unconfirmed records hold together."""

    def __init__(self, most: int) -> None:
        self._most = most
        self.held = 0

    def take(self, size: int) -> bool:
        """Hold `size` more bytes if there is room for them; returns whether there was."""
        if self.held + size > self._most:
            return False
        self.held += size
        return True

    def give(self, size: int) -> None:
        """Hold `size` bytes less."""
        self.held -= size


class Rate:
    """How fast each key may use something: a number each second, and a reserve for bursts.

    One request may take more than there is, and is waited for by the next: a batch is never too large to fit.

    Args:
        each_second: what comes back each second.
        burst: what there is at most.
    """

    def __init__(self, each_second: float, burst: float) -> None:
        self._each_second, self._burst = each_second, burst
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait(self, key: str, now: float) -> int:
        """Whole seconds until the key may go on; 0 when it may.

        Args:
            key: its id.
            now: seconds of the monotonic clock.
        """
        left = self._now(key, now)
        return 0 if left > 0 else max(1, ceil((1 - left) / self._each_second))

    def use(self, key: str, number: float, now: float) -> None:
        """The key uses `number` of them."""
        self._left[key] = (self._now(key, now) - number, now)
        self._left.move_to_end(key)
        if len(self._left) > _KEYS:
            self._left.popitem(last=False)

    def _now(self, key: str, now: float) -> float:
        left, at = self._left.get(key, (self._burst, now))
        return min(self._burst, left + (now - at) * self._each_second)
