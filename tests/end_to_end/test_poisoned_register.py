"""The way out of a register whose revision is in the future, as docs/operators.md describes it."""

from pathlib import Path

import pytest
from pages import Page
from samples import CVRS
from stack import Stack, wait_for

pytestmark = pytest.mark.integration
HEADER = "cvr,valid_from,name,legal_form,employees,region,industry_scheme,industry,successor_cvr,successor_from\n"


def test_a_revision_from_the_future_is_deleted_and_loaded_again(tmp_path: Path):
    """The statement of the page removes the row that kept every later statement out, and no other."""
    stack = Stack(tmp_path)
    try:
        file = tmp_path / "companies.csv"
        rows = [f"{cvr},2010-01-01,Mejeri ApS,80,12,DK042,DB07,105100,,\n" for cvr in CVRS[:2]]
        file.write_text(HEADER + "".join(rows), encoding="utf-8")
        stack.start_worker()
        stack.run("companies", "load", str(file))
        seen = (
            "SELECT company_id, argMax(employees, revision) FROM impact.company_version FINAL "
            "GROUP BY company_id ORDER BY company_id"
        )
        wanted = sorted((cvr, 12) for cvr in CVRS[:2])
        wait_for(lambda: stack.query(seen) == wanted, 60, "both companies")
        stack.query(
            "INSERT INTO impact.company_version SELECT * REPLACE (9000000000000000 AS revision, 999 AS employees) "
            "FROM impact.company_version FINAL WHERE company_id = {c:UInt32}",
            c=CVRS[0],
        )
        assert dict(stack.query(seen))[CVRS[0]] == 999
        (statement,) = [block for block in Page("docs/operators.md").blocks("sql") if "DELETE WHERE revision" in block]
        client = stack.client()
        client.command(statement)
        client.close()
        wait_for(lambda: stack.query(seen) == wanted, 60, "the row is gone, and no other")
        stack.run("companies", "load", str(file))
        wait_for(lambda: stack.query(seen) == wanted, 60, "the statement of the extract")
        while stack.workers:
            stack.workers.pop().stop(20)
    finally:
        stack.close()
