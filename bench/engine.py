"""A ClickHouse server of a measurement's own, in a temporary folder."""

import contextlib
import subprocess
import sys
import tempfile
from collections.abc import Iterator


@contextlib.contextmanager
def engine(python: str = sys.executable) -> Iterator[tuple[int, int]]:
    """Its port on 127.0.0.1 and its process id, for as long as the block lasts."""
    with tempfile.TemporaryDirectory(prefix="clustertrack-engine-") as folder:
        command = [python, "-m", "clustertrack.local.clickhouse", "--without-password", "--path", f"{folder}/data"]
        with subprocess.Popen([*command, "--port", "0"], stdout=subprocess.PIPE, text=True) as server:
            try:
                line = server.stdout.readline() if server.stdout else ""
                yield int(line.rpartition(":")[2]), server.pid
            finally:
                server.terminate()
