"""A bounded memory of what a pure function gave: for the few functions that every event passes through."""

from collections.abc import Callable
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Remembered(dict[K, V], Generic[K, V]):
    """Values of a pure function by its argument: `remembered[key]`. Half the time of `functools.lru_cache`.

    When it is full it starts over, so no input can make it grow.

    Args:
        function: what gives the values; exceptions are not remembered.
        most: how many values are kept.
    """

    __slots__ = ("_function", "_most")

    def __init__(self, function: Callable[[K], V], most: int) -> None:
        super().__init__()
        self._function, self._most = function, most

    def __missing__(self, key: K) -> V:
        """Asked for the first time, or again since it was full."""
        value = self._function(key)
        if len(self) >= self._most:
            self.clear()
        self[key] = value
        return value


class RememberedTexts(Remembered[str, V], Generic[V]):
    """The same of a function of texts that can be long: only what it gave for short ones is remembered.

    Args:
        function: what gives the values.
        most: how many are kept.
        longest: characters of the longest text that is remembered.
    """

    __slots__ = ("_longest",)

    def __init__(self, function: Callable[[str], V], most: int, longest: int) -> None:
        super().__init__(function, most)
        self._longest = longest

    def __missing__(self, key: str) -> V:
        """Asked for the first time, again since it was full, or too long."""
        return super().__missing__(key) if len(key) <= self._longest else self._function(key)
