"""`clustertrack report`: the annual statistics as text, JSON or CSV."""

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Final

import click

from clustertrack.settings import load_settings
from reports.annual import annual_report, cluster_names, published_mapping
from reports.as_known import FIRST_YEAR, LAST_YEAR
from reports.table import annual_csv
from reports.text import WIDTH, annual_text
from schemas import own_files
from schemas.errors import UsageFault
from schemas.event_time import COPENHAGEN
from schemas.screen import note_reached, say, show, width_of_results
from schemas.visible import json_text
from sinks.clickhouse import open_ledger

FORMATS: Final = ("text", "json", "csv")


class DayOrInstant(click.ParamType):
    """An ISO 8601 day, or a time; in Copenhagen where no zone is given."""

    name = "day"

    def convert(  # noqa: D102  (click's own)
        self,
        value: Any,  # noqa: ANN401  (click's own)
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> date | datetime:
        try:
            if len(value) == len("2019-03-31"):
                return date.fromisoformat(value)
            found = datetime.fromisoformat(value)
            return (found if found.tzinfo else found.replace(tzinfo=COPENHAGEN)).astimezone(UTC)
        except (ValueError, OverflowError):
            self.fail(f"{value!r} is no day: write 2019-03-31, or a time such as 2019-03-31T14:05:00", param, ctx)


@click.command(
    epilog="\b\nExamples:\n  clustertrack report --year 2018\n"
    "  clustertrack report --year 2018 --as-known-on 2019-03-31 --format json"
)
@click.option("--year", type=click.IntRange(FIRST_YEAR, LAST_YEAR), required=True, help="Calendar year of the figures.")
@click.option(
    "--as-known-on",
    type=DayOrInstant(),
    metavar="DAY",
    help="Count only what was known by the end of DAY in Copenhagen, such as 2019-03-31; or by a time in the past, "
    "such as 2019-03-31T14:05 (in Copenhagen) or 2019-03-31T12:05Z.",
)
@click.option("--format", "format_", type=click.Choice(list(FORMATS)), default="text", show_default=True)
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write to FILE (UTF-8) instead of standard output; an existing file is replaced.",
)
def command(year: int, as_known_on: date | datetime | None, format_: str, out: Path | None) -> None:
    """Print the annual statistics: companies helped, and companies with each outcome.

    Text fits the terminal; in a pipe or a file it has up to 120 columns.
    """
    settings = load_settings()
    note_reached("nothing was printed")
    now = datetime.now(UTC)
    with open_ledger(settings.clickhouse.connection()) as client:
        report = annual_report(client, year, now=now, mapping=published_mapping(), as_known_on=as_known_on)
        names = cluster_names(client, now=now, as_known_on=as_known_on)
    if format_ == "json":
        text = json_text(report.as_json())
    elif format_ == "csv":
        text = annual_csv(report)
    else:
        text = annual_text(report, names, WIDTH if out else width_of_results())
    if out is None:
        show(text)
        return
    write_whole(out, text)
    say(f"wrote {out}", err=True)


def write_whole(path: Path, text: str) -> None:
    """Write a text file so that it is there whole or as it was before. Raises UsageFault where that is not possible."""
    try:
        # Figures are no secret: the umask decides who may read them.
        own_files.write_whole(path, text.encode(), mode=0o666)
    except OSError as error:
        raise UsageFault(f"{path} cannot be written ({error.strerror}): choose another place with --out.") from error
