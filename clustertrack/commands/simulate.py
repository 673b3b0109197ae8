"""`clustertrack simulate`: synthetic clusters, companies and activity, and the truth that must come out of them."""

import json
import sys
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from clustertrack.settings import load_settings
from schemas.errors import UsageFault
from sources.simulator.build import STAGES, simulate
from sources.simulator.raw import publish_raw, read_raw
from sources.simulator.scenario import SCENARIOS
from streams.topics import EVENTS

_DEFAULT_SEED = 2018


@click.command(epilog="Example: clustertrack simulate --scenario published --out demo-data")
@click.option(
    "--scenario", type=click.Choice(sorted(SCENARIOS)), help="What to write; `published`: the figures of 2018."
)
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), help="Folder for the files.")
@click.option("--seed", type=int, default=_DEFAULT_SEED, show_default=True, help="The same one gives the same bytes.")
@click.option(
    "--raw-publish",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Send DIR/raw.jsonl to Kafka with a plain producer: no key, wrong keys, CRC32 partitions.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the figures, or the number sent, as JSON.")
def command(scenario: str | None, out: Path | None, seed: int, raw_publish: Path | None, as_json: bool) -> None:
    """Write synthetic clusters, companies and activity of 2017-2019, with the truth that must come out.

    No company in the files exists. They hold what CRM exports hold: duplicates, corrections, retractions, disorder,
    invalid records. With --raw-publish: send the records that go around `publish`.
    """
    if raw_publish is not None:
        if scenario is not None or out is not None:
            raise UsageFault("--raw-publish stands alone: write the files first, then send raw.jsonl")
        _send(raw_publish, as_json=as_json)
        return
    if scenario is None or out is None:
        raise UsageFault("give --scenario and --out, or --raw-publish; see clustertrack simulate --help")
    with _bar() as bar:
        task = bar.add_task("simulate", total=STAGES)

        def progress(stage: str) -> None:
            bar.update(task, description=stage, advance=1)
            _plain(stage)

        truth = simulate(SCENARIOS[scenario], out, seed, progress)
        bar.update(task, completed=STAGES)
    if as_json:
        click.echo(json.dumps({"out": str(out), "records": truth["records"], "years": truth["years"]}))
        return
    figure = truth["years"]["2018"]["helped"]["companies"]
    records = sum(truth["records"].values())
    click.echo(
        f"{out}: {records:,} synthetic records; companies helped in 2018: {figure:,}; the truth is in truth.json"
    )


def _send(path: Path, *, as_json: bool) -> None:
    settings = load_settings()
    with _bar() as bar:
        total = sum(1 for _ in read_raw(path))
        task = bar.add_task(path.name, total=total)
        _plain(f"sending {total:,} records of {path}")
        client = settings.kafka_client_config()
        number = publish_raw(path, EVENTS, client, lambda done: bar.update(task, completed=done))
    click.echo(json.dumps({"file": str(path), "sent": number}) if as_json else f"{path}: {number:,} records sent")


def _bar() -> Progress:
    """A bar on a terminal; elsewhere nothing, `_plain` writes lines instead."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=Console(stderr=True), disable=not sys.stderr.isatty(), transient=True)


def _plain(line: str) -> None:
    if not sys.stderr.isatty():
        click.echo(line, err=True)
