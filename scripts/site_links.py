"""Hooks of mkdocs: pages from outside docs/, and links that are right both on a forge and on the site.

A page links to files as a forge shows them (`../CONTRIBUTING.md`, `../bench/run.py`). The files of `OUTSIDE` are pages
of the site, so a link to one of them leads to that page. A link to any other file of the project becomes its path, as
text. A link to a file that does not exist stays as it is, and the strict build refuses it.
"""

import posixpath
import re
from pathlib import Path
from typing import Final

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT: Final = Path(__file__).parents[1]

OUTSIDE: Final = {
    "CHANGELOG.md": "changelog.md",
    "CODE_OF_CONDUCT.md": "code-of-conduct.md",
    "CONTRIBUTING.md": "contributing.md",
    "README.md": "what-it-is.md",
    "SECURITY.md": "security.md",
    "deploy/README.md": "containers.md",
}
"""Path in the project -> page of the site. They stay where forges look for them."""

_LINK: Final = re.compile(r"(?<!!)\[([^\]]+)\]\(([^)\s#]+)(#[^)\s]*)?\)")
_BLOCK: Final = re.compile(r"(^```.*?^```$)", re.MULTILINE | re.DOTALL)
_DRAWING: Final = re.compile(r"^```mermaid\n.*?^```\n+", re.MULTILINE | re.DOTALL)
"""A drawing of the README: the theme would fetch mermaid from another host when the page is read."""
_SCHEME: Final = re.compile(r"[a-z][a-z0-9+.-]*:", re.IGNORECASE)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages of `OUTSIDE`."""
    for path, page in OUTSIDE.items():
        files.append(File.generated(config, page, abs_src_path=str(ROOT / path)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Lead the links of a page to pages of the site."""
    del config, files
    origin = next((path for path, name in OUTSIDE.items() if name == page.file.src_uri), f"docs/{page.file.src_uri}")
    return for_site(markdown, origin)


def for_site(markdown: str, origin: str) -> str:
    """The text of the file `origin` (a path in the project) as the site shows it.

    Its links lead to pages of the site, and drawings are left out; blocks of code stay.
    """

    def lead(match: re.Match[str]) -> str:
        text, target, anchor = match[1], match[2], match[3] or ""
        if _SCHEME.match(target):
            return match[0]
        path = posixpath.normpath(posixpath.join(posixpath.dirname(origin), target))
        if path in OUTSIDE or (path.startswith("docs/") and (ROOT / path).exists()):
            return f"[{text}]({OUTSIDE.get(path, path.removeprefix('docs/'))}{anchor})"
        return f"`{path}`" if (ROOT / path).exists() else match[0]

    return "".join(
        part if part.startswith("```") else _LINK.sub(lead, part) for part in _BLOCK.split(_DRAWING.sub("", markdown))
    )
