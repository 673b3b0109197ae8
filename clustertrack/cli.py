"""The command line. Each verb lives in `clustertrack.commands` and is imported only when it is called."""

import importlib
import os
import warnings
from typing import Final, NoReturn

import click

from clustertrack import __version__
from clustertrack.former_settings import GONE
from schemas import screen

VERBS: Final = {
    "up": "Run the whole pipeline on this machine: Kafka, ClickHouse, collector, workers.",
    "migrate": "Create or check the Kafka topics and the ClickHouse schema.",
    "worker": "Run one worker: Kafka -> checked, deduplicated, enriched -> ledger.",
    "collector": "Take events of CRMs over HTTP, and publish them.",
    "publish": "Send activity from CSV, Excel or JSON lines files to Kafka.",
    "companies": "Load the company register.",
    "registry": "Load the registry of clusters and institutions.",
    "keys": "Create, list and revoke keys of the HTTP collector.",
    "simulate": "Write synthetic clusters, companies and activity.",
    "status": "Show lag and receipts; wait until all is counted.",
    "report": "Print the annual statistics.",
    "receipts": "Say what became of an event or an activity.",
    "rejected": "List, show, replay and discard rejected records.",
    "reconcile": "Prove that every Kafka record is accounted for.",
}


class _Verbs(click.Group):
    """Finds a verb's module by its name, so that `--help` stays fast and one verb's imports burden no other."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        if cmd_name not in VERBS:
            return None
        module = importlib.import_module(f"clustertrack.commands.{cmd_name}")
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl(list(VERBS.items()))


@click.command(cls=_Verbs, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="clustertrack")
def root() -> None:
    """Count the companies that business clusters help.

    Settings come from the environment (KAFKA_BOOTSTRAP_SERVERS, CLICKHOUSE_HOST, CLUSTERTRACK_...); the defaults fit
    the stack that `clustertrack up` starts.

    Exit codes: 0 fine, 1 the check failed, 2 usage, 3 a service could not be reached, 130 stopped with Ctrl-C.
    """
    screen.take_interrupts()
    if still_set := [name for name in GONE if os.environ.get(name)]:
        screen.say(
            f"{' and '.join(still_set)}: no longer read. Put clusters and institutions into one file like "
            "examples/registry.toml, and run `clustertrack registry load FILE`.",
            err=True,
        )


def main() -> NoReturn:
    """Entry point of the console script: errors of ours become one sentence and their exit code."""
    # Warnings are for those who develop libraries: PYTHONWARNINGS=error would end a verb with one.
    warnings.simplefilter("ignore")
    screen.run(root, "clustertrack")
