"""The libraries that unpack what publishers compress.

Publishers choose the codec of their records, and so do the settings of a topic or a broker. A reader that cannot unpack
one batch reads nothing behind it, so commands that read Kafka ask here before they begin. gzip is a part of Python.
"""

from importlib import import_module
from typing import Final

from schemas.errors import UsageFault

PACKAGES: Final = {
    "cramjam": "cramjam",
    "lz4.frame": "lz4",
    "snappy": "python-snappy",
    "zstandard": "zstandard",
}
"""Module -> the package that brings it: the first is what aiokafka reads with, the others are kafka-python's."""


class CodecsMissing(UsageFault):
    """A library that unpacks compressed records is not installed; `packages` names those that are missing."""

    def __init__(self, packages: list[str]) -> None:
        super().__init__(
            f"Compressed records of Kafka cannot be read without {' and '.join(packages)}: "
            f"run pip install {' '.join(packages)}, then repeat the command."
        )
        self.packages = packages


def missing_codecs() -> list[str]:
    """Packages that cannot be imported here, of those that all codecs of Kafka need."""
    return [package for module, package in PACKAGES.items() if not _works(module)]


def require_codecs() -> None:
    """Make sure that every codec can be read. Raises CodecsMissing."""
    if packages := missing_codecs():
        raise CodecsMissing(packages)


def _works(module: str) -> bool:
    try:
        import_module(module)
    except ImportError:
        return False
    return True
