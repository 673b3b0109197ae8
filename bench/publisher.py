"""Events a second of `clustertrack publish` from a CSV file: bench/publish_csv.py against a Kafka of its own.

scripts/bench --only publisher [--megabytes 50]
"""

import argparse
import json
import os
import subprocess
from collections.abc import Sequence
from typing import Any

from ground import PYTHON, ROOT, running


def main(arguments: Sequence[str]) -> list[dict[str, Any]]:
    """Returns what that script prints, where ids end with their company and where they do not."""
    parser = argparse.ArgumentParser(prog="scripts/bench --only publisher", description=__doc__)
    parser.add_argument("--megabytes", type=float, default=50)
    options = parser.parse_args(arguments)
    command = [str(PYTHON), str(ROOT / "bench" / "publish_csv.py"), "--megabytes", str(options.megabytes)]
    found = []
    with running() as stack:
        for ids, more in (("end with their company", []), ("do not", ["--shared-ids"])):
            done = subprocess.run(
                [*command, *more],
                env={**os.environ, **stack.environment},
                capture_output=True,
                text=True,
                check=True,
            )
            found.append({"activity ids": ids, **json.loads(done.stdout.strip().splitlines()[-1])})
    return found
