"""`clustertrack simulate`: synthetic clusters, companies and activity, and the truth that must come out of them."""

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Final

import click

from brokers.topics import EVENTS
from clustertrack.progress import Reached, bar
from clustertrack.settings import load_settings
from clustertrack.simulator.build import STAGES, simulate
from clustertrack.simulator.raw import publish_raw, read_raw
from clustertrack.simulator.scenario import SCENARIOS
from schemas.counts import counted
from schemas.errors import UsageFault
from schemas.screen import is_terminal, note_reached, say, show
from schemas.visible import json_lines

_DEFAULT_SEED: Final = 2018


@click.command(epilog="Example: clustertrack simulate --scenario published --out demo-data")
@click.option(
    "--scenario",
    type=click.Choice(sorted(SCENARIOS)),
    help="What to write; `published` gives the published figures of 2018.",
)
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), help="Folder for the files.")
@click.option("--seed", type=int, default=_DEFAULT_SEED, show_default=True, help="The same seed gives identical files.")
@click.option(
    "--raw-publish",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Send DIR/raw.jsonl to Kafka with a plain producer: no key, wrong keys, CRC32 partitions.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the figures, or the number sent, as JSON.")
def command(scenario: str | None, out: Path | None, seed: int, raw_publish: Path | None, as_json: bool) -> None:
    """Write synthetic clusters, companies and activity of 2017-2019, with the figures that must result.

    No company in the files exists. Like CRM exports they contain duplicates, corrections, retractions, records out of
    order and invalid ones. With --raw-publish, send the records that go around `publish`.
    """
    if raw_publish is not None:
        if scenario is not None or out is not None:
            raise UsageFault(
                "--raw-publish cannot be combined with --scenario or --out: write the files first, then send raw.jsonl"
            )
        _send(raw_publish, as_json=as_json)
        return
    if scenario is None or out is None:
        raise UsageFault("give --scenario and --out, or --raw-publish; see clustertrack simulate --help")
    with _shown("simulate", STAGES) as reached:
        done = 0

        def progress(stage: str) -> None:
            nonlocal done
            note_reached(f"{done} of {STAGES} steps are done")
            done += 1
            reached(done, STAGES, stage)
            _plain(stage)

        truth = simulate(SCENARIOS[scenario], out, seed, progress)
    if as_json:
        show(json_lines({"out": str(out), "records": truth["records"], "years": truth["years"]}))
        return
    figure = truth["years"]["2018"]["helped"]["companies"]
    records = sum(truth["records"].values())
    say(f"{out}: {records:,} synthetic records; companies helped in 2018: {figure:,}; the truth is in truth.json")


def _send(path: Path, *, as_json: bool) -> None:
    settings = load_settings()
    total = sum(1 for _ in read_raw(path))
    with _shown(path.name, total) as reached:
        _plain(f"sending {counted(total, 'record')} of {path}")

        def progress(number: int) -> None:
            note_reached(f"{number:,} of {counted(total, 'record')} sent")
            reached(number)

        sent = publish_raw(path, EVENTS, settings.kafka.connection(), progress)
    if as_json:
        show(json_lines({"file": str(path), "sent": sent}))
    else:
        say(f"{path}: {counted(sent, 'record')} sent")


def _shown(what: str, total: int) -> AbstractContextManager[Reached]:
    """A bar on a terminal; elsewhere nothing, `_plain` writes lines instead."""
    return bar(what, total, "records") if is_terminal() else nullcontext(lambda *_: None)


def _plain(line: str) -> None:
    if not is_terminal():
        say(line, err=True)
