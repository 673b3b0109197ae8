"""The cluster registry by which records are judged: one function for every command that needs it."""

from clustertrack.settings import Settings
from schemas.clusters import ClusterRegistry


def registry_in_force(settings: Settings) -> ClusterRegistry:
    """The registry that workers with the same settings decide by.

    Raises:
        UsageFault
    """
    return ClusterRegistry.load(settings.worker.clusters)
