"""The project's Markdown pages as data: their tables, code blocks, links and headings."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

ROOT = Path(__file__).parents[2]
NAMES = ("README.md", "CHANGELOG.md", "CODE_OF_CONDUCT.md", "CONTRIBUTING.md", "SECURITY.md", "deploy/README.md")

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"(?<!!)\[[^\]]+\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
_CELL_BORDER = re.compile(r"(?<!\\)\|")


@dataclass(frozen=True)
class Page:
    """One page; `name` is its path from the project's root."""

    name: str

    @cached_property
    def path(self) -> Path:
        """Its path."""
        return ROOT / self.name

    @cached_property
    def text(self) -> str:
        """All of it."""
        return self.path.read_text(encoding="utf-8")

    @cached_property
    def prose(self) -> str:
        """All but the code blocks."""
        return _FENCE.sub("", self.text)

    def blocks(self, language: str) -> list[str]:
        """Code blocks of a language; the empty one for plain blocks."""
        return [body for kind, body in _FENCE.findall(self.text) if kind == language]

    @property
    def links(self) -> list[str]:
        """Targets of links, in order."""
        return _LINK.findall(self.prose)

    @cached_property
    def anchors(self) -> set[str]:
        """What `#...` may name: headings as GitHub writes them."""
        return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in _HEADING.findall(self.prose)}

    def table(self, *header: str) -> list[list[str]]:
        """Rows of all tables with this header, cells as written; an AssertionError when there is none."""
        found = [rows for titles, rows in self._tables() if titles == list(header)]
        assert found, f"{self.name} has no table with the columns {header}"
        return [row for rows in found for row in rows]

    def _tables(self) -> Iterator[tuple[list[str], list[list[str]]]]:
        rows: list[list[str]] = []
        for line in [*self.prose.splitlines(), ""]:
            if line.startswith("|"):
                rows.append([cell.strip() for cell in _CELL_BORDER.split(line)[1:-1]])
            elif rows:
                yield rows[0], rows[2:]
                rows = []


def pages() -> list[Page]:
    """Every page of the project."""
    found = [*NAMES, *sorted(str(path.relative_to(ROOT)) for path in (ROOT / "docs").glob("*.md"))]
    return [Page(name) for name in found]


def coded(cell: str) -> list[str]:
    """The text between backticks in a cell."""
    return re.findall(r"`([^`]+)`", cell)
