"""Writes rows into the ledger: column-oriented Arrow inserts over ClickHouse's HTTP interface.

An insert is finished when `insert` returns. After any error the same rows may be inserted again, whole or cut
otherwise: the tables keep one row per identity, so nothing depends on insert tokens.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final

import pyarrow as pa
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError

from schemas.counts import counted
from schemas.errors import first_line
from schemas.events import Activity
from schemas.ledger import (
    CompanyRow,
    KeyRow,
    LedgerRefused,
    LedgerUnavailable,
    Original,
    Receipt,
    RegistryRow,
    Rejection,
    Rows,
)
from sinks.clickhouse import (
    ClickHouse,
    ClickHouseFault,
    ClickHouseUnreachable,
    check_database_name,
    connect,
)

ABOUT_A_ROW: Final = frozenset(
    {
        6,  # CANNOT_PARSE_TEXT: a text where the column wants something else
        38,  # CANNOT_PARSE_DATE
        41,  # CANNOT_PARSE_DATETIME
        69,  # ARGUMENT_OUT_OF_BOUND: a value beyond what its type holds
        72,  # CANNOT_PARSE_NUMBER
        128,  # TOO_LARGE_ARRAY_SIZE: more headers or faults than a column takes
        131,  # TOO_LARGE_STRING_SIZE
        190,  # SIZES_OF_ARRAYS_DONT_MATCH: in a nested column
        321,  # VALUE_IS_OUT_OF_RANGE_OF_DATA_TYPE: such as a day before 1900 or after 2299
        349,  # CANNOT_INSERT_NULL_IN_ORDINARY_COLUMN
        407,  # DECIMAL_OVERFLOW: an instant beyond what DateTime64 holds
        469,  # VIOLATED_CONSTRAINT: a CHECK that an operator has put on the table
        691,  # UNKNOWN_ELEMENT_OF_ENUM: a status that the table does not know
    }
)
"""ClickHouse codes that are about what a row holds. All others, also those that later versions will bring, and answers
without a code, say nothing about a row: the insert is repeated until it succeeds. Not here, although a row can cause
them, are codes that a cut connection or a changed table causes too (33, 43, 53, 70, 117)."""

BROKEN: Final = frozenset(
    {
        10,  # NOT_FOUND_COLUMN_IN_BLOCK
        16,  # NO_SUCH_COLUMN_IN_TABLE
        47,  # UNKNOWN_IDENTIFIER
        60,  # UNKNOWN_TABLE
        81,  # UNKNOWN_DATABASE
        115,  # UNKNOWN_SETTING
        192,  # UNKNOWN_USER
        193,  # WRONG_PASSWORD
        194,  # REQUIRED_PASSWORD
        291,  # DATABASE_ACCESS_DENIED
        497,  # ACCESS_DENIED
        516,  # AUTHENTICATION_FAILED
    }
)
"""Codes of a wrong set-up, which waiting seldom fixes: the worker ends with a sentence and is restarted, and the check
at the start names the same problem before it takes partitions from others."""

INSERT_SETTINGS: Final = {"async_insert": 0, "insert_deduplicate": 0, "throw_if_no_data_to_insert": 0}
"""Those of an insert, besides `sinks.pinned_settings.PINNED`. The last one is for the empty insert of `probe`."""
INSERT_TIMEOUT: Final = 60
"""Seconds to wait for one insert; a slower one is repeated."""

_MS: Final = pa.timestamp("ms", "UTC")
_STRINGS: Final = pa.list_(pa.string())
_FAULTS: Final = pa.list_(pa.struct([("field", pa.string()), ("code", pa.string()), ("value", pa.string())]))
_HEADERS: Final = pa.list_(pa.struct([("name", pa.string()), ("value", pa.binary())]))
_STATUS: Final = {"duplicate": 1, "rejected": 2, "rerouted": 3, "accepted": 4, "retracted": 5}
_UINT128: Final = pa.binary(16)


class LedgerWriter:
    """Stores rows in ClickHouse: the real `schemas.ledger.Ledger`. Connects when first needed, and after errors."""

    def __init__(self, config: ClickHouse) -> None:
        self._config = config
        self._database = check_database_name(config.database)
        self._client: Client | None = None

    def insert(self, rows: Rows) -> None:
        """See `schemas.ledger.Ledger.insert`."""
        for table, some, columns in _tables(rows):
            if some:
                self._store(table, self._block(table, some, columns))

    def probe(self, rows: Rows) -> None:
        """See `schemas.ledger.Ledger.probe`: the same inserts, without a row."""
        for table, some, columns in _tables(rows):
            if some:
                self._store(table, columns(some[:1]).slice(0, 0))

    def close(self) -> None:
        """Close the connection."""
        if self._client is not None:
            self._client.close()
            self._client = None

    @staticmethod
    def _block(table: str, rows: Sequence[Any], columns: Callable[[Any], pa.Table]) -> pa.Table:
        try:
            return columns(rows)
        except (pa.ArrowException, ValueError, OverflowError, TypeError) as error:
            raise LedgerRefused(f"Rows for {table} do not fit its types: {first_line(error)}") from error

    def _store(self, table: str, block: pa.Table) -> None:
        try:
            if self._client is None:
                self._client = connect(self._config, send_receive_timeout=INSERT_TIMEOUT)
            answer = self._client.insert_arrow(f"{self._database}.{table}", block, settings=INSERT_SETTINGS)
        except ClickHouseUnreachable as error:
            raise LedgerUnavailable(str(error)) from error
        except (ClickHouseFault, ClickHouseError) as error:
            raise self._judge(table, error) from error
        written = str(answer.summary.get("written_rows", ""))
        if not written.isdecimal() or int(written) < block.num_rows:
            # A proxy's page, or the answer to something else.
            self.close()
            raise LedgerUnavailable(
                f"What answers at {self._config.address} does not confirm {counted(block.num_rows, 'row')} for {table} "
                f"(written_rows: {written or 'missing'}): is it ClickHouse, or a proxy before it?"
            )

    def _judge(self, table: str, error: Exception) -> Exception:
        code: int | None = getattr(error, "code", None)
        said = f"ClickHouse at {self._config.address} refuses an insert into {table}: {first_line(error)}"
        if code in ABOUT_A_ROW:
            return LedgerRefused(said)
        if code in BROKEN:
            return ClickHouseFault(f"{said} Run `clustertrack migrate` and check CLICKHOUSE_USER's rights.", code)
        self.close()
        return LedgerUnavailable(said)


def _tables(rows: Rows) -> Sequence[tuple[str, Sequence[Any], Callable[[Any], pa.Table]]]:
    """Tables, their rows, and what makes columns of them; receipts last, as they prove the others."""
    return (
        ("activity_revision", rows.activities, _activities),
        ("company_version", rows.companies, _companies),
        ("registry_version", rows.registries, _registries),
        ("collector_key", rows.keys, _keys),
        ("rejected", rows.rejected, _rejected),
        ("receipt", rows.receipts, _receipts),
    )


def _columns(kind: Any, rows: Sequence[Any]) -> Any:  # noqa: ANN401  (rows of any table)
    """The rows turned round: a tuple of the same kind whose fields are whole columns."""
    return kind(*zip(*rows, strict=True))


def _uint128(values: Sequence[int]) -> pa.Array:
    packed = b"".join([value.to_bytes(16, "little") for value in values])
    return pa.FixedSizeBinaryArray.from_buffers(_UINT128, len(values), [None, pa.py_buffer(packed)])


def _ms(values: Sequence[int]) -> pa.Array:
    return pa.array(values, pa.int64()).cast(_MS)


def _activities(rows: Sequence[Activity]) -> pa.Table:
    columns = _columns(Activity, rows)
    return pa.table(
        {
            "source": pa.array(columns.source),
            "activity_id": pa.array(columns.activity_id),
            "revision": _uint128(columns.revision),
            "is_deleted": pa.array(columns.is_deleted, pa.uint8()),
            "event_id": pa.array(columns.event_id),
            "company_id": pa.array(columns.company_id, pa.uint32()),
            "cluster": pa.array(columns.cluster),
            "event_type": pa.array(columns.event_type),
            "reported": pa.array(columns.reported, _STRINGS),
            "derived": pa.array(columns.derived, _STRINGS),
            "outcomes_given": pa.array(columns.outcomes_given, pa.uint8()),
            "membership": pa.array(columns.membership),
            "details": pa.array(columns.details),
            "occurred_on": pa.array(columns.occurred_on, pa.uint16()),
            "recorded_at": _ms(columns.recorded_at),
            "known_at": _ms(columns.known_at),
            "registry_revision": pa.array(columns.registry_revision, pa.uint64()),
        }
    )


def _companies(rows: Sequence[CompanyRow]) -> pa.Table:
    versions = [row.version for row in rows]

    def column(name: str, of: pa.DataType) -> pa.Array:
        return pa.array([getattr(version, name) for version in versions], of)

    return pa.table(
        {
            "company_id": column("cvr", pa.uint32()),
            "valid_from": column("valid_from", pa.date32()),
            "revision": column("revision", pa.uint64()),
            "is_deleted": column("withdrawn", pa.bool_()).cast(pa.uint8()),
            "name": column("name", pa.string()),
            "legal_form": column("legal_form", pa.string()),
            "employees": column("employees", pa.uint32()),
            "employees_is_band": column("employees_is_band", pa.bool_()).cast(pa.uint8()),
            "nuts": column("nuts", pa.string()),
            "industry_scheme": column("industry_scheme", pa.string()),
            "industry": column("industry", pa.string()),
            "successor_id": pa.array([version.successor_cvr or 0 for version in versions], pa.uint32()),
            "ceased_on": column("ceased_on", pa.date32()),
            "known_at": _ms([row.known_at for row in rows]),
        }
    )


def _registries(rows: Sequence[RegistryRow]) -> pa.Table:
    return pa.table(
        {
            "revision": pa.array([row.version.revision for row in rows], pa.uint64()),
            "content": pa.array([row.version.to_json() for row in rows], pa.binary()),
            "known_at": _ms([row.known_at for row in rows]),
        }
    )


def _keys(rows: Sequence[KeyRow]) -> pa.Table:
    versions = [row.version for row in rows]
    return pa.table(
        {
            "id": pa.array([version.id for version in versions]),
            "revision": pa.array([version.revision for version in versions], pa.uint64()),
            "cluster": pa.array([version.cluster for version in versions]),
            "hash": pa.array([bytes.fromhex(version.hash) for version in versions], pa.binary(32)),
            "created_at": _ms([version.created for version in versions]),
            "expires": pa.array([version.expires for version in versions], pa.date32()),
            "revoked_at": pa.array([version.revoked for version in versions], pa.int64()).cast(_MS),
            "note": pa.array([version.note for version in versions]),
            "known_at": _ms([row.known_at for row in rows]),
        }
    )


def _rejected(rows: Sequence[Rejection]) -> pa.Table:
    columns = _columns(Rejection, rows)
    originals = [row.original or Original(len(row.payload or b""), b"") for row in rows]
    return pa.table(
        {
            "topic": pa.array(columns.topic),
            "topic_epoch": pa.array(columns.topic_epoch, pa.uint16()),
            "partition": pa.array(columns.partition, pa.uint16()),
            "offset": pa.array(columns.offset, pa.uint64()),
            "log_time": _ms(columns.log_time),
            "source": pa.array(columns.source),
            "reason": pa.array([row.faults[0].code for row in rows]),
            "faults": pa.array([[fault._asdict() for fault in row.faults] for row in rows], _FAULTS),
            "headers": pa.array([[{"name": n, "value": v} for n, v in row.headers] for row in rows], _HEADERS),
            "key": pa.array(columns.key, pa.binary()),
            "payload": pa.array(columns.payload, pa.binary()),
            "pipeline_version": pa.array(columns.pipeline_version, pa.uint8()),
            "payload_size": pa.array([original.size for original in originals], pa.uint64()),
            "payload_sha256": pa.array([original.sha256 for original in originals], pa.binary()),
            "registry_revision": pa.array(columns.registry_revision, pa.uint64()),
        }
    )


def _receipts(rows: Sequence[Receipt]) -> pa.Table:
    columns = _columns(Receipt, rows)
    return pa.table(
        {
            "topic": pa.array(columns.topic),
            "topic_epoch": pa.array(columns.topic_epoch, pa.uint16()),
            "partition": pa.array(columns.partition, pa.uint16()),
            "offset": pa.array(columns.offset, pa.uint64()),
            "status": pa.array([_STATUS[status] for status in columns.status], pa.int8()),
            "reason": pa.array(columns.reason),
            "source": pa.array(columns.source),
            "log_time": _ms(columns.log_time),
            "activity_id": pa.array(columns.activity_id),
            "revision": _uint128(columns.revision),
            "pipeline_version": pa.array(columns.pipeline_version, pa.uint8()),
            "sent_to": pa.array(columns.sent_to, pa.uint16()),
            "origin_partition": pa.array(columns.origin_partition, pa.uint16()),
            "origin_offset": pa.array(columns.origin_offset, pa.uint64()),
            "event_id": pa.array(columns.event_id, pa.string()),
        }
    )
