"""What a forge and a newcomer find at the root: workflow, justfile, hooks, metadata."""

import os
import re
import tomllib
from typing import Any

import pytest
import yaml
from pages import ROOT

from clustertrack import __version__

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
WORKFLOWS = [pytest.param(path, id=path.name) for path in sorted((ROOT / ".github" / "workflows").glob("*.yml"))]
RECIPE = re.compile(r"^([a-z][\w-]*)(?: \*args)?:\n    (.+)$", re.MULTILINE)


def read(path: str) -> dict[str, Any]:
    """A YAML file of the project."""
    loaded = yaml.safe_load((ROOT / path).read_text(encoding="utf-8"))
    assert isinstance(loaded, dict)
    return loaded


def test_every_recipe_is_one_script():
    """Each recipe of the justfile is a program of the project that can be run, and each such program has a recipe."""
    recipes = dict(RECIPE.findall((ROOT / "justfile").read_text(encoding="utf-8")))
    del recipes["default"]
    programs = [command.removesuffix(' "$@"') for command in recipes.values()]
    assert [name for name in programs if not os.access(ROOT / name, os.X_OK)] == []
    runnable = {f"scripts/{path.name}" for path in (ROOT / "scripts").iterdir() if path.is_file() and not path.suffix}
    assert runnable <= set(programs)


def test_the_workflow_tests_the_pythons_that_are_claimed():
    """The matrix is that of the classifiers; what is tried beyond them may fail, and nothing else may."""
    claimed = re.findall(r"Python :: (3\.\d+)$", "\n".join(PROJECT["classifiers"]), re.MULTILINE)
    fast = read(".github/workflows/ci.yml")["jobs"]["fast"]
    matrix = fast["strategy"]["matrix"]
    assert matrix["python"] == claimed
    assert f">={claimed[0]}" == PROJECT["requires-python"]
    assert all(entry["untried"] and entry["python"] not in claimed for entry in matrix["include"])
    assert fast["continue-on-error"] == "${{ matrix.untried || false }}"


@pytest.mark.parametrize("path", WORKFLOWS)
def test_workflows_are_pinned_and_bounded(path):
    """Actions are pinned to a commit with its version next to it; jobs have a time limit and may only read."""
    text = path.read_text(encoding="utf-8")
    used = re.findall(r"uses: (.+)", text)
    assert used
    assert [name for name in used if not re.fullmatch(r"[\w.-]+/[\w.-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", name)] == []
    workflow = yaml.safe_load(text)
    assert workflow["permissions"] == {}
    for job in workflow["jobs"].values():
        assert job["permissions"] == {"contents": "read"}
        assert job["timeout-minutes"] > 0


def test_all_say_what_the_check_checks():
    """The script, the justfile and CONTRIBUTING list the same parts, in their order."""
    script = (ROOT / "scripts" / "check").read_text(encoding="utf-8")
    titles = [title.removesuffix(" check") for title in re.findall(r'^check "([^"]+)"', script, re.MULTILINE)]
    parts = ", ".join(title for title in titles if title != "ruff format")
    for name in ("scripts/check", "justfile", "CONTRIBUTING.md"):
        assert parts in (ROOT / name).read_text(encoding="utf-8"), name


def test_forms_name_headings_that_exist():
    """What an issue form quotes from CONTRIBUTING is a heading there."""
    texts = [path.read_text(encoding="utf-8") for path in (ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml")]
    quoted = [name for text in texts for name in re.findall(r'"([^"\n]+)" in CONTRIBUTING\.md', text)]
    headings = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").splitlines()
    assert quoted
    assert [name for name in quoted if f"## {name}" not in headings] == []


def test_the_setup_prefers_a_python_that_is_claimed():
    """Of the Pythons with a version in their name, the newest claimed one comes first, and what is untried last."""
    claimed = re.findall(r"Python :: (3\.\d+)$", "\n".join(PROJECT["classifiers"]), re.MULTILINE)
    tried = re.findall(r"python(3\.\d+)", (ROOT / "scripts" / "setup").read_text(encoding="utf-8"))
    assert tried[: len(claimed)] == claimed[::-1]


def test_hooks_run_what_the_check_runs():
    """Every hook of pre-commit is a line of scripts/check."""
    check = (ROOT / "scripts" / "check").read_text(encoding="utf-8")
    hooks = [hook for repo in read(".pre-commit-config.yaml")["repos"] for hook in repo["hooks"]]
    assert hooks
    assert [hook["entry"] for hook in hooks if f'check "{hook["name"]}" {hook["entry"]}\n' not in check] == []


def test_the_version_is_one():
    """The version of the package is that of its metadata."""
    assert __version__ == PROJECT["version"]


def test_the_wheel_is_not_for_an_index():
    """An index refuses the wheel, whose packages have common names."""
    assert "Private :: Do Not Upload" in PROJECT["classifiers"]
