"""What a cell says about outcomes: some, none, or nothing. Pure."""

from typing import Final

from sources.files.cell_texts import canonical, why_unreadable
from sources.files.mapping import ColumnRule
from sources.files.sound_rows import UnbuildableError

_NONE: Final = "-"
"""The cell that says "no outcomes"; an empty one says nothing."""


def read_outcomes(rule: ColumnRule, text: str) -> list[str] | None:
    """The outcomes of a cell, by the words of its mapping; None where it says nothing.

    Raises:
        UnbuildableError: it holds an error, or a value that is not there yet.
    """
    words = rule.words
    text = text or words.get("", "")
    if canonical(text) == _NONE and words.get(_NONE, _NONE) == _NONE:
        return []  # a hyphen may be the separator, too
    items = []
    for part in text.split(rule.separator):
        item = canonical(part)
        if why := why_unreadable(item):
            raise UnbuildableError("outcomes", f"the column {rule.column!r} {why}")
        if item and (said := words.get(item, item)):
            items.append(said)
    return [] if items == [_NONE] else items or None
