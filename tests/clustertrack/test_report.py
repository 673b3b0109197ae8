import csv
import io
import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from clustertrack.cli import root
from clustertrack.commands.report import FORMATS, write_whole
from reports.text import WIDTH
from schemas.errors import CheckFailed, UsageFault
from schemas.event_time import COPENHAGEN
from schemas.registry_document import read_sample
from sinks.clickhouse import ClickHouse, connect
from sinks.migrator import migrate

Run = Callable[..., Result]


@pytest.fixture
def environment(clickhouse, database: str) -> dict[str, str]:
    """Settings that name the session's ClickHouse and this test's database."""
    return {
        "CLICKHOUSE_HOST": clickhouse.host,
        "CLICKHOUSE_PORT": str(clickhouse.port),
        "CLICKHOUSE_DATABASE": database,
    }


@pytest.fixture
def run(clickhouse, database: str, environment: dict[str, str]) -> Run:
    """Runs `clustertrack report` on a ledger with one company, helped in 2018 and known since 2019."""
    with connect(ClickHouse(host=clickhouse.host, port=clickhouse.port, database=database)) as client:
        migrate(client, database)
        known = datetime(2019, 6, 1, 12, tzinfo=UTC)
        activity = {
            "source": "crm",
            "activity_id": "a1",
            "revision": 1,
            "event_id": "e1",
            "company_id": 13748136,
            "cluster": "food-bio",
            "event_type": "workshop.attended",
            "reported": ["new_ideas"],
            "derived": [],
            "outcomes_given": 1,
            "membership": "",
            "details": "{}",
            "occurred_on": date(2018, 5, 3),
            "recorded_at": known,
            "known_at": known,
        }
        client.insert("activity_revision", [list(activity.values())], column_names=list(activity))
        sample = read_sample(1)
        client.insert(
            "registry_version",
            [[sample.revision, sample.to_json(), known]],
            column_names=["revision", "content", "known_at"],
        )
    return lambda *arguments: CliRunner().invoke(root, ["report", *arguments], env=environment)


@pytest.mark.integration
def test_text_is_the_default(run: Run):
    """Without a format there is a title, the sentence and the clusters in 120 columns, and nothing else."""
    result = run("--year", "2018")
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[0] == "Companies helped by clusters in 2018"
    assert lines[3] == (
        "1 company helped; 0 companies were given new competencies and tools; 1 (size unknown) developed new ideas; "
        "0 developed"
    )
    assert "food-bio" in result.stdout
    assert max(map(len, result.stdout.splitlines())) <= WIDTH
    assert result.stderr == ""


@pytest.mark.integration
def test_json_and_csv(run: Run):
    """The other formats carry the same figures."""
    report = json.loads(run("--year", "2018", "--format", "json").stdout)
    assert (report["year"], report["provisional"]) == (2018, False)
    assert report["new_ideas"]["companies"] == 1
    rows = list(csv.DictReader(io.StringIO(run("--year", "2018", "--format", "csv").stdout)))
    assert [(row["level"], row["outcome"], row["companies"]) for row in rows][2] == ("national", "new_ideas", "1")


@pytest.mark.integration
def test_as_known_on_a_day(run: Run):
    """Before the record was known it does not count; the day is in the report."""
    before = json.loads(run("--year", "2018", "--as-known-on", "2019-05-31", "--format", "json").stdout)
    after = json.loads(run("--year", "2018", "--as-known-on", "2019-06-01", "--format", "json").stdout)
    assert (before["helped"]["companies"], after["helped"]["companies"]) == (0, 1)
    assert (before["as_known_on"], after["as_known_on"]) == ("2019-05-31", "2019-06-01")
    text = run("--year", "2018", "--as-known-on", "2019-05-31").stdout
    assert "its first activity became known on 2019-06-01" in text


@pytest.mark.integration
def test_as_known_at_a_time(run: Run):
    """A time of a day counts up to itself; without a zone it is that of Copenhagen."""
    days = ("2019-06-01T13:59:59", "2019-06-01T14:00", "2019-06-01T12:00Z")
    made = [json.loads(run("--year", "2018", "--as-known-on", day, "--format", "json").stdout) for day in days]
    assert [report["helped"]["companies"] for report in made] == [0, 1, 1]
    assert made[1] == made[2]


@pytest.mark.integration
@pytest.mark.parametrize("days", [pytest.param(0, id="today"), pytest.param(1, id="tomorrow")])
def test_a_day_that_has_not_ended(run: Run, days: int):
    """Today and later days are a usage error."""
    # Across midnight the day would be yesterday, so tomorrow is taken then.
    day = datetime.now(COPENHAGEN).date() + timedelta(days=days)
    result = run("--year", "2018", "--as-known-on", day.isoformat())
    assert isinstance(result.exception, UsageFault)
    assert result.exception.exit_code == 2


@pytest.mark.integration
def test_into_a_file(run: Run, tmp_path: Path):
    """With --out the file holds the report and standard output nothing."""
    target = tmp_path / "2018.json"
    target.write_text("old", encoding="utf-8")
    result = run("--year", "2018", "--format", "json", "--out", str(target))
    assert result.exit_code == 0, result.output
    assert (result.stdout, result.stderr) == ("", f"wrote {target}\n")
    assert json.loads(target.read_text(encoding="utf-8"))["year"] == 2018
    assert list(tmp_path.iterdir()) == [target]


def test_a_place_that_cannot_be_written(tmp_path: Path):
    """A folder that is not there ends in one sentence that names it, and leaves nothing behind."""
    with pytest.raises(UsageFault, match=r"nowhere/2018\.json cannot be written \(No such file or directory\)"):
        write_whole(tmp_path / "nowhere" / "2018.json", "x")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        pytest.param(["--year", "2018", "--format", "xlsx"], "'text', 'json', 'csv'", id="format of a later version"),
        pytest.param(["--year", "18"], "2000<=x<=2148", id="year"),
        pytest.param(["--year", "2018", "--as-known-on", "31-03-2019"], "is no day: write 2019-03-31", id="day"),
        pytest.param(["--year", "2018", "--as-known-on", "2019-03-31T25:00"], "is no day", id="time"),
        pytest.param([], "Missing option '--year'", id="no year"),
    ],
)
def test_usage(arguments: list[str], words: str):
    """A wrong option is a usage error that says what would be right."""
    result = CliRunner().invoke(root, ["report", *arguments])
    assert result.exit_code == 2
    assert words in result.stderr


def test_help_shows_an_example():
    """--help shows an example and the formats."""
    result = CliRunner().invoke(root, ["report", "--help"])
    assert "clustertrack report --year 2018 --as-known-on 2019-03-31 --format json" in result.stdout
    assert "|".join(FORMATS) in result.stdout


@pytest.mark.integration
def test_not_migrated(environment: dict[str, str]):
    """An empty database ends with exit code 1 and names what to do."""
    result = CliRunner().invoke(root, ["report", "--year", "2018"], env=environment)
    assert isinstance(result.exception, CheckFailed)
    assert "clustertrack migrate" in str(result.exception)
