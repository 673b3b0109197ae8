"""What scripts/demo does that a shell cannot: each step is a word, and its arguments.

ports [BASE]                    exit 2 with a sentence if the stack's ports cannot be used
published EXPORTS ANSWER        say what `publish --json` answered; exit 1 if it refused other rows than planned
figures EXPORTS                 exit 1 if a figure of a report is not the planned one
history EXPORTS FOLDER          write a correction and a late extract of the register, of companies that count in 2018
changed BEFORE NOW              exit 1 if the two reports (JSON) do not differ as the history says
"""

import csv
import json
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from clustertrack.local.stack import Ports
from clustertrack.settings import load_settings
from schemas.counts import counted
from schemas.errors import ClustertrackError
from sinks.clickhouse import open_ledger

WORKERS: Final = 2
YEAR: Final = 2018
EMPLOYEES: Final = "60"
"""What the late extract says of a company that had fewer than 50."""
ONE_OF_A_KIND: Final = """
SELECT any(company_id), any(source), any(activity_id)
FROM fact(from = {first:Date}, to = {last:Date}, as_at = {last:Date}, known = '2200-01-01 00:00:00')
WHERE kind = 'company'
GROUP BY fact.company_id
HAVING countIf(outcome != 'helped') = 1 AND countIf(outcome = {outcome:String}) = 1 AND any(under_50)
   AND any(company_id) = any(reported_company_id) AND uniqExact(activity_id) = 1
ORDER BY fact.company_id
LIMIT 1
"""
"""A small company with one activity and one outcome, so that each figure changes by one."""


def ports(base: str = "") -> None:
    """Asks for the ports before anything is written."""
    chosen = Ports.from_base(int(base)) if base else Ports.from_settings(load_settings())
    chosen.check(WORKERS)


def published(exports: str, answer: str) -> None:
    """Compares the refused rows with those that the simulator wrote on purpose."""
    planned = len(json.loads(Path(exports, "truth.json").read_text(encoding="utf-8"))["refused"])
    said: dict[str, Any] = json.loads(Path(answer).read_text(encoding="utf-8"))
    for file in said["files"]:
        refused = f", {file['refused']:,} refused as planned" if file["refused"] else ""
        print(f"{Path(file['file']).name}: {counted(file['events'], 'event')} sent{refused}")
    if said["refused"] != planned:
        sys.exit(f"error: {said['refused']:,} rows were refused, and {planned:,} were planned; see {answer}")
    print(f"{counted(said['refused'], 'row')} refused, as planned: they are next to their files, in .refused.csv")


def figures(exports: str) -> None:
    """Compares every report with the truth."""
    truth = json.loads(Path(exports, "truth.json").read_text(encoding="utf-8"))["years"]
    wrong = []
    for year, planned in truth.items():
        report = subprocess.run(
            ["clustertrack", "report", "--year", year, "--format", "json"], capture_output=True, check=True
        )
        found = json.loads(report.stdout)
        wrong += [
            f"{year} {figure} {part}: planned {number}, counted {found[figure][part]}"
            for figure, parts in planned.items()
            for part, number in parts.items()
            if found[figure][part] != number
        ]
    if wrong:
        sys.exit("\n".join(wrong))
    print("Every figure of 2017 to 2019 is the one that the simulator planned.")


def history(exports: str, folder: str) -> None:
    """Takes back an activity, and says in a late extract that another company was larger."""
    into = Path(folder)
    into.mkdir(exist_ok=True)
    bound: dict[str, Any] = {"first": f"{YEAR}-01-01", "last": f"{YEAR}-12-31"}
    with open_ledger(load_settings().clickhouse.connection()) as client:
        asked = client.query(ONE_OF_A_KIND, parameters={**bound, "outcome": "new_ideas"})
        [(company, source, activity)] = asked.result_rows
        asked = client.query(ONE_OF_A_KIND, parameters={**bound, "outcome": "new_products"})
        [(grown, _, _)] = asked.result_rows
    now = datetime.now(UTC)
    event = {
        "specversion": "1.0",
        "id": f"demo-{activity}-{now:%Y%m%dT%H%M%S}",
        "source": source,
        "type": "org.clustertrack.activity.retracted.v1",
        "subject": f"{company:08d}",
        "time": (now - timedelta(seconds=1)).isoformat(timespec="milliseconds"),
        "datacontenttype": "application/json",
        "data": {"activity_id": activity, "reason": "Synthetic: the company did not take part"},
    }
    (into / "correction.jsonl").write_text(json.dumps(event) + "\n", encoding="utf-8")
    with Path(exports, "companies.csv").open(encoding="utf-8", newline="") as register:
        rows = [row for row in csv.DictReader(register) if row["cvr"] == f"{grown:08d}"]
    with (into / "companies.csv").open("w", encoding="utf-8", newline="") as extract:
        late = csv.DictWriter(extract, rows[0])
        late.writeheader()
        late.writerows({**row, "employees": EMPLOYEES} for row in rows)
    print(f"A cluster takes back the activity of company {company:08d}: one company fewer, with new ideas.")
    print(
        f"A late extract of the register says that company {grown:08d} had {EMPLOYEES} employees: one fewer under 50."
    )


def changed(before: str, now: str) -> None:
    """The figures as known before are the old ones, and those of now differ by one each."""
    then, after = (json.loads(Path(name).read_text(encoding="utf-8")) for name in (before, now))
    found = [
        (figure, part, after[figure][part] - then[figure][part])
        for figure in ("helped", "new_ideas", "new_products")
        for part in ("companies", "under_50")
    ]
    if [difference for *_, difference in found] != [-1, -2, -1, -1, 0, -1]:
        sys.exit(f"error: the history changed the figures by {found}, and not by one company each")
    print("Both are in the ledger: the figures as they were known, and as they are known now.")


STEPS: Final[dict[str, Callable[..., None]]] = {
    step.__name__: step for step in (ports, published, figures, history, changed)
}

if __name__ == "__main__":
    try:
        STEPS[sys.argv[1]](*sys.argv[2:])
    except ClustertrackError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
