"""What the published figures are called, and which event proves which of them.

That attendance at a workshop proves a new competency is a convention, not a fact: an outcome that the event states is
*reported*, one that follows from `DERIVED` is *derived*, and the basis is kept with every outcome. A new mapping is a
new `PIPELINE_VERSION` with its own release instant; reports as known before that instant do not change.

CONTRIBUTING.md shows what a new type of event and a new outcome take.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Final

TYPE_PREFIX: Final = "org.clustertrack."
TYPE_SUFFIX: Final = ".v1"

HELPED: Final = "helped"
"""The base figure: companies with any activity. It is no outcome and never derived."""

OUTCOMES: Final = ("new_competencies", "new_ideas", "new_products")
"""Outcomes in the order in which they are published."""

DERIVED: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "company.joined": (),
        "workshop.attended": ("new_competencies",),
        "project.started": ("new_ideas",),
        "product.launched": ("new_products",),
        "activity.retracted": (),
    }
)
"""Type of event -> outcomes that follow from it, in the order of `OUTCOMES`, when the event does not state them."""

EVENT_TYPES: Final = tuple(DERIVED)
"""Short names; on the wire `TYPE_PREFIX + name + TYPE_SUFFIX`."""

PIPELINE_VERSION: Final = 1
"""Number of this mapping and of the worker code that applies it; 1 to 255 (8 bits of the revision)."""

PIPELINE_RELEASED: Final = datetime(2026, 11, 1, tzinfo=UTC)
"""Release of `PIPELINE_VERSION`: nothing that this version wrote was known before, whenever its record had arrived."""

LABELS: Final[Mapping[str, str]] = MappingProxyType(
    {
        HELPED: "companies helped",
        "new_competencies": "new competencies and tools",
        "new_ideas": "new ideas",
        "new_products": "new products, services or processes",
    }
)
"""Figure -> its published name, in the order of publication."""
