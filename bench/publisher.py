"""Events a second of `clustertrack publish` from a CSV file: bench/publish_csv.py against a Kafka of its own.

scripts/bench --only publisher [--megabytes 50]
"""

import argparse
import json
import os
import subprocess
from collections.abc import Sequence
from typing import Any

from stack import PYTHON, ROOT, running


def main(arguments: Sequence[str]) -> dict[str, Any]:
    """Returns what that script prints."""
    parser = argparse.ArgumentParser(prog="scripts/bench --only publisher", description=__doc__)
    parser.add_argument("--megabytes", type=float, default=50)
    options = parser.parse_args(arguments)
    with running() as stack:
        done = subprocess.run(
            [PYTHON, ROOT / "bench" / "publish_csv.py", "--megabytes", str(options.megabytes)],
            env={**os.environ, **stack.environment("impact")},
            capture_output=True,
            text=True,
            check=True,
        )
    figures: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return figures
