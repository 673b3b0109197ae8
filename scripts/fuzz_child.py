"""One target of scripts/fuzz under libFuzzer, in a process of its own.

Arguments: the target, a folder, a module that plants a fault or `-`, and libFuzzer's options.

The folder holds the inputs to begin with and takes those that reach new code.
"""

import importlib
import sys
from hashlib import sha256
from pathlib import Path
from typing import Final

import atheris

ROOT: Final = Path(__file__).resolve().parent.parent
WATCHED: Final = ("schemas", "streams", "brokers", "sinks")
"""Packages whose code guides the search. What is compiled (pydantic's core, Arrow) gives no guidance."""


def main() -> None:
    """Fuzz until libFuzzer's options say that it is over, or an input shows a fault."""
    name, folder, planted, *options = sys.argv[1:]
    # Not the folder of this script: what is fuzzed is found as an installed package, or by PYTHONPATH.
    sys.path[0] = str(ROOT / "tests" / "support")
    # atheris's hook for regular expressions fails at patterns of bytes; the mutator knows texts that match.
    with atheris.instrument_imports(include=[*WATCHED, "planted"]):
        from fuzzing.mutating import Mutator  # noqa: PLC0415  (imports what is watched)
        from fuzzing.targets import TARGETS  # noqa: PLC0415  (the same)

        if planted != "-":
            _import(Path(planted))
    target = TARGETS[name]
    prefix = next(option.partition("=")[2] for option in options if option.startswith("-artifact_prefix="))

    def check(data: bytes) -> None:
        """Keeps the input first: libFuzzer does so at the end of the process, which not every fault lets it reach."""
        try:
            target.check(data)
        except Exception:  # any fault that a target shows
            Path(f"{prefix}{sha256(data).hexdigest()[:16]}").write_bytes(data)
            raise

    mutator = Mutator(target.seeds(), lambda data: atheris.Mutate(data, len(data) + 64))
    arguments = [sys.argv[0], *options, folder]
    atheris.Setup(arguments, check, custom_mutator=mutator.mutate)
    atheris.Fuzz()


def _import(path: Path) -> None:
    """A fault that is planted to check that it is found: a module that replaces something."""
    sys.path.insert(1, str(path.parent))
    importlib.import_module("planted")


if __name__ == "__main__":
    main()
