"""Results of a pure function are kept, within bounds."""

import pytest

from schemas.bounded_cache import Remembered


def test_asked_once() -> None:
    """The function is asked once for each argument."""
    asked: list[int] = []

    def double(number: int) -> int:
        asked.append(number)
        return number * 2

    doubled = Remembered(double, 10)
    assert [doubled[2], doubled[3], doubled[2]] == [4, 6, 4]
    assert asked == [2, 3]


def test_it_never_grows_beyond_its_bound() -> None:
    """When it is full it starts over, with anything that arrives."""
    remembered = Remembered(str, 3)
    sizes = []
    for number in range(10):
        assert remembered[number] == str(number)
        sizes.append(len(remembered))
    assert max(sizes) == 3


def test_errors_are_not_remembered() -> None:
    """An exception of the function is raised each time."""
    read = Remembered(int, 3)
    for _ in range(2):
        with pytest.raises(ValueError, match="invalid literal"):
            read["x"]
    assert len(read) == 0
