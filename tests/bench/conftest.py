"""The benchmark is not a package: its modules find each other in one folder, as when it runs."""

import sys
from pathlib import Path

# After everything else: what the tests share has the same names.
sys.path.append(str(Path(__file__).parents[2] / "bench"))
