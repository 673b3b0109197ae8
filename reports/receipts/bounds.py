"""How much one question may ask of the ledger, and about which sources."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError

from schemas.errors import UsageFault
from schemas.visible import visible

LIMITS: Final = {"max_execution_time": 20, "max_rows_to_read": 200_000_000}
"""Of one query. So many rows are read by the largest questions, about days; one about an event reads some ten
thousand."""

_TOO_MUCH: Final = frozenset({158, 159, 241, 307, 396})
"""ClickHouse's codes of its limits: rows, time, memory, bytes, size of a result."""


def check_source(source: str, sources: Collection[str]) -> None:
    """Raises UsageFault where the source is none of these."""
    if source not in sources:
        raise UsageFault(
            f"The source {visible(source, 200)} is not one that you publish for: ask about {_named(sources)}."
        )


def ask(client: Client, sql: str, bound: Mapping[str, Any]) -> Sequence[Sequence[Any]]:
    """The rows of one query with its parameters bound, within the limits. Raises UsageFault for more."""
    try:
        rows: Sequence[Sequence[Any]] = client.query(sql, parameters=dict(bound), settings=LIMITS).result_rows
    except DatabaseError as error:
        if getattr(error, "code", None) not in _TOO_MUCH:
            raise
        raise UsageFault(
            "The ledger would have to read too much to answer this: ask about fewer days or fewer ids."
        ) from error
    return rows


def _named(sources: Collection[str]) -> str:
    return ", ".join(visible(source, 200) for source in sorted(sources)) or "none, as you have no source"
