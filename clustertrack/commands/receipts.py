"""`clustertrack receipts`: what became of one event, or of one activity."""

from typing import Final

import click

from clustertrack.settings import load_settings
from reports.layout import fitted, prose
from reports.receipts.answer_model import Answer, Carried
from reports.receipts.answers import of_activity, of_event
from reports.receipts.sentences import sentence
from schemas.errors import UsageFault
from schemas.event_time import COPENHAGEN
from schemas.screen import show, width_of_results
from schemas.visible import Lines, json_lines, stacked, visible
from sinks.clickhouse import open_ledger

_TITLES: Final = ("received in Denmark", "status", "event", "record")


@click.command(
    epilog="\b\nExamples:\n  clustertrack receipts --source https://crm.foodbio.example --id 4711-3\n"
    "  clustertrack receipts --source https://crm.foodbio.example --activity WS-113/13748136 --json"
)
@click.option("--source", required=True, metavar="URI", help="Source of the event, as it was sent.")
@click.option("--id", "event_id", metavar="ID", help="Id of the event.")
@click.option("--activity", "activity_id", metavar="ID", help="activity_id, or the id of an event without one.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(source: str, event_id: str | None, activity_id: str | None, *, as_json: bool) -> None:
    """Say what became of an event or an activity: counted and how, repeated, corrected, retracted, or rejected and why.

    The answer rests on the ledger: `clustertrack status` says whether records wait to be read.
    """
    settings = load_settings()
    with open_ledger(settings.clickhouse.connection()) as client:
        if event_id is not None and activity_id is None:
            answer = of_event(client, [source], source, event_id)
        elif activity_id is not None and event_id is None:
            answer = of_activity(client, [source], source, activity_id)
        else:
            raise UsageFault("Give one of --id and --activity: the id of an event, or that of an activity.")
    show(
        json_lines({"sentence": sentence(answer), **answer.as_dict()}) if as_json else _text(answer, width_of_results())
    )


def _text(answer: Answer, width: int) -> Lines:
    """The sentence, and a line for each record that is known."""
    carried: list[tuple[Carried, str]] = [
        *((one, version.event_id) for version in answer.versions for one in version.records),
        *((one.record, one.event_id) for one in answer.rejected),
    ]
    rows = [
        (f"{one.log_time.astimezone(COPENHAGEN):%Y-%m-%d %H:%M:%S}", one.status, event_id, str(one.place))
        for one, event_id in sorted(carried, key=lambda pair: pair[0].log_time)
    ]
    said = prose(visible(sentence(answer)), width)
    return stacked([said, fitted([_TITLES, *rows], width, texts=len(_TITLES))] if rows else [said], between=1)
