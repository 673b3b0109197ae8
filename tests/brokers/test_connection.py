"""How each client library learns where Kafka is."""

from pathlib import Path

import certifi
import faust

from brokers.connection import KafkaConnection

PLAIN = KafkaConnection("a:9092,b:9092")
LOGIN = KafkaConnection(
    "a:9092",
    security_protocol="SASL_SSL",
    sasl_mechanism="SCRAM-SHA-512",
    sasl_username="foodbio",
    sasl_password="hunter2",  # noqa: S106  (the test's own)
    ssl_cafile=Path(certifi.where()),
)


def test_kafka_python():
    """Servers as a list, and login and certificates only where they are set."""
    assert PLAIN.for_kafka_python() == {"bootstrap_servers": ["a:9092", "b:9092"], "security_protocol": "PLAINTEXT"}
    assert LOGIN.for_kafka_python() == {
        "bootstrap_servers": ["a:9092"],
        "security_protocol": "SASL_SSL",
        "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_plain_username": "foodbio",
        "sasl_plain_password": "hunter2",
        "ssl_cafile": certifi.where(),
    }


def test_aiokafka():
    """The same, with the certificates as a context."""
    assert PLAIN.for_aiokafka() == {**PLAIN.for_kafka_python(), "ssl_context": None}
    found = LOGIN.for_aiokafka()
    assert found.pop("ssl_context").get_ca_certs()
    wanted = LOGIN.for_kafka_python()
    del wanted["ssl_cafile"]
    assert found == wanted


def test_faust():
    """Brokers as URLs of the transport; a login, certificates alone, or neither."""
    assert PLAIN.for_faust("x") == {"broker": ["x://a:9092", "x://b:9092"], "broker_credentials": None}
    credentials = LOGIN.for_faust("x")["broker_credentials"]
    assert isinstance(credentials, faust.SASLCredentials)
    assert (credentials.username, credentials.password) == ("foodbio", "hunter2")
    assert credentials.mechanism.value == "SCRAM-SHA-512"
    assert credentials.ssl_context.get_ca_certs()
    tls = KafkaConnection("a:9092", security_protocol="SSL")
    assert isinstance(tls.for_faust("x")["broker_credentials"], faust.SSLCredentials)


def test_a_login_that_the_protocol_does_not_use():
    """User and password of another protocol are left out."""
    unused = KafkaConnection("a:9092", sasl_username="foodbio", sasl_password="hunter2")  # noqa: S106  (the test's own)
    assert unused.for_kafka_python() == {"bootstrap_servers": ["a:9092"], "security_protocol": "PLAINTEXT"}


def test_the_password_does_not_show():
    """Neither the password nor the text before an @ is ever printed."""
    assert "hunter2" not in repr(LOGIN)
    assert KafkaConnection("ida:hunter2@broker:9092,other:9092").address == "broker:9092,other:9092"
