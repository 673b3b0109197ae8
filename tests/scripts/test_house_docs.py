from pathlib import Path

import house_docs
import pytest


def lines_of(folder: Path, text: str, name: str = "page.md") -> list[int]:
    """The lines in which the rule finds several sentences."""
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return [int(found.removeprefix(f"{path}:").partition(":")[0]) for found in house_docs.shared_lines(path)]


@pytest.mark.parametrize(
    "line",
    [
        "It starts. It stops.",
        "- It starts. It stops.",
        "1. It starts. It stops.",
        "**It starts.** It stops.",
        "It runs `clustertrack`. `up` stops it.",
        "It is [here](page.md). See [there](other.md).",
        "Does it start? Yes.",
    ],
)
def test_two_sentences_in_a_line_are_found(line: str, tmp_path: Path):
    """Each line with two sentences is named, with any marks between them."""
    assert lines_of(tmp_path, f"It starts.\n{line}\n") == [2]


@pytest.mark.parametrize(
    "text",
    [
        "It starts.\nIt stops.\n",
        "1. It starts.\n",
        "It reads `a. B` and goes on.\n",
        "It starts (see there. Or here) and stops.\n",
        'It says "no. Wait" and stops.\n',
        "| It starts. It stops. |\n",
        "```\nIt starts. It stops.\n```\n",
        "<!-- figures -->\nIt starts. It stops.\n<!-- end of figures -->\n",
        "That of A. Hansen, e.g. Here.\n",
    ],
)
def test_other_lines_are_not(text: str, tmp_path: Path):
    """Asides, tables, code and what a script has written are passed over."""
    assert lines_of(tmp_path, text) == []


def test_only_documents_are_read(tmp_path: Path):
    """The rule is one for Markdown."""
    assert lines_of(tmp_path, "It starts. It stops.\n", "text.py") == []
