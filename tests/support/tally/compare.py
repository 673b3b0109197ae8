"""Compares every cell of views with the model, and reports the smallest difference."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from clickhouse_connect.driver.client import Client
from tally.calls import Call, Model

SHOWN = 12
"""Columns of a row that a message names, those that differ first."""

_Cells = tuple[tuple[str, Any], ...]


@dataclass(frozen=True)
class Difference:
    """A view and the model compared: the rows of each side that the other does not have."""

    call: Call
    view: tuple[_Cells, ...]
    model: tuple[_Cells, ...]

    @property
    def size(self) -> int:
        """Rows that have no equal."""
        return len(self.view) + len(self.model)

    def __str__(self) -> str:
        lines = [f"{self.call.sql}: {len(self.view)} rows only in the view, {len(self.model)} only in the model"]
        if self.view and self.model:
            # The two rows that are most alike: mostly one row whose count is wrong.
            seen, said = min(
                ((seen, said) for seen in self.view[:200] for said in self.model[:200]),
                key=lambda pair: len(set(pair[0]) ^ set(pair[1])),
            )
            differing = {name for name, _ in set(seen) ^ set(said)}
            lines += [f"  view:  {_shown(seen, differing)}", f"  model: {_shown(said, differing)}"]
        else:
            side = "view" if self.view else "model"
            lines.append(f"  only in the {side}: {_shown((self.view or self.model)[0], set())}")
        return "\n".join(lines)


def differences(client: Client, model: Model, wanted: Iterable[Call]) -> list[Difference]:
    """Calls whose rows are not the model's, smallest difference first."""
    found = [difference for call in wanted if (difference := compare(client, model, call)) is not None]
    return sorted(found, key=lambda difference: difference.size)


def compare(client: Client, model: Model, call: Call) -> Difference | None:
    """None when view and model agree on every column and row."""
    result = client.query(call.sql)
    seen = Counter(_cells(dict(zip(result.column_names, row, strict=True))) for row in result.result_rows)
    said = Counter(map(_cells, call.rows(model)))
    if seen == said:
        return None
    return Difference(call, tuple((seen - said).elements()), tuple((said - seen).elements()))


def _cells(row: Mapping[str, Any]) -> _Cells:
    return tuple((name, _plain(name, row[name])) for name in sorted(row))


def _plain(name: str, value: Any) -> Any:
    """The value in the form in which both sides are compared."""
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, datetime):
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    if isinstance(value, list | tuple):
        parts = tuple(_plain("", part) for part in value)
        return tuple(sorted(parts)) if name == "sides" else parts  # of an aggregate without an order
    return value


def _shown(row: _Cells, differing: set[str]) -> str:
    first = sorted(row, key=lambda cell: cell[0] not in differing)
    return ", ".join(f"{name} = {value!r}" for name, value in first[: max(SHOWN, len(differing))])
