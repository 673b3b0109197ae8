"""The word that somebody may have meant."""

from collections.abc import Iterable
from difflib import get_close_matches


def closest(word: str, known: Iterable[str], cutoff: float = 0.7) -> str:
    """The known word that looks most like a misspelt one; empty where none does. `cutoff`: 0 anything to 1 the same."""
    close = get_close_matches(word, list(known), n=1, cutoff=cutoff)
    return close[0] if close else ""


def suggestion(word: str, known: Iterable[str]) -> str:
    """` (did you mean X?)` for the closest known word; empty where none is like it."""
    meant = closest(word, known)
    return f" (did you mean {meant}?)" if meant else ""
