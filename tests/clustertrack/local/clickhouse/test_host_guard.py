import base64

import pytest

from clustertrack.local.clickhouse.engine_errors import ACCESS_DENIED, AUTHENTICATION_FAILED, EngineError
from clustertrack.local.clickhouse.host_guard import Guard, Login

_ANNA = Login("anna", "s:cret", writes=True)
_READER = Login("reader", "0ther", writes=False)
_BASIC = "Basic " + base64.b64encode(b"anna:s:cret").decode()


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1:8123", "localhost", "LOCALHOST:1", "[::1]:8123", "127.0.0.1"],
)
def test_this_machine_may_ask(host: str):
    """Names of the loopback interface are accepted, with and without a port."""
    Guard((_ANNA,)).check_origin({"host": host})


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({"host": "evil.example:8123"}, id="rebinding"),
        pytest.param({"host": "127.0.0.1.evil.example"}, id="look-alike"),
        pytest.param({}, id="no host"),
        pytest.param({"host": "127.0.0.1:8123", "origin": "https://evil.example"}, id="origin"),
        pytest.param({"host": "127.0.0.1:8123", "origin": "null"}, id="null origin"),
        pytest.param({"host": "127.0.0.1:8123", "origin": "http://127.0.0.1:8123"}, id="own origin"),
        pytest.param({"host": "127.0.0.1:8123", "sec-fetch-site": "cross-site"}, id="image"),
    ],
)
def test_web_pages_may_not_ask(headers: dict[str, str]):
    """A foreign Host, any Origin and what a browser fetches for another site are refused."""
    with pytest.raises(EngineError) as caught:
        Guard((_ANNA,)).check_origin(headers)
    assert caught.value.code == ACCESS_DENIED


def test_a_server_behind_a_password_has_other_names():
    """Bound to another address it accepts any Host, but still no Origin."""
    guard = Guard((_ANNA,), any_host=True)
    guard.check_origin({"host": "ledger.example"})
    with pytest.raises(EngineError):
        guard.check_origin({"host": "ledger.example", "origin": "https://evil.example"})


@pytest.mark.parametrize(
    ("headers", "query"),
    [
        pytest.param({"authorization": _BASIC}, {}, id="basic"),
        pytest.param({"x-clickhouse-user": "anna", "x-clickhouse-key": "s:cret"}, {}, id="headers"),
        pytest.param({}, {"user": "anna", "password": "s:cret"}, id="url"),
    ],
)
def test_the_password_comes_in_three_ways(headers: dict[str, str], query: dict[str, str]):
    """Basic authentication, ClickHouse's headers and the URL carry user and password."""
    assert Guard((_READER, _ANNA)).check_login(headers, query) is _ANNA
    for login in (Login("anna", "other", writes=True), Login("bert", "s:cret", writes=True), _READER):
        other = Guard((login,))
        with pytest.raises(EngineError) as caught:
            other.check_login(headers, query)
        assert caught.value.code == AUTHENTICATION_FAILED


@pytest.mark.parametrize("header", ["Basic %%%", "Basic " + base64.b64encode(b"\xff").decode(), "Bearer x"])
def test_unreadable_logins_are_refused(header: str):
    """A header that cannot be read is no login."""
    with pytest.raises(EngineError) as caught:
        Guard((_ANNA,)).check_login({"authorization": header}, {})
    assert caught.value.code == AUTHENTICATION_FAILED


def test_each_login_has_its_own_password():
    """The reader's password opens nothing for the operator, and says who has come."""
    guard = Guard((_ANNA, _READER))
    assert guard.check_login({}, {"user": "reader", "password": "0ther"}) is _READER
    for query in (
        {"user": "anna", "password": "0ther"},
        {"user": "reader", "password": "s:cret"},
        {"user": "reader", "password": ""},
        {"user": "b\udcff", "password": "\udcff"},
        {},
    ):
        with pytest.raises(EngineError) as caught:
            guard.check_login({}, query)
        assert caught.value.code == AUTHENTICATION_FAILED


def test_the_password_is_not_shown():
    """A guard in a log does not give the password away."""
    assert "s:cret" not in repr(Guard((_ANNA,)))
