from typing import Any

import pytest

from clustertrack.local.clickhouse.engine_errors import (
    BAD_ARGUMENTS,
    NOT_IMPLEMENTED,
    UNKNOWN_FORMAT,
    UNKNOWN_SETTING,
    EngineError,
)
from clustertrack.local.clickhouse.request import READER_LIMITS, Request, State, read_request
from clustertrack.local.clickhouse.walls import Rights


def _read(
    method: str = "POST", body: bytes = b"SELECT 1", headers: dict[str, str] | None = None, **query: str
) -> Request:
    return read_request(method=method, query=query.items(), form=(), headers=headers or {}, body=body)


def test_parameters_settings_and_the_rest_are_distinguished():
    """What is neither the interface's own nor a parameter of the query is a setting."""
    request = _read(param_day="2018-12-31", max_threads="2", database="impact", query_id="q1", wait_end_of_query="1")
    assert request.params == {"day": "2018-12-31"}
    assert request.state == State("impact", frozenset({("max_threads", "2")}))
    assert request.query_id == "q1"


@pytest.mark.parametrize(
    ("given", "seconds"),
    [("20", "20"), ("60", "60"), ("61", "60"), ("0", "60"), ("-1", "60"), ("many", "60"), (None, "60")],
)
def test_a_reader_may_have_less_time(given: str | None, seconds: str):
    """Never more than all readers have, and no more of anything else."""
    query = {} if given is None else {"max_execution_time": given}
    request = read_request(
        method="POST", query=query.items(), form=(), headers={}, body=b"SELECT 1", rights=Rights(writes=False)
    )
    assert dict(request.state.settings) == {**READER_LIMITS, "max_execution_time": seconds}


def test_the_url_comes_before_headers():
    """Database and format may come in headers; the URL wins."""
    headers = {"x-clickhouse-database": "a", "x-clickhouse-format": "CSV"}
    assert (_read(headers=headers).state.database, _read(headers=headers).format) == ("a", "CSV")
    request = _read(headers=headers, database="b", default_format="JSON")
    assert (request.state.database, request.format) == ("b", "JSON")


def test_the_format_clause_wins():
    """A FORMAT clause in the query is stronger than any default."""
    assert _read(body=b"SELECT 1 FORMAT TSV", default_format="JSON").format == "TSV"


def test_every_request_has_an_id():
    """Without a query_id the server makes one up."""
    assert _read().query_id != _read().query_id


@pytest.mark.parametrize(
    ("method", "query", "readonly"),
    [
        pytest.param("POST", {}, False, id="post"),
        pytest.param("POST", {"readonly": "0"}, False, id="zero"),
        pytest.param("POST", {"readonly": "1"}, True, id="asked for"),
        pytest.param("GET", {"readonly": "0"}, True, id="get"),
    ],
)
def test_get_is_read_only(method: str, query: dict[str, Any], readonly: bool):
    """A GET changes nothing, with any settings."""
    assert _read(method, **query).state.readonly is readonly


def test_inserts_throw_on_dates_out_of_range():
    """An INSERT with data refuses days that do not fit, unless the client says otherwise."""
    assert ("date_time_overflow_behavior", "throw") in _read(body=b"INSERT INTO t FORMAT CSV\n1").state.settings
    assert not _read(body=b"SELECT 1").state.settings
    asked = _read(body=b"INSERT INTO t VALUES (1)", date_time_overflow_behavior="saturate")
    assert asked.state.settings == {("date_time_overflow_behavior", "saturate")}


@pytest.mark.parametrize(
    ("query", "code"),
    [
        pytest.param({"compress": "1"}, NOT_IMPLEMENTED, id="compress"),
        pytest.param({"decompress": "1"}, NOT_IMPLEMENTED, id="decompress"),
        pytest.param({"max_threads = 1, readonly": "0"}, BAD_ARGUMENTS, id="setting"),
        pytest.param({"param_a = 1, readonly": "0"}, BAD_ARGUMENTS, id="parameter"),
        pytest.param({"default_format": "CSV; DROP TABLE t"}, UNKNOWN_FORMAT, id="format"),
        pytest.param({"format_schema": "/etc/passwd:m"}, UNKNOWN_SETTING, id="setting that names a file"),
        pytest.param({"query_id": "a\r\nSet-Cookie: b"}, BAD_ARGUMENTS, id="query id of two lines"),
        pytest.param({"query_id": "ø"}, BAD_ARGUMENTS, id="query id that fits no header"),
        pytest.param({"session_timezone": "UTC\r\nX: 1"}, BAD_ARGUMENTS, id="time zone of two lines"),
    ],
)
def test_what_cannot_be_served_is_refused(query: dict[str, Any], code: int):
    """ClickHouse's own framing is not spoken, and what becomes part of a SQL text is one word."""
    with pytest.raises(EngineError) as caught:
        _read(**query)
    assert caught.value.code == code
