"""What is fuzzed: by name, what is called with an input, and the inputs to begin with."""

from collections.abc import Callable
from typing import Final, NamedTuple

from fuzzing import decided, judged, read, seeds


class Target(NamedTuple):
    """One thing that is fuzzed."""

    check: Callable[[bytes], None]
    """Raises where an input shows a fault."""
    seeds: Callable[[], list[bytes]]


TARGETS: Final = {
    "event": Target(judged.event, seeds.events),
    "headers": Target(judged.headers, seeds.events),
    "batch": Target(decided.batch, seeds.events),
    "wire": Target(read.wire_bytes, seeds.wire),
    "register": Target(decided.register, seeds.register),
}
