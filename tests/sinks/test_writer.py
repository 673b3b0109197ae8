"""The ledger port: the twin in memory and ClickHouse keep the same contract."""

import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client
from proxy import Proxy
from twins import MemoryLedger

from schemas.company import CompanyVersion
from schemas.events import Activity
from schemas.faults import Fault
from schemas.keys import KeyVersion
from schemas.ledger import (
    CompanyRow,
    KeyRow,
    Ledger,
    LedgerRefused,
    LedgerUnavailable,
    Receipt,
    RegistryRow,
    Rejection,
    Rows,
)
from schemas.registry_document import read_sample
from sinks import writer as writer_module
from sinks.clickhouse import ClickHouse, ClickHouseFault
from sinks.migrator import migrate
from sinks.writer import ABOUT_A_ROW, BROKEN, LedgerWriter

ACTIVITY = Activity(
    source="https://crm.example",
    activity_id="WS-1/æøå \U0001f600",
    revision=(1_525_349_109_120 << 64) | (1 << 55) | 0x7FFFFFFFFFFFFF,
    is_deleted=0,
    event_id="e-1",
    company_id=13748136,
    cluster="food-bio",
    event_type="workshop.attended",
    reported=("new_competencies", "new_ideas"),
    derived=(),
    outcomes_given=1,
    membership="",
    details='{"title":"Digital \\"twins\\""}',
    occurred_on=17654,
    recorded_at=1_525_349_109_120,
    known_at=1_800_000_000_123,
    registry_revision=1_790_000_000_000,
)
RECEIPT = Receipt(
    "activity.events.v1",
    3,
    7,
    123,
    "accepted",
    "",
    ACTIVITY.source,
    1_800_000_000_123,
    "WS-1",
    99,
    1,
    9,
    11,
    2**63 - 1,
    "e-2",
)
REJECTION = Rejection(
    topic="activity.events.v1",
    topic_epoch=0,
    partition=1,
    offset=5,
    log_time=1_790_000_000_000,
    source="",
    faults=(Fault("time", "missing", ""), Fault("", "invalid_json", "\x00{")),
    headers=(("x", b"\xff\x00"), ("y", None), ("x", b"")),
    key=b"",
    payload=b"\xff\xfe\x00",
    pipeline_version=1,
    registry_revision=1_790_000_000_000,
)
COMPANY = CompanyRow(
    CompanyVersion(cvr=13748136, valid_from=date(1873, 1, 1), revision=5, name="Mejeri", employees=None, nuts="DK042"),
    1_800_000_000_000,
)
REGISTRY = RegistryRow(read_sample(1_790_000_000_000), 1_800_000_000_000)
KEY = KeyRow(
    KeyVersion(
        id="abcdefgh",
        cluster="food-bio",
        hash="00ff" * 16,
        created=1_790_000_000_000,
        expires=date(2149, 6, 6),
        revoked=1_790_000_000_001,
        note="CRM, tæst",
        revision=1_790_000_000_001,
    ),
    1_800_000_000_000,
)
ALL = Rows([ACTIVITY], [COMPANY], [REGISTRY], [KEY], [REJECTION], [RECEIPT])

SETTINGS = [
    pytest.param("parts_to_throw_insert=1, parts_to_delay_insert=1", 252, id="too many parts"),
    pytest.param("table_readonly=1", 774, id="read only"),
]
PAGES = [
    pytest.param(f"{kind} {status}", id=f"{kind} {status}") for kind in ("page", "cut") for status in (200, 302, 500)
]


@pytest.fixture
def writer(client: Client, database: str, clickhouse: Any) -> Iterator[LedgerWriter]:
    """A writer on a migrated database."""
    migrate(client, database)
    made = LedgerWriter(ClickHouse(host=clickhouse.host, port=clickhouse.port, database=database))
    yield made
    made.close()


@pytest.fixture
def proxy(clickhouse: Any) -> Iterator[Proxy]:
    """In front of ClickHouse, to answer for it."""
    made = Proxy(clickhouse.port)
    yield made
    made.close()


@pytest.fixture
def proxied(proxy: Proxy, database: str) -> Iterator[LedgerWriter]:
    """A writer behind the proxy, on a database without tables: no insert comes that far."""
    made = LedgerWriter(ClickHouse(host="127.0.0.1", port=proxy.port, database=database))
    yield made
    made.close()


@pytest.mark.integration
class TestClickHouse:
    """The real ledger."""

    def test_rows_come_back_as_they_went_in(self, writer: LedgerWriter, client: Client, database: str) -> None:
        """Every column, with bytes that are no text and days before 1970."""
        writer.insert(ALL)
        activity = client.query(
            "SELECT * EXCEPT (occurred_on, recorded_at, known_at, registry_revision), toInt32(occurred_on), "
            "toUnixTimestamp64Milli(recorded_at), toUnixTimestamp64Milli(known_at), registry_revision "
            f"FROM {database}.activity_revision"
        ).result_rows[0]
        assert tuple(tuple(v) if isinstance(v, list) else v for v in activity) == tuple(ACTIVITY)
        receipt = client.query(
            "SELECT topic, topic_epoch, partition, offset, status, reason, source, "
            "toUnixTimestamp64Milli(log_time), activity_id, revision, pipeline_version, "
            "sent_to, origin_partition, origin_offset, event_id "
            f"FROM {database}.receipt"
        ).result_rows[0]
        assert receipt == tuple(RECEIPT)
        rejected = client.query(
            "SELECT hex(payload), key, arrayMap(h -> (h.name, hex(h.value), isNull(h.value)), headers), "
            "arrayMap(f -> (f.field, f.code, f.value), faults), reason, registry_revision "
            f"FROM {database}.rejected"
        ).result_rows[0]
        assert rejected == (
            "FFFE00",
            "",
            [("x", "FF00", 0), ("y", None, 1), ("x", "", 0)],
            [tuple(f) for f in REJECTION.faults],
            "missing",
            REJECTION.registry_revision,
        )
        company = client.query(
            "SELECT company_id, toString(valid_from), revision, name, employees, nuts, successor_id, ceased_on "
            f"FROM {database}.company_version"
        ).result_rows[0]
        assert company == (13748136, "1873-01-01", 5, "Mejeri", None, "DK042", 0, None)
        registry = client.query(
            f"SELECT revision, content, toUnixTimestamp64Milli(known_at) FROM {database}.registry_version"
        ).result_rows[0]
        assert registry == (REGISTRY.version.revision, REGISTRY.version.to_json().decode(), REGISTRY.known_at)
        key = client.query(
            "SELECT id, revision, cluster, lower(hex(hash)), toUnixTimestamp64Milli(created_at), expires, "
            "toUnixTimestamp64Milli(revoked_at), note, toUnixTimestamp64Milli(known_at) "
            f"FROM {database}.collector_key"
        ).result_rows[0]
        version = KEY.version
        assert key == (
            version.id,
            version.revision,
            version.cluster,
            version.hash,
            version.created,
            version.expires,
            version.revoked,
            version.note,
            KEY.known_at,
        )

    def test_the_same_rows_again_change_nothing(self, writer: LedgerWriter, client: Client, database: str) -> None:
        """An insert whose answer was lost is simply repeated."""
        writer.insert(ALL)
        writer.insert(ALL)
        counts = [
            client.query(f"SELECT count() FROM {database}.{table} FINAL").result_rows[0][0]
            for table in (
                "activity_revision",
                "company_version",
                "registry_version",
                "collector_key",
                "rejected",
                "receipt",
                "activity",
            )
        ]
        assert counts == [1] * 7

    def test_nothing_to_store_is_fine(self, writer: LedgerWriter) -> None:
        """No rows, no insert."""
        writer.insert(Rows())

    def test_a_row_that_does_not_fit_is_refused(self, writer: LedgerWriter) -> None:
        """A company number beyond 32 bits can never be stored: repeating would be endless."""
        with pytest.raises(LedgerRefused, match="activity_revision"):
            writer.insert(Rows(activities=[ACTIVITY._replace(company_id=2**40)]))

    def test_a_missing_table_is_no_rows_fault(self, writer: LedgerWriter, client: Client, database: str) -> None:
        """The set-up is broken: the worker must stop instead of rejecting every record."""
        client.command(f"DROP TABLE {database}.receipt SYNC")
        with pytest.raises(ClickHouseFault, match="migrate"):
            writer.insert(Rows(receipts=[RECEIPT]))

    def test_nobody_there_is_unavailable(self, database: str) -> None:
        """It may pass with time."""
        nowhere = LedgerWriter(ClickHouse(host="127.0.0.1", port=1, database=database))
        with pytest.raises(LedgerUnavailable, match=r"127\.0\.0\.1:1"):
            nowhere.insert(ALL)

    def test_an_answer_that_time_can_heal(self, proxied: LedgerWriter, proxy: Proxy) -> None:
        """Through the driver, with its code and the message that it comes with."""
        proxy.fault = lambda _proxy: "error 75 Cannot write to file: , errno: 28, strerror: No space left on device"
        with pytest.raises(LedgerUnavailable, match=r"code: 75.*No space left"):
            proxied.insert(ALL)
        proxy.fault = lambda _proxy: f"error 1001 {'x' * 500} filesystem error: in rename: No space left on device"
        with pytest.raises(LedgerUnavailable, match="code: 1001"):
            proxied.insert(ALL)

    @pytest.mark.parametrize("answer", PAGES)
    def test_a_page_is_no_receipt(self, proxied: LedgerWriter, proxy: Proxy, answer: str) -> None:
        """An answer of a proxy is neither a success nor a row's fault, with any text."""
        proxy.fault = lambda _proxy: answer
        with pytest.raises(LedgerUnavailable):
            proxied.insert(ALL)

    def test_what_a_row_holds(self, writer: LedgerWriter, client: Client, database: str) -> None:
        """The engine itself refuses a row; the table still takes inserts."""
        client.command(f"ALTER TABLE {database}.receipt ADD CONSTRAINT few CHECK partition < 5")
        rows = Rows(receipts=[RECEIPT])
        with pytest.raises(LedgerRefused, match="code: 469"):
            writer.insert(rows)
        writer.probe(rows)
        assert client.query(f"SELECT count() FROM {database}.receipt").result_rows == [(0,)]

    def test_a_refused_row_cannot_pass_for_a_full_disk(self, proxied: LedgerWriter, proxy: Proxy) -> None:
        """ClickHouse quotes the row that breaks a rule: what it holds must not make the worker repeat it forever."""
        proxy.fault = lambda _proxy: "error 469 Constraint is violated: activity_id = 'No space left, errno: 28'"
        with pytest.raises(LedgerRefused):
            proxied.insert(ALL)

    def test_codes_bear_the_names_of_the_engine(self, client: Client) -> None:
        """The comment on each code says what ClickHouse calls it."""
        source = Path(writer_module.__file__).read_text(encoding="utf-8")
        said = {int(code): name for code, name in re.findall(r"^ +(\d+),  # ([A-Z0-9_]+)", source, re.MULTILINE)}
        assert said.keys() == ABOUT_A_ROW | BROKEN
        rows = client.query(
            "SELECT c, errorCodeToName(c) FROM (SELECT arrayJoin({c:Array(Int32)}) AS c)", {"c": list(said)}
        )
        assert dict(rows.result_rows) == said

    @pytest.mark.parametrize(("settings", "code"), SETTINGS)
    def test_a_table_that_takes_nothing_just_now(
        self, writer: LedgerWriter, client: Client, database: str, settings: str, code: int
    ) -> None:
        """The engine itself refuses, and no row is to blame: the same rows go in when it is over."""
        writer.insert(ALL)
        client.command(f"SYSTEM STOP MERGES {database}.receipt")
        client.command(f"ALTER TABLE {database}.receipt MODIFY SETTING {settings}")
        with pytest.raises(LedgerUnavailable, match=f"code: {code}"):
            writer.insert(ALL)
        names = ", ".join(setting.split("=")[0] for setting in settings.split(", "))
        client.command(f"ALTER TABLE {database}.receipt RESET SETTING {names}")
        client.command(f"SYSTEM START MERGES {database}.receipt")
        writer.insert(ALL)

    def test_contract(self, writer: LedgerWriter) -> None:
        """What a pipeline relies on."""
        keeps_the_contract(writer)


def judged(code: int, message: str) -> Exception:
    """What a writer makes of ClickHouse's answer."""
    return LedgerWriter(ClickHouse(host="127.0.0.1", port=1, database="none"))._judge(
        "receipt", ClickHouseFault(f"Code: {code}. {message}", code)
    )


@pytest.mark.parametrize(
    "code", [pytest.param(code, id=str(code)) for code in range(-1, 1100)[::7]] + [473, 700, 198, 9999]
)
def test_an_unknown_code_blames_no_row(code: int) -> None:
    """Also of codes that do not exist yet: the rows are kept, and tried again later."""
    expected = LedgerRefused if code in ABOUT_A_ROW else ClickHouseFault if code in BROKEN else LedgerUnavailable
    assert type(judged(code, "DB::Exception: planned by a test")) is expected


def test_contract_of_the_twin() -> None:
    """The twin in memory behaves like the real one."""
    keeps_the_contract(MemoryLedger())


def keeps_the_contract(ledger: Ledger) -> None:
    """Rows may come in any pieces and any number of times; an empty insert does nothing."""
    ledger.insert(Rows())
    ledger.insert(Rows(activities=[ACTIVITY]))
    ledger.insert(ALL)
    ledger.insert(Rows(receipts=[RECEIPT]))
    if isinstance(ledger, MemoryLedger):
        ledger.refuses = lambda activity: activity.company_id > 2**32
    with pytest.raises(LedgerRefused):
        ledger.insert(Rows(activities=[ACTIVITY._replace(company_id=2**40)]))
