"""`python -P -m clustertrack.local.clickhouse --path DIR --port N`: the embedded ClickHouse server."""

import asyncio
import os
import resource
import signal
from pathlib import Path
from typing import Final

import click
import uvicorn

from clustertrack.http_server import QuietServer, listen, taken
from clustertrack.local.clickhouse.data_folder import claim, scratch_folder
from clustertrack.local.clickhouse.host_guard import LOOPBACK, Guard, Login
from clustertrack.local.clickhouse.kernel_wall import confine
from clustertrack.local.clickhouse.start import clean_environment, read_logins
from schemas.errors import UsageFault
from schemas.own_folders import set_private_umask
from schemas.screen import run, say
from sources.collector.bounded_protocol import BoundedProtocol

_GRACE_SECONDS: Final = 10
_KEEP_ALIVE_SECONDS: Final = 900
"""Longer than a client keeps an idle connection: it must never send an insert into one that is just being closed."""


@click.command()
@click.option("--path", type=click.Path(path_type=Path), required=True, help="Folder of the data; created if missing.")
@click.option("--port", type=int, required=True, help="Port of the HTTP interface; 0 takes a free one.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to bind; others need a password.")
@click.option("--metrics-port", type=int, help="Port of /metrics and /healthz on 127.0.0.1.")
@click.option("--without-password", is_flag=True, hidden=True, help="Let every local user write, as tests do.")
@click.option(
    "--any-setting", is_flag=True, hidden=True, help="With --without-password: let requests change every setting."
)
def main(path: Path, port: int, host: str, metrics_port: int | None, without_password: bool, any_setting: bool) -> None:
    """Serve the ClickHouse HTTP interface from an embedded engine.

    The password of CLICKHOUSE_USER (`default` unless set) is read from the file that CLICKHOUSE_PASSWORD_FILE names,
    that of `reader`, who can only read, from CLICKHOUSE_READER_PASSWORD_FILE. Without the latter nobody is `reader`.

    \b
    Example:
      CLICKHOUSE_PASSWORD_FILE=secret python -P -m clustertrack.local.clickhouse --path data/clickhouse --port 8123
    """
    logins = read_logins(os.environ, without_password=without_password, any_setting=any_setting)
    clean_environment()
    _serve(path, port, host, metrics_port, logins)


def _serve(path: Path, port: int, host: str, metrics_port: int | None, logins: tuple[Login, ...]) -> None:
    if host not in LOOPBACK and not all(login.password for login in logins):
        raise UsageFault(f"will not listen on {host} without a password; leave --host at 127.0.0.1")
    # The engine keeps a file open for every column it reads.
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    set_private_umask()
    listener = listen(host, port)
    path = path.absolute()
    with claim(path):
        # Before the engine is loaded: it starts threads, which this would not reach.
        confine(path)
        os.environ["TMPDIR"] = scratch_folder(path)
        os.chdir(os.environ["TMPDIR"])
        # Late: loads the engine, which takes a second and needs the folder to be ours.
        from clustertrack.local.clickhouse.metrics import Metrics, serve_metrics
        from clustertrack.local.clickhouse.pool import Pool
        from clustertrack.local.clickhouse.runner import Runner
        from clustertrack.local.clickhouse.server import Server

        pool = Pool(path)
        metrics = Metrics()
        if metrics_port is not None:
            try:
                serve_metrics(metrics, pool.answers, "127.0.0.1", metrics_port)
            except OSError as error:
                raise taken("127.0.0.1", metrics_port, error) from None

        async def serve() -> None:
            runner = Runner(pool, metrics)
            guard = Guard(logins, any_host=host not in LOOPBACK)
            config = uvicorn.Config(
                Server(runner, guard, metrics).app(),
                http=BoundedProtocol,
                lifespan="off",
                ws="none",
                server_header=False,
                access_log=False,
                log_config=None,  # as `schemas.screen.run` sets it up: uvicorn's own writes text unescaped
                log_level="warning",
                timeout_graceful_shutdown=_GRACE_SECONDS,
                timeout_keep_alive=_KEEP_ALIVE_SECONDS,
            )
            bound = listener.getsockname()
            say(f"ClickHouse HTTP interface on http://{bound[0]}:{bound[1]}")
            server = QuietServer(config)
            loop = asyncio.get_running_loop()
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.add_signal_handler(number, server.handle_exit, number, None)
            await server.serve(sockets=[listener])
            if not await runner.close(grace=0):
                # The engine has no way to end a statement that does not want to; nothing acknowledged is lost.
                os._exit(1)

        asyncio.run(serve())
        pool.close()


if __name__ == "__main__":
    run(main, "python -P -m clustertrack.local.clickhouse")
