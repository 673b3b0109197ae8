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
    """Whatever writes, renames or removes a file in the product is found, with its line."""
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
    """What only reads, and what is called alike but belongs to texts and dates, is fine."""
    assert found(tmp_path, monkeypatch, line) == []


@pytest.mark.parametrize("name", ["schemas/own_files.py", "tests/test_some.py", "scripts/some.py", "bench/some.py"])
def test_the_one_place_and_what_is_no_product_may_write(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The rule holds for the product, except for the one place."""
    assert found(tmp_path, monkeypatch, 'open(p, "w")', name) == []


def test_a_file_name_stands_for_one_thing():
    """Two modules of the product of one name are found; packages, tests and other files are none."""
    paths = ["sinks/guard.py", "streams/guard.py", "sinks/__init__.py", "streams/__init__.py", "tests/sinks/guard.py"]
    assert list(house_rules.same_names([Path(name) for name in paths])) == [
        "sinks/guard.py: has the name of streams/guard.py"
    ]


@pytest.mark.parametrize(
    ("rule", "text", "faults"),
    [
        pytest.param("too_long", "x = 1\n" * 400, 0, id="400 lines"),
        pytest.param("too_long", "x = 1\n" * 401, 1, id="401 lines"),
        pytest.param("bare_noqa", "x = 1  # noqa: E501  (a reason)", 0, id="noqa with its reason"),
        pytest.param("bare_noqa", "x = 1  # noqa: E501, S101  (a reason)", 0, id="two rules"),
        pytest.param("bare_noqa", "x = 1  # noqa: E501", 1, id="noqa without a reason"),
        pytest.param("bare_noqa", "x = 1  # noqa: E501 - a reason", 1, id="reason after a dash"),
        pytest.param("bare_noqa", "x = 1  # noqa", 1, id="noqa of all rules"),
        pytest.param("loose_constants", 'MOST: Final = 5\n"""A reason."""', 0, id="final"),
        pytest.param("loose_constants", "MOST = 5", 1, id="not final"),
        pytest.param("loose_constants", "MOST: int = 5", 1, id="typed and not final"),
        pytest.param("loose_constants", "# A reason.\nMOST: Final = 5", 1, id="reason above"),
        pytest.param("loose_constants", "def f():\n    MOST = 5", 0, id="within a function"),
        pytest.param("odd_docstrings", 'def f():\n    """Args:\n    x: y.\n    """', 1, id="no summary"),
        pytest.param("odd_docstrings", 'def f():\n    """Does.\n\n    Raises OSError: no.\n    """', 1, id="prose"),
        pytest.param(
            "odd_docstrings", 'def f():\n    """Does.\n\n    Raises:\n        OSError: no.\n    """', 0, id="section"
        ),
    ],
)
def test_the_dialect(rule: str, text: str, faults: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Each form that the house does not write is found, once."""
    monkeypatch.chdir(tmp_path)
    Path("sources").mkdir()
    path = Path("sources/some.py")
    path.write_text(text, encoding="utf-8")
    assert len(list(getattr(house_rules, rule)(path))) == faults


@pytest.mark.parametrize(
    ("text", "faults"),
    [
        pytest.param("class Odd(Exception): ...", 1, id="no error by name"),
        pytest.param("class OddError(ValueError): ...", 0, id="an error by name"),
        pytest.param("class Gone(ClustertrackError): ...", 1, id="nobody catches it"),
        pytest.param("class Gone(ClustertrackError): ...\ntry: f()\nexcept Gone: g()", 0, id="caught"),
        pytest.param("class Gone(ClustertrackError): ...\nwith suppress(OSError, Gone): g()", 0, id="suppressed"),
        pytest.param("class Gone(ClustertrackError):\n    exit_code = 2", 0, id="carries something"),
        pytest.param("class Gone(Lost): ...\nclass Lost(ClustertrackError):\n    code = 1", 1, id="through another"),
    ],
)
def test_errors_of_the_product(text: str, faults: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """An exception is of the tree and of use there, or its name ends in Error."""
    monkeypatch.chdir(tmp_path)
    Path("sources").mkdir()
    path = Path("sources/some.py")
    path.write_text(f"class ClustertrackError(Exception): ...\n{text}", encoding="utf-8")
    assert len(list(house_rules.odd_errors([path]))) == faults
