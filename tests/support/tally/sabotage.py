"""Mistakes that someone could make in the ledger's SQL, as replacements of text; the comparison must see each one."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Sabotage:
    """One mistake: old text becomes new text everywhere, and `view` then gives other rows than the model."""

    name: str
    view: str
    changes: tuple[tuple[str, str], ...]
    merged: bool = False
    """Only visible when the parts are merged."""
    long: bool = False
    """For long runs only."""

    def apply(self, texts: Mapping[str, str]) -> dict[str, str]:
        """The text of the migrations by file, with the mistake.

        Raises:
            LookupError: the text is no longer in the migrations; the sabotage must be rewritten.
        """
        wrong = dict(texts)
        for old, new in self.changes:
            if not any(old in text for text in wrong.values()):
                raise LookupError(f"{self.name}: no migration says {old!r} any more")
            wrong = {file: text.replace(old, new) for file, text in wrong.items()}
        return wrong


def read_sabotages(path: Path) -> list[Sabotage]:
    """The mistakes of a file; one with several changes has them in a list."""
    return [_sabotage(entry) for entry in tomllib.loads(path.read_text(encoding="utf-8"))["sabotage"]]


def _sabotage(entry: dict[str, Any]) -> Sabotage:
    changes = entry.get("changes", [entry])
    return Sabotage(
        name=entry["name"],
        view=entry["view"],
        changes=tuple((change["old"], change["new"]) for change in changes),
        merged=entry.get("merged", False),
        long=entry.get("long", False),
    )
