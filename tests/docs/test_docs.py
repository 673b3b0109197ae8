"""The pages as such: links resolve, named files and commands exist, nothing is unfinished or of one machine only."""

import importlib
import re

import click
import pytest
from pages import ROOT, Page, pages

from clustertrack.cli import VERBS

PAGES = [pytest.param(page, id=page.name) for page in pages()]
FOLDERS = (
    "brokers|clustertrack|reports|schemas|sinks|sources|streams|bench|deploy|docs|examples|requirements|scripts|tests"
)
FILE = re.compile(rf"(?<![\w/.<-])((?:{FOLDERS})/[\w./*{{}}-]*[\w*}}])")
UNFINISHED = re.compile(r"\b(TO" + r"DO|FIX" + r"ME|XX" + r"X|TB" + r"D|coming soon)\b", re.IGNORECASE)
OF_ONE_MACHINE = re.compile(r"(/root\b|/home/|/Users/|site-packages|index-url)")
TEST = re.compile(r"`(test_\w+)`")
DEFINED = re.compile(r"^(?:async )?def (test_\w+)", re.MULTILINE)
COMMAND = re.compile(r"\bclustertrack ((?:[a-z]+)(?: [^\n`|&;]*)?)")


def commands(page: Page) -> list[str]:
    """Every `clustertrack VERB ...` in code, comments cut off."""
    code = [*page.blocks(""), *page.blocks("sh"), *re.findall(r"`([^`\n]+)`", page.prose)]
    lines = [line.split(" #")[0] for text in code for line in text.splitlines()]
    return [match[1].strip() for line in lines for match in COMMAND.finditer(line)]


def command_of(verb: str) -> click.Command:
    """The click command of a verb."""
    found = importlib.import_module(f"clustertrack.commands.{verb}").command
    assert isinstance(found, click.Command)
    return found


@pytest.mark.parametrize("page", PAGES)
def test_links_resolve(page: Page):
    """Every link within the project leads to a file, and to a heading where it names one."""
    for target in page.links:
        if target.startswith(("http://", "https://", "mailto:")):
            continue
        place, _, anchor = target.partition("#")
        path = (page.path.parent / place).resolve() if place else page.path
        assert path.exists(), f"{page.name} links to {target}"
        if anchor:
            linked = Page(str(path.relative_to(ROOT)))
            assert anchor in linked.anchors, f"{page.name} links to {target}; there are {sorted(linked.anchors)}"


@pytest.mark.parametrize("page", PAGES)
def test_named_files_exist(page: Page):
    """Everything that looks like a file of the project is one; a star means any name."""
    if page.name in ("CHANGELOG.md", "deploy/README.md"):
        pytest.skip("names files of former versions, or such as an operator makes")
    missing = [name for name in FILE.findall(page.text) if not list(ROOT.glob(name))]
    assert missing == []


@pytest.mark.parametrize("page", PAGES)
def test_named_tests_exist(page: Page):
    """Every test that a page names as proof exists."""
    defined = {name for path in ROOT.glob("tests/**/test_*.py") for name in DEFINED.findall(path.read_text())}
    assert set(TEST.findall(page.prose)) <= defined


@pytest.mark.parametrize("page", PAGES)
def test_nothing_is_unfinished_or_of_one_machine(page: Page):
    """No page promises to be finished later, names a folder of its author, or where packages come from."""
    assert UNFINISHED.findall(page.text) == []
    assert OF_ONE_MACHINE.findall(page.text) == []


@pytest.mark.parametrize("page", PAGES)
def test_commands_exist_with_their_options(page: Page):
    """Every verb and every option that a page shows is one of the command line."""
    for line in commands(page):
        words = line.split()
        assert words[0] in VERBS, f"{page.name}: clustertrack {line}"
        command = command_of(words[0])
        known = {name for parameter in command.params for name in parameter.opts} | {"--help", "-h"}
        if isinstance(command, click.Group) and len(words) > 1:
            assert words[1] in command.commands, f"{page.name}: clustertrack {line}"
            known |= {name for parameter in command.commands[words[1]].params for name in parameter.opts}
        for word in words[1:]:
            if word.startswith("--"):
                assert word.split("=")[0] in known, f"{page.name}: clustertrack {line}"


@pytest.mark.parametrize("verb", VERBS)
def test_lists_of_commands_are_whole(verb: str):
    """On a terminal of 80 columns no line of `--help` about a command ends in the middle of its sentence."""
    command = command_of(verb)
    commands = command.commands if isinstance(command, click.Group) else {}
    for name, one in commands.items():
        assert not one.get_short_help_str(limit=80 - len(name) - 6).endswith("..."), name


def test_every_verb_is_shown_somewhere():
    """Each verb of the command line is in at least one page."""
    shown = {line.split()[0] for page in pages() for line in commands(page)}
    assert set(VERBS) <= shown


def test_every_page_is_reached_from_the_readme():
    """The README links to every page of docs, and to the rules for contributors and the list of changes."""
    linked = set(Page("README.md").links)
    wanted = {page.name for page in pages()} - {"README.md"}
    assert wanted <= {target.partition("#")[0] for target in linked}
