"""Writes rows into the ledger: column-oriented Arrow inserts over ClickHouse's HTTP interface.

An insert is finished when `insert` returns. After any error the same rows may be inserted again, whole or cut
otherwise: the tables keep one row per identity, so nothing rests on insert tokens.
"""

import re
from collections.abc import Callable, Sequence
from typing import Any, Final

import pyarrow as pa
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError

from schemas.events import Activity
from schemas.ledger import CompanyRow, LedgerRefused, LedgerUnavailable, Original, Receipt, Rejection, Rows
from sinks.connection import (
    ClickHouse,
    ClickHouseFault,
    ClickHouseUnreachable,
    check_database_name,
    connect,
    first_line,
)

TRANSIENT: Final = frozenset(
    {
        3,  # UNEXPECTED_END_OF_FILE: the connection was cut in the middle of the insert
        159,  # TIMEOUT_EXCEEDED
        160,  # TOO_SLOW
        164,  # READONLY
        201,  # QUOTA_EXCEEDED: a user's, of an interval that ends
        202,  # TOO_MANY_SIMULTANEOUS_QUERIES
        203,  # NO_FREE_CONNECTION
        209,  # SOCKET_TIMEOUT
        210,  # NETWORK_ERROR
        225,  # NO_ZOOKEEPER
        236,  # ABORTED: the server is shutting down
        241,  # MEMORY_LIMIT_EXCEEDED
        242,  # TABLE_IS_READ_ONLY
        243,  # NOT_ENOUGH_SPACE
        252,  # TOO_MANY_PARTS
        279,  # ALL_CONNECTION_TRIES_FAILED
        285,  # TOO_FEW_LIVE_REPLICAS
        286,  # UNSATISFIED_QUORUM_FOR_PREVIOUS_WRITE
        319,  # UNKNOWN_STATUS_OF_INSERT
        394,  # QUERY_WAS_CANCELLED
        425,  # SYSTEM_ERROR
        439,  # CANNOT_SCHEDULE_TASK
        499,  # S3_ERROR: an object store that holds the tables
        574,  # DISTRIBUTED_TOO_MANY_PENDING_BYTES
        733,  # TABLE_IS_BEING_RESTARTED
        734,  # CANNOT_WRITE_AFTER_BUFFER_CANCELED: what another failure leaves behind
        745,  # SERVER_OVERLOADED
        774,  # TABLE_IS_PERMANENTLY_READ_ONLY: an operator's `table_readonly`, until it is taken back
        776,  # RESOURCE_LIMIT_EXCEEDED
        999,  # KEEPER_EXCEPTION
        1019,  # QUERY_SLOT_ACQUISITION_TIMEOUT
        1020,  # MEMORY_RESERVATION_ACQUISITION_TIMEOUT
        # The disk is full, failing, read only, or not mounted: each call to the file system has a code of its own.
        24,  # CANNOT_WRITE_TO_OSTREAM
        74,  # CANNOT_READ_FROM_FILE_DESCRIPTOR
        75,  # CANNOT_WRITE_TO_FILE_DESCRIPTOR: where "No space left on device" mostly shows
        76,  # CANNOT_OPEN_FILE
        77,  # CANNOT_CLOSE_FILE
        84,  # DIRECTORY_ALREADY_EXISTS: a part that could be neither finished nor removed
        87,  # CANNOT_SEEK_THROUGH_FILE
        88,  # CANNOT_TRUNCATE_FILE
        107,  # FILE_DOESNT_EXIST
        172,  # CANNOT_CREATE_DIRECTORY
        204,  # CANNOT_FSYNC
        214,  # CANNOT_STATVFS
        400,  # CANNOT_STAT
        424,  # CANNOT_LINK
        458,  # CANNOT_UNLINK
        481,  # PATH_ACCESS_DENIED
        521,  # ATOMIC_RENAME_FAIL
        531,  # CANNOT_FSTAT
        566,  # CANNOT_RMDIR
        586,  # CANNOT_CREATE_FILE
        # The machine is out of memory, threads or file descriptors.
        95,  # CANNOT_READ_FROM_SOCKET
        96,  # CANNOT_WRITE_TO_SOCKET
        173,  # CANNOT_ALLOCATE_MEMORY
        298,  # CANNOT_PIPE
        460,  # CANNOT_CREATE_TIMER
        573,  # EPOLL_ERROR
    }
)
"""ClickHouse codes that time can heal."""

BY_MESSAGE: Final = frozenset(
    {
        1000,  # POCO_EXCEPTION
        1001,  # STD_EXCEPTION
        1002,  # UNKNOWN_EXCEPTION
    }
)
"""Codes of whatever a library of ClickHouse's threw: time can heal what `_MACHINE` finds in the message. Messages of
other codes quote rows, which could claim anything."""

_MACHINE: Final = re.compile(
    r"filesystem error|bad_alloc|Net Exception|Timeout|I/O error|File access error|File not found"
    r"|No space left|Too many open files|Read-only file system|Disk quota exceeded|Input/output error|Cannot allocate"
    r"|errno: ?[1-9]|e\.code\(\) = [1-9]",
    re.IGNORECASE,
)
"""Of the file system, memory and the network, as the C++ library, Poco and the system calls put it."""

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
"""Codes that are no row's fault but the set-up's: the worker ends instead of rejecting every record for them."""

INSERT_SETTINGS: Final = {"async_insert": 0, "insert_deduplicate": 0}
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
        self._insert("activity_revision", rows.activities, _activities)
        self._insert("company_version", rows.companies, _companies)
        self._insert("rejected", rows.rejected, _rejected)
        self._insert("receipt", rows.receipts, _receipts)

    def close(self) -> None:
        """Close the connection."""
        if self._client is not None:
            self._client.close()
            self._client = None

    def _insert(self, table: str, rows: Sequence[Any], columns: Callable[[Any], pa.Table]) -> None:
        if not rows:
            return
        try:
            block = columns(rows)
        except (pa.ArrowException, ValueError, OverflowError, TypeError) as error:
            raise LedgerRefused(f"Rows for {table} do not fit its types: {first_line(error)}") from error
        try:
            if self._client is None:
                self._client = connect(self._config, send_receive_timeout=INSERT_TIMEOUT)
            self._client.insert_arrow(f"{self._database}.{table}", block, settings=INSERT_SETTINGS)
        except ClickHouseUnreachable as error:
            raise LedgerUnavailable(str(error)) from error
        except (ClickHouseFault, ClickHouseError) as error:
            raise self._judge(table, error) from error

    def _judge(self, table: str, error: Exception) -> Exception:
        code: int | None = getattr(error, "code", None)
        said = f"ClickHouse at {self._config.address} refuses an insert into {table}: {first_line(error)}"
        healing = code in TRANSIENT or (code in BY_MESSAGE and _MACHINE.search(str(error)) is not None)
        if code is None or healing:  # without a code it never came to an answer
            self.close()
            return LedgerUnavailable(said)
        if code in BROKEN:
            return ClickHouseFault(f"{said} Run `clustertrack migrate` and check CLICKHOUSE_USER's rights.", code)
        return LedgerRefused(said)


def _columns(kind: Any, rows: Sequence[Any]) -> Any:  # noqa: ANN401
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
            "kind": column("kind", pa.string()),
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
        }
    )
