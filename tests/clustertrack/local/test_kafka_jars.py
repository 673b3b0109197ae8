import hashlib
import socket
from dataclasses import replace

import pytest

from clustertrack.local import kafka_jars
from clustertrack.local.kafka_jars import Jar, ensure_jars, jar_folder, missing_jars, pinned_jars
from schemas.errors import Unreachable, UsageFault


def _jar(name: str, content: bytes) -> Jar:
    return Jar(hashlib.sha256(content).hexdigest(), "org.example", name, "1.0")


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache folder."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "clustertrack"


def test_the_whole_class_path_is_pinned():
    """Every jar of the broker is listed with version and SHA-256, the log binding with log4j's own version."""
    jars = {jar.artifact: jar for jar in pinned_jars()}

    assert len(jars) == len(pinned_jars()) == 46
    assert jars["kafka_2.13"].version == jars["kafka-clients"].version == kafka_jars.KAFKA_VERSION
    assert jars["log4j-slf4j-impl"].version == jars["log4j-core"].version
    assert all(len(jar.sha256) == 64 for jar in jars.values())


def test_the_list_names_no_host():
    """Where jars come from is the business of the resolver on each machine."""
    assert "://" not in kafka_jars._PINS.read_text()


def test_other_content_counts_as_missing(tmp_path):
    """A jar that was cut short or exchanged is fetched again."""
    whole, cut, absent = _jar("whole", b"whole"), _jar("cut", b"cut short"), _jar("absent", b"")
    (tmp_path / whole.file_name).write_bytes(b"whole")
    (tmp_path / cut.file_name).write_bytes(b"cut")

    assert missing_jars(tmp_path, [whole, cut, absent]) == [cut, absent]


def test_another_list_is_another_folder(cache):
    """No jar of an older list can stay on the class path."""
    one, two = _jar("one", b"1"), _jar("one", b"2")

    assert jar_folder([one]) != jar_folder([two])
    assert jar_folder([one]).parent == cache


def test_complete_caches_need_no_network(cache, monkeypatch):
    """With every jar in place nothing is fetched and no progress is shown."""
    jar = _jar("one", b"content")
    monkeypatch.setattr(kafka_jars, "pinned_jars", lambda: (jar,))
    monkeypatch.setattr(socket, "create_connection", None)
    folder = jar_folder([jar])
    folder.mkdir(parents=True)
    (folder / jar.file_name).write_bytes(b"content")
    shown = []

    assert ensure_jars(lambda *numbers: shown.append(numbers)) == folder
    assert folder.parent == cache
    assert shown == []


def test_without_a_network_there_is_one_sentence(cache, monkeypatch):
    """An empty cache and no network end in a sentence with two ways out, and nothing half-fetched stays."""
    # A proxy that refuses stands for a network that is not there.
    for name in ("HTTPS_PROXY", "HTTP_PROXY", "https_proxy", "http_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)

    with pytest.raises(Unreachable, match="connect this machine to the network once, or copy that folder") as fault:
        ensure_jars()

    assert fault.value.exit_code == 3
    assert not list(cache.rglob("*.jar"))
    assert not list(cache.rglob("fetching-*"))


@pytest.mark.integration
def test_a_wrong_file_is_refused(cache, monkeypatch):
    """A file that is not the pinned one never gets its name in the folder of jars."""
    jar = next(jar for jar in pinned_jars() if jar.artifact == "jspecify")
    monkeypatch.setattr(kafka_jars, "pinned_jars", lambda: (replace(jar, sha256="0" * 64),))

    with pytest.raises(UsageFault, match="instead of the pinned 000"):
        ensure_jars()

    assert not list(cache.rglob("*.jar"))
