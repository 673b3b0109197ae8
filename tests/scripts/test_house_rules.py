from pathlib import Path

import house_rules
import pytest


def found(folder: Path, monkeypatch: pytest.MonkeyPatch, text: str, name: str = "sources/some.py") -> list[str]:
    """What the rule says about a file of the project."""
    monkeypatch.chdir(folder)
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return list(house_rules.stray_writes(path))


@pytest.mark.parametrize(
    "line",
    [
        'open(p, "w")',
        'open(p, mode="xb")',
        'open(p, "r+")',
        "open(p, mode)",
        'p.open("ab")',
        'p.open(mode="w")',
        'io.open(p, "w")',
        'p.write_text("x")',
        'p.write_bytes(b"x")',
        "p.mkdir()",
        "p.unlink()",
        "p.rename(q)",
        "p.replace(q)",
        "p.touch()",
        "p.symlink_to(q)",
        "import os\nos.open(p, 1)",
        "import os as system\nsystem.replace(p, q)",
        "from os import rename",
        "from os import remove as gone",
        "import shutil\nshutil.rmtree(p)",
        "import shutil\nmove = shutil.move",
        "from shutil import copyfile",
        "import tempfile\ntempfile.NamedTemporaryFile()",
        "from tempfile import mkstemp",
        "write_to_textfile(p, registry)",
        'zipfile.ZipFile(p, "w")',
    ],
)
def test_writing_elsewhere_is_found(line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Each call that writes, renames or removes a file in the product is found, with its line."""
    lines = len(line.splitlines())
    assert [one.split(": ")[0] for one in found(tmp_path, monkeypatch, line)] == [f"sources/some.py:{lines}"]


@pytest.mark.parametrize(
    "line",
    [
        "open(p)",
        'open(p, "rb")',
        'p.open("rb")',
        'p.open(encoding="utf-8")',
        'text.replace("w", "x")',
        "day.replace(hour=1)",
        'archive.open("xl/workbook.xml")',
        "import os\nos.environ",
        "import shutil\nshutil.which(name)",
    ],
)
def test_reading_is_fine(line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Calls that only read, and those of the same name on texts and dates, are fine."""
    assert found(tmp_path, monkeypatch, line) == []


@pytest.mark.parametrize("name", ["schemas/own_files.py", "tests/test_some.py", "scripts/some.py", "bench/some.py"])
def test_the_one_place_and_what_is_no_product_may_write(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The rule holds for the product, except for the one place."""
    assert found(tmp_path, monkeypatch, 'open(p, "w")', name) == []


def test_a_file_name_is_used_once():
    """Two modules of the product with one name are found; packages, tests and other files do not count."""
    paths = ["sinks/guard.py", "streams/guard.py", "sinks/__init__.py", "streams/__init__.py", "tests/sinks/guard.py"]
    assert list(house_rules.same_names([Path(name) for name in paths])) == [
        "sinks/guard.py: has the name of streams/guard.py"
    ]


def test_a_verb_shares_its_name_with_the_module_that_it_is_about_only():
    """Pairs of verb and module that are named are fine; no other file of `commands/` is, nor a third of a pair."""
    verb, module = "clustertrack/commands/keys.py", "schemas/keys.py"
    names = [verb, module, "clustertrack/commands/guard.py", "sinks/guard.py"]
    assert list(house_rules.same_names([Path(name) for name in names])) == [
        "clustertrack/commands/guard.py: has the name of sinks/guard.py"
    ]
    assert list(house_rules.same_names([Path(name) for name in (verb, module, "sinks/keys.py")])) == [
        "schemas/keys.py: has the name of sinks/keys.py"
    ]


IMPORT_RULES = """
[tool.importlinter]
root_packages = {packages}
[[tool.importlinter.contracts]]
layers = {layers}
"""


def test_a_new_folder_of_code_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """One that no rule names, and one that is missing in the import rules."""
    monkeypatch.chdir(tmp_path)
    packages = sorted(house_rules.PRODUCT)
    rules = IMPORT_RULES.format(packages=packages, layers=["schemas | brokers", *packages])
    Path("pyproject.toml").write_text(rules, encoding="utf-8")
    assert list(house_rules.new_rooms([Path("sinks/guard.py"), Path("tests/test_some.py"), Path("docs/some.md")])) == []
    assert [fault[:5] for fault in house_rules.new_rooms([Path("cellar/wine.py")])] == ["cella"]
    Path("pyproject.toml").write_text(rules.replace("'sinks', ", "", 1), encoding="utf-8")
    assert [fault[-5:] for fault in house_rules.new_rooms([])] == ["sinks"]


def check(rule, name: str, text: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What a rule says about one file."""
    monkeypatch.chdir(folder)
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return list(rule(path))


@pytest.mark.parametrize("mark", ["TO" + "DO", "FIX" + "ME"])
def test_unfinished_work_is_found(mark: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """With its line; a word that only contains the mark is fine."""
    text = f"mas{mark}n\n# {mark}: later\n"
    found = check(house_rules.unfinished, "sinks/some.sql", text, tmp_path, monkeypatch)
    assert found == [f"sinks/some.sql:2: unfinished: {mark}"]


def test_a_silent_test_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """One without a docstring; helpers need none."""
    text = 'def test_a(): ...\ndef helper(): ...\ndef test_b():\n    """Shows."""\n'
    found = check(house_rules.silent_tests, "tests/test_some.py", text, tmp_path, monkeypatch)
    assert [fault.split(" ")[1] for fault in found] == ["test_a"]


@pytest.mark.parametrize("line", ["--index-url x", "--find-links x", "thing @ https://host/x.whl"])
def test_a_host_in_a_lock_is_found(line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Lines with pins and hashes are fine."""
    found = check(house_rules.named_hosts, "requirements/x.txt", f"a==1\n{line}\n", tmp_path, monkeypatch)
    assert found == ["requirements/x.txt:2: names a host"]


def test_a_long_file_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """One line more than the longest."""
    for more in (0, 1):
        text = "x\n" * (house_rules.LONGEST + more)
        assert len(check(house_rules.too_long, "sinks/some.sql", text, tmp_path, monkeypatch)) == more


@pytest.mark.parametrize(
    ("line", "word", "instead"),
    [
        pytest.param("# what stands in the file", "stands", "is, are", id="stands"),
        pytest.param("where it stood before", "stood", "is, are", id="stood"),
        pytest.param("COMMENT 'kept for ever'", "for ever", "permanently, forever", id="SQL"),
        pytest.param("Mend the rows", "Mend", "fix", id="capital"),
        pytest.param("def test_topic_made_again():", "made_again", "re-created, again", id="name of a test"),
        pytest.param("nobody can know", "nobody can know", "unknown", id="nobody knows"),
        pytest.param("beside each file", "beside", "next to, with", id="beside"),
        pytest.param("whatever it is", "whatever", "anyone who; or name the thing", id="whatever"),
        pytest.param("the worker is ill", "ill", "unhealthy", id="ill"),
    ],
)
def test_a_word_that_the_glossary_replaces_is_found(
    line: str, word: str, instead: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """The line, the word and what to write are named; in the file of the glossary it is fine."""
    monkeypatch.chdir(tmp_path)
    Path("some.py").write_text(f"\n{line}\n", encoding="utf-8")
    Path("CONTRIBUTING.md").write_text(f"{line}\n", encoding="utf-8")
    assert list(house_rules.old_words(Path("some.py"))) == [
        f"some.py:2: {word!r}: write {instead!r}, see the glossary in CONTRIBUTING.md"
    ]
    assert list(house_rules.old_words(Path("CONTRIBUTING.md"))) == []


@pytest.mark.parametrize(
    ("text", "word"),
    [
        pytest.param("kept for\never", "for ever", id="page"),
        pytest.param("    # made\n    # again", "made again", id="comment"),
        pytest.param("-- behind\n-- an offset", "behind an offset", id="SQL"),
        pytest.param('"kept for "\n    "ever"', "for ever", id="text of Python"),
        pytest.param('f"behind the"\n    f" offset"', "behind the offset", id="space in the next line"),
    ],
)
def test_an_old_word_across_lines_is_found(text: str, word: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Where a line ends between its two words."""
    found = check(house_rules.old_words, "some.py", text, tmp_path, monkeypatch)
    assert [fault.split("'")[1] for fault in found] == [word]


@pytest.mark.parametrize(
    "line",
    [
        "a stand-in",
        "it stands\nfor a register",
        "processes that stand in for Kafka",
        "CVR stands for a register",
        "besides",
        "still",
        "amend",
        "forever",
    ],
)
def test_other_words_are_fine(line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Words that only look alike are left alone."""
    monkeypatch.chdir(tmp_path)
    Path("some.py").write_text(line, encoding="utf-8")
    assert list(house_rules.old_words(Path("some.py"))) == []
