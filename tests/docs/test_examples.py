"""The examples of the pages run: events are accepted, mappings are read, queries are answered."""

import csv
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

import pytest
from clickhouse_connect.driver.client import Client
from pages import ROOT, Page, pages

from reports.annual import published_mapping
from reports.model import AnnualReport, NationalFigures
from reports.sentence import sentence
from schemas.company import version_from_row
from schemas.events import read_event
from schemas.ledger import CompanyRow, Receipt, RegistryRow, Rejection, Rows
from schemas.registry_document import read_file, read_sample
from sinks.clickhouse import ClickHouse, connect
from sinks.migrator import migrate
from sinks.writer import LedgerWriter
from sources.files.mapping import load_mapping

CRM_TEAMS = Page("docs/crm-teams.md")
ANALYSTS = Page("docs/analysts.md")
ARRIVED = int(datetime(2026, 11, 20, tzinfo=UTC).timestamp() * 1000)
EXAMPLES = ROOT / "examples"


@pytest.mark.parametrize(
    "text", [pytest.param(text, id=f"event-{n}") for n, text in enumerate(CRM_TEAMS.blocks("json"))]
)
def test_events_are_accepted(text: str):
    """Every event that is shown to CRM teams would be accepted with the registry that comes with the product."""
    assert isinstance(read_event(text.encode(), None, ARRIVED, read_sample().by_source), tuple)


def test_the_mapping_is_read(tmp_path: Path):
    """The complete mapping file is one."""
    [text] = CRM_TEAMS.blocks("toml")
    path = tmp_path / "export.mapping.toml"
    path.write_text(text, encoding="utf-8")
    assert load_mapping(path).fields["activity_id"].columns == ["Workshop", "CVR-nr"]


@pytest.mark.parametrize(
    "text",
    [pytest.param(text, id=f"{page.name}-{n}") for page in pages() for n, text in enumerate(page.blocks("python"))],
)
def test_python_compiles(text: str):
    """Examples in Python are Python."""
    compile(text, "example", "exec")


def test_the_sentence_is_the_printed_one():
    """The README quotes the sentence as the report prints it for the published figures."""
    figures = {
        "helped": NationalFigures(companies=18_058, under_50=13_012),
        "new_competencies": NationalFigures(companies=6_868, under_50=4_843),
        "new_ideas": NationalFigures(companies=5_296, under_50=3_941),
        "new_products": NationalFigures(companies=2_689, under_50=1_998),
    }
    last_day = datetime(2018, 12, 31, tzinfo=UTC).date()
    report = AnnualReport(
        year=2018, as_known_on=None, size_as_at=last_day, provisional=False, mapping=published_mapping(), **figures
    )
    [quoted] = re.findall(r"^> (.+(?:\n> .+)*)", Page("README.md").text, re.MULTILINE)
    assert quoted.replace("\n> ", " ") == sentence(report)


class _Address(Protocol):
    host: str
    port: int


@pytest.fixture(scope="module")
def examples() -> Rows:
    """The small example files as rows of the ledger, judged as a worker would."""
    registry = read_file((EXAMPLES / "registry.toml").read_bytes(), "registry.toml", ARRIVED)
    rows = Rows(registries=[RegistryRow(registry, ARRIVED)])
    with (EXAMPLES / "companies.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            version = version_from_row(row, ARRIVED)
            assert not isinstance(version, list)
            rows.companies.append(CompanyRow(version.version, ARRIVED))
    for path in EXAMPLES.glob("*.jsonl"):
        for offset, line in enumerate(path.read_bytes().splitlines()):
            value = json.loads(line)["value"].encode() if path.name == "raw.jsonl" else line
            judged = read_event(value, None, ARRIVED, registry.by_source)
            place: dict[str, Any] = {"topic": path.name, "topic_epoch": 0, "partition": 0, "offset": offset}
            place |= {"log_time": ARRIVED, "pipeline_version": 1}
            if isinstance(judged, list):
                faults, headers = tuple(judged), ()
                rows.rejected.append(
                    Rejection(**place, source="", faults=faults, headers=headers, key=None, payload=value)
                )
                continue
            activity, _ = judged
            rows.activities.append(activity)
            own: dict[str, Any] = {
                "activity_id": activity.activity_id,
                "revision": activity.revision,
                "source": activity.source,
            }
            rows.receipts.append(Receipt(**place, **own, status="accepted", reason=""))
    return rows


@pytest.fixture
def ledger(clickhouse: _Address, database: str, examples: Rows) -> Iterator[Client]:
    """A client of a ledger that holds the examples, with the login that can only read."""
    config = ClickHouse(host=clickhouse.host, port=clickhouse.port, database=database)
    with connect(config, database=database) as client:
        migrate(client, database)
        writer = LedgerWriter(config)
        writer.insert(examples)
        writer.close()
    with connect(replace(config, user="reader")) as reader:
        yield reader


@pytest.mark.integration
def test_queries_are_answered(ledger: Client):
    """Every query that is shown to analysts runs for the reader; those about no record in particular find rows."""
    queries = ANALYSTS.blocks("sql")
    assert len(queries) > 10
    for query in queries:
        rows = ledger.query(query).result_rows
        assert rows or "foodbio" in query or "retraction_without" in query, query
