"""Refuses to read Kafka without the libraries that unpack what publishers compress.

Publishers choose the codec of their records, and so do the settings of a topic or a broker. A reader that cannot unpack
one batch reads nothing after it, so commands that read Kafka check here before they begin.
"""

from brokers.unpacking import missing_packages
from schemas.errors import UsageFault


class CodecsMissing(UsageFault):
    """Libraries that unpack compressed records are not installed; `packages` names them."""

    def __init__(self, packages: list[str]) -> None:
        super().__init__(
            f"Compressed records of Kafka cannot be read without {' and '.join(packages)}: "
            f"run pip install {' '.join(packages)}, then repeat the command."
        )
        self.packages = packages


def require_codecs() -> None:
    """Make sure that every codec can be read. Raises CodecsMissing."""
    if packages := missing_packages():
        raise CodecsMissing(packages)
