"""The benchmark is no package: its modules are found beside each other, as when it runs."""

import sys
from pathlib import Path

# Behind everything else: what the tests share has the same names.
sys.path.append(str(Path(__file__).parents[2] / "bench"))
