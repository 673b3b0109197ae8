"""Every code with which a record of any topic can be rejected, and what it means."""

from collections.abc import Mapping
from typing import Final

from schemas import company, faults, keys, registry_document

MEANINGS: Final[Mapping[str, str]] = {**keys.CODES, **registry_document.CODES, **company.CODES, **faults.CODES}
"""Code -> meaning, of events, the register, the registry and keys."""
