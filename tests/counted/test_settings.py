"""Figures do not depend on what a server, its profiles or a session are set to: an error is fine, others are not.

Every setting of the real engine that can be switched is switched in turn, many at once and then in halves, below views
whose rows are known. The usual run switches those that are pinned, and a few of the others; a long run switches all.
"""

import random
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import urlencode

import pytest
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError
from proxy import Proxy
from tally.calls import Call, Model, calls, one_of_each
from tally.compare import compare
from tally.histories import YEARS, random_history
from tally.ledger import keep_unmerged, load

from reports.annual import annual_report, published_mapping
from sinks.clickhouse import ClickHouse, connect
from sinks.pinned_settings import OF_VIEWS

pytestmark = [pytest.mark.integration, pytest.mark.timeout(3000)]

SEED: Final = 1
GROUP: Final = 16
"""Settings that are switched together, until one of them is the cause."""
SAMPLE: Final = 16
"""Settings that are not pinned, in a usual run."""
FIGURES: Final = re.compile(r"impact_|fact|company_|activity_at")
NOT_A_RESULT: Final = re.compile(
    r"^(input_format|insert|s3|azure|hdfs|kafka|iceberg|delta|backup|restore|mysql|postgres|mongodb|rabbitmq|nats|hive|ai|"
    r"http|tcp|receive|send|connect|log|wait_for|async|ast_fuzzer|filesystem|remote|distributed_cache|keeper|storage|"
    r"object_storage|page_cache|interactive|priority|workload|network|max_network|query_profiler|database_replicated)_"
    r"|profiler|trace|jemalloc|readonly|sleep|replication|output_format_(?!native)|^dialect$|^max_execution_time"
)
"""How a query is run and written down, tried in tests of their own or not at all: they would stop the engine itself."""
OF_THE_QUERY: Final = frozenset(
    {"asterisk_include_virtual_columns", "extremes", "filter", "limit", "offset", "order", "page", "select", "sort"}
)
"""What a session says of the query around a view, which no view can answer for: see docs/analysts.md."""
LIMITS: Final = (
    "max_rows_to_read", "max_rows_to_group_by", "max_rows_to_sort", "max_rows_in_set", "max_rows_in_join",
    "max_rows_in_distinct", "max_bytes_to_read", "max_bytes_in_join", "max_bytes_in_set", "max_rows_to_transfer",
)  # fmt: skip


@dataclass(frozen=True)
class Ledger:
    """A small ledger, and what its views of figures must give."""

    client: Client
    """An analyst's: without the settings of the product."""
    address: ClickHouse
    model: Model
    wanted: Sequence[Call]


@pytest.fixture(scope="module")
def ledger(clickhouse: Any, new_ledger: Callable[..., Any]) -> Iterator[Ledger]:
    """With companies that were merged, retractions, late registers, and versions that are not merged yet."""
    model = Model(random_history(SEED, activities=150, companies=60))
    wanted = [call for call in calls(model.history, SEED, YEARS) if FIGURES.match(call.view)]
    with new_ledger() as product:
        keep_unmerged(product)
        load(product, model.history, random.Random(SEED))
        address = ClickHouse(host=clickhouse.host, port=clickhouse.port, database=str(product.database))
        with closing(connect(address, settings={})) as client:
            yield Ledger(client, address, model, one_of_each(random.Random(SEED), wanted))


@pytest.fixture(scope="module")
def switches(ledger: Ledger) -> dict[str, list[str]]:
    """Settings and their other values."""
    rows = ledger.client.query(
        "SELECT name, type, value FROM system.settings WHERE NOT is_obsolete AND alias_for = '' ORDER BY name"
    ).result_rows
    return {name: others for name, kind, value in rows if (others := list(_others(ledger, name, kind, value)))}


def _others(ledger: Ledger, name: str, kind: str, value: str) -> Iterator[str]:
    if NOT_A_RESULT.search(name) or name in OF_THE_QUERY:
        return
    if kind.startswith("Bool"):
        yield "0" if value in ("1", "true") else "1"
    elif kind in ("UInt64", "Int64", "NonZeroUInt64", "UInt64Auto", "Int32") and not name.startswith(("max_", "min_")):
        yield "0" if value == "1" else "1"
    elif kind.startswith(("OverflowMode", "Join", "SetOperation", "Totals", "ShortCircuit", "DateTime")):
        try:
            ledger.client.command("SELECT 1", settings={name: "none of them"})
        except ClickHouseError as error:
            named = re.search(r"one of \[([^\]]*)\]", str(error))
            yield from (one for one in re.findall(r"'([^']*)'", named[1] if named else "") if one != value)


def different(ledger: Ledger, settings: dict[str, str]) -> str | None:
    """What changes without an error, or None."""
    for name, value in settings.items():
        ledger.client.set_client_setting(name, value)
    try:
        for call in ledger.wanted:
            try:
                found = compare(ledger.client, ledger.model, call)
            except ClickHouseError as error:
                return f"error: {str(error)[:200]}"
            if found is not None:
                return str(found)
    finally:
        for name in settings:
            ledger.client.params.pop(name, None)
    return None


def blamed(ledger: Ledger, switched: Sequence[tuple[str, str]]) -> list[str]:
    """Those that alone change a figure silently."""
    why = different(ledger, dict(switched))
    if why is None or (len(switched) == 1 and why.startswith("error")):
        return []
    if len(switched) == 1:
        return [f"{switched[0][0]} = {switched[0][1]}: {why}"]
    half = len(switched) // 2
    return blamed(ledger, switched[:half]) + blamed(ledger, switched[half:])


def grouped(switches: dict[str, list[str]], names: Iterable[str]) -> Iterator[list[tuple[str, str]]]:
    """Groups in which each setting is switched once."""
    every = [(name, value) for name in names for value in switches[name]]
    rounds = Counter[str]()
    found: dict[int, list[tuple[str, str]]] = {}
    for name, value in every:
        found.setdefault(rounds[name], []).append((name, value))
        rounds[name] += 1
    for one in found.values():
        yield from (one[start : start + GROUP] for start in range(0, len(one), GROUP))


def test_no_setting_changes_a_figure(ledger: Ledger, switches: dict[str, list[str]], *, thorough: bool):
    """An analyst who queries the views gets the same figures, or an error."""
    assert different(ledger, {}) is None
    others = sorted(switches.keys() - OF_VIEWS.keys())
    known = sorted(switches.keys() & OF_VIEWS.keys())
    assert len(known) > 20, "the pinned ones can be switched"
    names = known + (others if thorough else random.Random(SEED).sample(others, SAMPLE))
    found = [line for group in grouped(switches, names) for line in blamed(ledger, group)]
    assert not found, "\n".join(found)


@pytest.mark.parametrize("limit", [pytest.param(limit, id=limit) for limit in LIMITS])
def test_a_limit_is_an_error(ledger: Ledger, limit: str):
    """No limit cuts the figures short, even where the profile says that it may."""
    modes = {name: "any" if "group_by" in name else "break" for name in OF_VIEWS if name.endswith(("mode", "leaf"))}
    why = different(ledger, modes | {limit: "1"})
    assert why is None or why.startswith("error"), why


OF_A_PROFILE = [
    pytest.param("additional_table_filters", "{'activity': 'company_id % 2'}", True, id="additional_table_filters"),
    pytest.param("aggregate_functions_null_for_empty", "1", False, id="aggregate_functions_null_for_empty"),
    pytest.param("force_grouping_standard_compatibility", "0", False, id="force_grouping_standard_compatibility"),
    pytest.param("join_default_strictness", "ANY", False, id="join_default_strictness"),
    pytest.param("limit", "1", True, id="limit"),
]
"""And whether it would change the report, the views alone being pinned."""


@pytest.mark.parametrize(("name", "value", "matters"), OF_A_PROFILE)
def test_the_report_does_not_depend_on_a_profile(ledger: Ledger, name: str, value: str, matters: bool):
    """Each query of the product states the settings to answer it with, so a profile changes nothing."""

    def report(client: Client) -> Any:
        return annual_report(client, 2018, now=datetime(2022, 1, 1, tzinfo=UTC), mapping=published_mapping()).as_dict()

    with closing(connect(ledger.address)) as client:
        expected = report(client)
        client.set_client_setting(name, value)
        assert (report(client) != expected) == matters
    with closing(Proxy(ledger.address.port)) as proxy:
        proxy.profile = urlencode({name: value})
        with closing(connect(replace(ledger.address, port=proxy.port))) as client:
            assert report(client) == expected
