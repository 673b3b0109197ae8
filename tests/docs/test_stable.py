"""The table of what is stable names everything that there is, and nothing else."""

import re

from pages import ROOT, Page, coded

from schemas.errors import ClustertrackError
from schemas.screen import INTERRUPTED

PRODUCT = ("brokers", "clustertrack", "reports", "schemas", "sinks", "sources", "streams")
HEADER = re.compile(r'"(ct-[a-z-]*[a-z])"')
ROWS = {
    what: (promised, may_change)
    for what, promised, may_change in Page("docs/stable.md").table("what", "promised", "may change")
}


def row(beginning: str) -> tuple[str, str, str]:
    """The one row whose first cell begins so."""
    [found] = [(what, *others) for what, others in ROWS.items() if what.startswith(beginning)]
    return found


def test_exit_codes():
    """Those of the errors, 0, and that of Ctrl-C."""
    errors: list[type[ClustertrackError]] = [ClustertrackError, *ClustertrackError.__subclasses__()]
    assert coded(row("exit codes")[1]) == ["0", *sorted({str(error.exit_code) for error in errors}), str(INTERRUPTED)]


def test_topics():
    """Those that architecture.md lists, which is compared with the code; the changelog topic is internal."""
    listed = Page("docs/architecture.md").table("topic", "key", "holds", "kept")
    public = {coded(name)[0] for name, *_ in listed if not name.startswith("`<")}
    assert set(coded(row("topics")[0])) == public


def test_headers():
    """Every header of ours that the product writes."""
    files = [path for package in PRODUCT for path in (ROOT / package).rglob("*.py")]
    written = {name for path in files for name in HEADER.findall(path.read_text(encoding="utf-8"))}
    assert set(coded(row("headers")[1])) == written


def test_paths():
    """Those in the operators' page."""
    paths = {coded(path)[0] for path, _ in Page("docs/operators.md").table("path", "answers")}
    assert set(coded(row("HTTP")[1])) == paths
