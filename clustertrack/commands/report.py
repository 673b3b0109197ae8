"""`clustertrack report`: the annual statistics as text, JSON or CSV."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Final

import click

from clustertrack.settings import load_settings
from reports.annual import annual_report, published_mapping
from reports.as_known import COPENHAGEN, FIRST_YEAR, LAST_YEAR
from reports.model import AnnualReport
from reports.table import annual_csv
from reports.text import annual_text
from schemas import own_files
from schemas.errors import UsageFault
from schemas.screen import say, show
from schemas.visible import Lines, json_text
from sinks.clickhouse import open_ledger

FORMATS: Final[dict[str, Callable[[AnnualReport], Lines]]] = {
    "text": annual_text,
    "json": lambda report: json_text(report.as_json()),
    "csv": annual_csv,
}


@click.command(
    epilog="\b\nExamples:\n  clustertrack report --year 2018\n"
    "  clustertrack report --year 2018 --as-known-on 2019-03-31 --format json"
)
@click.option("--year", type=click.IntRange(FIRST_YEAR, LAST_YEAR), required=True, help="Calendar year of the figures.")
@click.option(
    "--as-known-on",
    type=click.DateTime(["%Y-%m-%d"]),
    metavar="DAY",
    help="Count only what was known by the end of DAY in Copenhagen; a day that has ended, such as 2019-03-31.",
)
@click.option("--format", "format_", type=click.Choice(list(FORMATS)), default="text", show_default=True)
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write to FILE (UTF-8) instead of standard output; an existing file is replaced.",
)
def command(year: int, as_known_on: datetime | None, format_: str, out: Path | None) -> None:
    """Print the annual statistics: companies helped, new competencies, new ideas, new products."""
    settings = load_settings()
    today = datetime.now(COPENHAGEN).date()
    with open_ledger(settings.clickhouse.connection()) as client:
        report = annual_report(
            client,
            year,
            today=today,
            mapping=published_mapping(),
            as_known_on=as_known_on.date() if as_known_on else None,
        )
    text = FORMATS[format_](report)
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
