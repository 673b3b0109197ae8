"""The tables of the pages say what the code says."""

import ast
import re
from pathlib import Path
from typing import Any

import people_rates
import printed_pages
import pytest
from pages import ROOT, Page, coded, pages
from prometheus_client import CollectorRegistry
from prometheus_client.metrics import MetricWrapperBase
from pydantic import TypeAdapter

from brokers.topics import DAY_MS, topic_specs
from clustertrack.local.clickhouse.metrics import Metrics
from clustertrack.local.stack import Ports
from clustertrack.local.supervisor import Supervisor
from clustertrack.reconcile.account_metrics import ReconcileMetrics
from schemas import company, faults, keys, registry_document
from schemas.envelope import Envelope, EventData
from schemas.field_rules import LATEST_DAY
from schemas.indicators import DERIVED, EVENT_TYPES, OUTCOMES, TYPE_PREFIX, TYPE_SUFFIX
from sources.collector import collector_metrics, http_events
from sources.files.file_publisher import JSON_LINES, SHEETS
from sources.files.mapping import FIELDS, ColumnRule, Mapping
from streams import worker_metrics as metrics

ARCHITECTURE = Page("docs/architecture.md")
CRM_TEAMS = Page("docs/crm-teams.md")
ANALYSTS = Page("docs/analysts.md")
OPERATORS = Page("docs/operators.md")

METRIC_FILES = {
    "sources/collector/collector_metrics.py",
    "streams/worker_metrics.py",
    "clustertrack/local/clickhouse/metrics.py",
    "clustertrack/local/supervisor.py",
    "clustertrack/reconcile/account_metrics.py",
}
"""Where metrics may be made; `test_metrics_are_made_in_these_files` holds the code to it."""

VIEW = re.compile(r"CREATE VIEW IF NOT EXISTS \$\{DATABASE\}\.(\w+) .*?(?=\nCREATE |\Z)", re.DOTALL)
METRIC = re.compile(r"(?<![\w./-])clustertrack_[a-z_]+[a-z]\b(?![./-])")
PARAMETER = re.compile(r"\{(\w+):")


def test_rates_of_false_alarms():
    """The shares that CRM teams read are those that the script measures, on samples that are large enough."""
    measured = people_rates.rates()
    rows = CRM_TEAMS.table("sample", "rejected", "of", "share")
    assert rows == [[name, str(refused), str(of), f"{refused / of:.1%}"] for name, (refused, of) in measured.items()]
    assert measured["titles"][1] >= 150
    assert measured["ids"][1] >= 200


def test_settings():
    """The table of settings and the file with all variables are those that the script prints."""
    assert printed_pages.main(["--check"]) == 0


def test_a_page_of_settings_that_differs(tmp_path, monkeypatch, capsys):
    """The check names a page that was edited by hand and leaves it alone; without the option the page is put right."""
    for name in ("EXAMPLE", "OPERATORS", "CRM_TEAMS"):
        page = tmp_path / getattr(printed_pages, name).name
        text = getattr(printed_pages, name).read_text(encoding="utf-8")
        page.write_text(text.replace("9092", "9093").replace("`title`", "`titel`"))
        monkeypatch.setattr(printed_pages, name, page)
    monkeypatch.setattr(printed_pages, "ROOT", tmp_path)
    edited = printed_pages.EXAMPLE.read_text()

    assert printed_pages.main(["--check"]) == 1
    assert "settings.env.example differs: run scripts/printed_pages.py" in capsys.readouterr().out
    assert printed_pages.EXAMPLE.read_text() == edited
    assert printed_pages.main([]) == 0
    assert printed_pages.main(["--check"]) == 0


def made_metrics() -> dict[str, tuple[str, frozenset[str]]]:
    """Name -> type and labels of every metric that the code makes."""
    supervised = CollectorRegistry()
    Supervisor(Path(), print, supervised)
    registries = (Metrics().registry, supervised, ReconcileMetrics().registry)
    made_by_classes = [collector for registry in registries for collector in registry._collector_to_names]
    of_modules = (*vars(metrics).values(), *vars(collector_metrics).values())
    found = [one for one in (*made_by_classes, *of_modules) if isinstance(one, MetricWrapperBase)]
    made = {}
    for collector in found:
        name = collector._name + ("_total" if collector._type == "counter" else "")
        made[name] = (collector._type, frozenset(collector._labelnames))
    return made


def test_metrics():
    """The table of metrics has every metric with its type and its labels, and no other."""
    found = {
        coded(name)[0]: (kind, frozenset(coded(labels)))
        for name, kind, labels, _ in OPERATORS.table("metric", "type", "labels", "meaning")
    }
    assert found == made_metrics()


@pytest.mark.parametrize("page", [pytest.param(page, id=page.name) for page in pages()])
def test_named_metrics_exist(page: Page):
    """Every metric that a page names is in the table, or is a series of a histogram there."""
    metrics = {coded(name)[0]: kind for name, kind, *_ in OPERATORS.table("metric", "type", "labels", "meaning")}
    series = {
        f"{name}_{end}" for name, kind in metrics.items() if kind == "histogram" for end in ("bucket", "count", "sum")
    }
    assert set(METRIC.findall(page.text)) <= metrics.keys() | series


def test_metrics_are_made_in_these_files():
    """No other file makes a metric, so that the table can be checked against these."""
    makers = set()
    for package in ("clustertrack", "schemas", "brokers", "sources", "streams", "sinks", "reports"):
        for path in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.ImportFrom) and node.module == "prometheus_client":
                    names = {alias.name for alias in node.names}
                    if names & {"Counter", "Gauge", "Histogram", "Summary", "Info"}:
                        makers.add(str(path.relative_to(ROOT)))
    assert makers == METRIC_FILES
    [files] = [files for rule, files in ARCHITECTURE.table("rule", "file") if rule == "metrics"]
    assert {*coded(files)} == METRIC_FILES


def test_alerts():
    """The signs that the operators watch name every alert."""
    signs = OPERATORS.table("sign", "what it means, what to do", "alert")
    alerts = re.findall(r"- alert: (\w+)", (ROOT / "deploy" / "alerts.yml").read_text(encoding="utf-8"))
    assert sorted(name for *_, names in signs for name in coded(names)) == sorted(alerts)


FLOW = ("schemas", "brokers", "sources", "streams", "sinks", "reports")


@pytest.mark.parametrize("folder", FLOW)
def test_every_file_of_the_flow_is_on_the_map(folder: str):
    """The page of the architecture names every file of the folders that a record passes."""
    files = [path for kind in ("py", "sql") for path in (ROOT / folder).rglob(f"*.{kind}") if path.stem != "__init__"]
    assert [name for path in files if (name := str(path.relative_to(ROOT))) not in ARCHITECTURE.text] == []


FAULT_CODES = {
    "events": faults.CODES,
    "register": company.CODES,
    "registry": registry_document.CODES,
    "keys": keys.CODES,
    "collector": http_events.CODES,
}


@pytest.mark.parametrize("kind", FAULT_CODES)
def test_fault_codes(kind: str):
    """The tables of fault codes are those of the code, word for word."""
    rows = [(coded(code)[0], meaning) for code, meaning in CRM_TEAMS.table("code", "what is wrong")]
    codes, at = FAULT_CODES[kind], [*FAULT_CODES].index(kind)
    before = sum(map(len, [*FAULT_CODES.values()][:at]))
    part = rows[before : before + len(codes)] if at < len(FAULT_CODES) - 1 else rows[before:]
    wanted = "\n".join(f"| `{code}` | {meaning} |" for code, meaning in codes.items())
    assert dict(part) == codes, f"the table should be\n{wanted}"


def test_fields_of_an_event():
    """The table of fields has every field that an event may have, and no other."""
    rows = CRM_TEAMS.table("field", "meaning", "rejected when")
    found = {name for field, *_ in rows for name in coded(field)}
    wanted = {name for name in Envelope.__annotations__ if name != "data"}
    wanted |= {f"data.{name}" for name in EventData.__annotations__}
    assert found - {"data"} == wanted


def longest(schema: dict[str, Any]) -> int | None:
    """The most characters of a text, by its JSON schema."""
    return next((kind["maxLength"] for kind in schema.get("anyOf", [schema]) if "maxLength" in kind), None)


def test_limits_of_the_fields():
    """The table says how long a text may be, how far ahead a day, and which outcomes there are."""
    data = {f"data.{name}": of for name, of in TypeAdapter(EventData).json_schema()["properties"].items()}
    schema = TypeAdapter(Envelope).json_schema()["properties"] | data
    rows = {name: row for row in CRM_TEAMS.table("field", "meaning", "rejected when") for name in coded(row[0])}
    limits = {name: re.search(r"over (\d+) characters", rows[name][2]) for name in schema if name in rows}
    found = {name: int(said[1]) if said else None for name, said in limits.items()}
    assert found == {name: longest(schema[name]) for name in found}
    assert f"more than {LATEST_DAY} days after" in rows["data.occurred_on"][2]
    assert tuple(coded(rows["data.outcomes"][1])) == OUTCOMES


def test_types_of_events():
    """Every type of event is listed with the outcomes that follow from it; analysts see the same mapping."""
    rows = CRM_TEAMS.table("type", "counts as", "and, when no outcomes are stated, as")
    found = {coded(name)[0]: tuple(coded(outcomes)) for name, _, outcomes in rows}
    assert found == {f"{TYPE_PREFIX}{name}{TYPE_SUFFIX}": DERIVED[name] for name in EVENT_TYPES}
    mapped = ANALYSTS.table("type of event", "counts as, when the event states no outcomes")
    assert {coded(name)[0]: tuple(coded(of)) for name, of in mapped} == {n: o for n, o in DERIVED.items() if o}


def test_keys_of_a_mapping():
    """The reference of the mapping file has every key of it and of a field's table, and no other."""
    keys = [coded(key)[0] for key, *_ in CRM_TEAMS.table("key", "meaning", "without it")]
    assert keys == list(Mapping.model_fields)
    keys = [coded(key)[0] for key, _ in CRM_TEAMS.table("key of a field", "meaning")]
    assert keys == list(ColumnRule.model_fields)
    [listed] = re.findall(r"^The fields are (.*?)\.$", CRM_TEAMS.text, re.MULTILINE | re.DOTALL)
    assert coded(listed) == list(FIELDS)


def test_kinds_of_files():
    """The table of endings has every kind of file that can be published, and no other."""
    listed = [ending for endings, _ in CRM_TEAMS.table("ending", "what") for ending in coded(endings)]
    assert listed == [*JSON_LINES, *SHEETS]


def test_columns_of_the_register():
    """The table of the register file has every column of the contract, and no other."""
    columns = [coded(name)[0] for name, _ in CRM_TEAMS.table("column", "meaning")]
    assert columns == [*company.REQUIRED_COLUMNS, *company.OPTIONAL_COLUMNS]


def test_views():
    """The table of views has every view that the migrations make, with its parameters, and no other."""
    wanted: dict[str, set[str]] = {}
    for path in sorted((ROOT / "sinks" / "migrations").glob("*.sql")):
        for match in VIEW.finditer(path.read_text(encoding="utf-8")):
            wanted[match[1]] = set(PARAMETER.findall(match[0]))
    found = {coded(view)[0]: set(coded(asks)) for view, asks, _ in ANALYSTS.table("view", "asks for", "answers")}
    assert found == wanted


def test_topics():
    """The table of topics names every topic, and says how long its records are kept."""
    rows = ARCHITECTURE.table("topic", "key", "holds", "kept")
    found = {coded(name)[0]: kept for name, _, _, kept in rows}
    for spec in topic_specs("<group>-<ledger id>", partitions=1):
        kept = found.pop(spec.name)
        if spec.config["cleanup.policy"] == "compact":
            assert kept.startswith("compacted")
        else:
            assert kept == f"{int(spec.config['retention.ms']) // DAY_MS} days"
    assert found == {}


def test_ports():
    """The table of ports is that of `clustertrack up`, by default and from a base."""
    ports, based = Ports(), Ports.from_base(20_000)
    wanted = [
        (get(ports), get(based) - 20_000)
        for get in (
            lambda p: p.kafka,
            lambda p: p.clickhouse,
            lambda p: p.collector,
            lambda p: p.dashboard,
            lambda p: p.controller,
            lambda p: p.metrics,
            lambda p: p.clickhouse_metrics,
            lambda p: p.metrics + 2,
            lambda p: p.metrics + 3,
            lambda p: p.worker_metrics(0),
        )
    ]
    rows = OPERATORS.table("what", "port", "with `--port-base N`")
    found = [(int(port.split(",")[0]), int("0" + base.split(",")[0].strip("N+ "))) for _, port, base in rows]
    assert found == wanted
