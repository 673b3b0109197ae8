"""What a worker's allocators keep is bounded."""

import subprocess
import sys

import pytest

PROGRAM = """
import pathlib, sys
import pyarrow as pa
from clustertrack import allocators

if sys.argv[1] == "bound":
    allocators.bound()
print(pa.default_memory_pool().backend_name)
large = b"x" * 31_000_000
del large
blocks = [b"x" * 1_000_000 for _ in range(55)]
del blocks
print(int(pathlib.Path("/proc/self/statm").read_text().split()[1]) * 4096 // 1_000_000)
"""


def kept(how: str) -> tuple[str, int]:
    """Arrow's pool, and resident megabytes after 55 were freed."""
    done = subprocess.run([sys.executable, "-c", PROGRAM, how], capture_output=True, text=True, check=True, timeout=60)
    pool, megabytes = done.stdout.split()
    return pool, int(megabytes)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_freed_memory_is_given_back() -> None:
    """Once a large block was freed, glibc keeps tens of megabytes of smaller ones, unless it is told not to."""
    pool, megabytes = kept("bound")
    assert pool == "system"
    assert megabytes < kept("not bound")[1] - 30


@pytest.mark.parametrize(("how", "loaded"), [("allocators.bound()", False), ("", True)])
def test_pandas_stays_out(how: str, loaded: bool) -> None:
    """Arrow imports it with its first column, where it is installed; a worker has no use for it."""
    program = f"import sys\nimport pyarrow as pa\nfrom clustertrack import allocators\n{how}\npa.array(['a'])\n"
    done = subprocess.run(
        [sys.executable, "-c", program + "print(sys.modules.get('pandas') is not None)"],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stdout.strip() == str(loaded)
