"""Settings that went: `clustertrack.cli` says what to do instead, and `clustertrack.settings` nothing more."""

from typing import Final

GONE: Final = ("CLUSTERTRACK_CLUSTERS", "CLUSTERTRACK_INSTITUTIONS")
"""Variables that named files of reference data, which workers now read from Kafka."""
