"""What a child of `clustertrack up` sees of the user's environment: an allow-list; everything else stays out.

A variable that someone set for another program must not change what ours do: PYTHONOPTIMIZE takes the asserts out of
kafka-python, JAVA_TOOL_OPTIONS starts agents in Kafka, HTTP_PROXY, PYTHONPATH and LD_PRELOAD reach every library.
"""

from collections.abc import Collection, Mapping
from typing import Final

KEPT: Final = frozenset({"PATH", "HOME", "USER", "LOGNAME", "TMPDIR", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH"})
"""What a program needs to find its files. The library paths are how this Python was loaded, where it needs them."""

FIXED: Final[Mapping[str, str]] = {"LC_ALL": "C.UTF-8", "TZ": "UTC"}
"""The same everywhere: in another locale Java cannot open a folder with a Danish letter in its name, and logs of
several processes are compared by their times."""

PYTHON: Final[Mapping[str, str]] = {"PYTHONUNBUFFERED": "1", "PYTHONUTF8": "1", "PYTHONSAFEPATH": "1"}
"""For children in Python: a log that is written at once, in UTF-8, and no modules from the folder of the shell."""


def child_environment(
    environ: Mapping[str, str], own: Mapping[str, str | None], passed: Collection[str] = ()
) -> dict[str, str]:
    """The whole environment of a child.

    Args:
        environ: the environment of this process.
        own: what is set for the child; a value of None removes a variable.
        passed: documented variables of the product that this child reads itself. Kafka reads none.
    """
    kept = {name: environ[name] for name in (*KEPT, *passed) if name in environ}
    return {name: value for name, value in {**kept, **FIXED, **own}.items() if value is not None}
