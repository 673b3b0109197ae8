from pathlib import Path

import pytest

from clustertrack.local.java import JavaMissing, find_java, java_version


@pytest.fixture
def program(tmp_path):
    """Make a program that claims to be a Java of the given version, in HOME/bin/java."""

    def make(home: str, words: str) -> Path:
        path = tmp_path / home / "bin" / "java"
        path.parent.mkdir(parents=True)
        path.write_text(f"#!/bin/sh\necho '{words}' >&2\n")
        path.chmod(0o755)
        return path

    return make


@pytest.mark.parametrize(
    ("words", "version"),
    [
        pytest.param('openjdk version "17.0.15" 2025-04-15', 17, id="17"),
        pytest.param('Picked up _JAVA_OPTIONS: -X\nopenjdk version "25" 2025-09-16', 25, id="options are announced"),
        pytest.param('java version "1.8.0_392"', 1, id="8 under its old name"),
        pytest.param("no Java here", None, id="something else"),
    ],
)
def test_reads_the_version(program, words, version):
    """The major version is read from what `java -version` says."""
    assert java_version(program("home", words)) == version


def test_java_home_comes_first(program, tmp_path, monkeypatch):
    """$JAVA_HOME is what the user chose; PATH is only asked without it."""
    program("chosen", 'openjdk version "21.0.1"')
    on_path = program("system", 'openjdk version "17.0.1"').parent

    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "chosen"))
    monkeypatch.setenv("PATH", f"{on_path}:/bin")
    chosen = find_java()
    assert (chosen.version, chosen.origin) == (21, "JAVA_HOME")

    monkeypatch.delenv("JAVA_HOME")
    assert find_java().origin == "PATH"


def test_an_old_java_is_passed_over(program, tmp_path, monkeypatch):
    """A $JAVA_HOME that is too old does not keep a newer one on PATH from being used."""
    program("old", 'openjdk version "11.0.2"')
    on_path = program("system", 'openjdk version "17.0.1"').parent

    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "old"))
    monkeypatch.setenv("PATH", f"{on_path}:/bin")
    assert find_java().version == 17


def test_without_java_both_ways_out_are_named(program, tmp_path, monkeypatch):
    """The sentence names what was found, the system's packages and the package of this project."""
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    program("old", 'openjdk version "11.0.2"')

    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "old"))
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(JavaMissing) as fault:
        find_java()

    assert "is version 11" in str(fault.value)
    assert "openjdk-17-jre-headless" in str(fault.value)
    assert "requirements/java.txt" in str(fault.value)
