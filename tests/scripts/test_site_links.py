"""Links of the documentation site, made from those that a forge follows."""

import pytest
import site_links
from pages import Page, pages


@pytest.mark.parametrize(
    ("origin", "written", "led"),
    [
        pytest.param("docs/operators.md", "[a](rejected.md#look)", "[a](rejected.md#look)", id="page"),
        pytest.param("docs/operators.md", "[a](../deploy/README.md)", "[a](containers.md)", id="page-outside-docs"),
        pytest.param("docs/index.md", "[a](../README.md)", "[a](what-it-is.md)", id="readme"),
        pytest.param("CONTRIBUTING.md", "[a](docs/analysts.md#why)", "[a](analysts.md#why)", id="from-the-root"),
        pytest.param("deploy/README.md", "[a](../docs/operators.md)", "[a](operators.md)", id="from-another-folder"),
        pytest.param("docs/performance.md", "[a](../bench/run.py)", "`bench/run.py`", id="source-file"),
        pytest.param("docs/index.md", "[a](../bench/gone.py)", "[a](../bench/gone.py)", id="no-such-file"),
        pytest.param("docs/index.md", "[a](https://a.example/b.md)", "[a](https://a.example/b.md)", id="address"),
        pytest.param("docs/index.md", "[a](#b)", "[a](#b)", id="same-page"),
        pytest.param("docs/performance.md", "![a](performance.svg)", "![a](performance.svg)", id="picture"),
        pytest.param(
            "docs/index.md", "```\n[a](../README.md)\n```\n", "```\n[a](../README.md)\n```\n", id="block-of-code"
        ),
    ],
)
def test_links(origin: str, written: str, led: str):
    """A link leads to a page of the site, or becomes the path of a file that is none; a broken one stays broken."""
    assert site_links.for_site(written, origin) == led


def test_pages_from_outside():
    """Every page of a forge that has its place elsewhere than in docs is on the site, and no page has two sources."""
    assert all((site_links.ROOT / path).is_file() for path in site_links.OUTSIDE)
    assert not [page for page in site_links.OUTSIDE.values() if (site_links.ROOT / "docs" / page).exists()]


def test_no_page_of_the_site_draws_with_mermaid():
    """The theme would fetch mermaid from another host when the page is read: the README's drawing is left out."""
    assert [page.name for page in pages() if "```mermaid" in site_links.for_site(page.text, page.name)] == []
    assert "```mermaid" in Page("README.md").text
