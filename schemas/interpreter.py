"""What the product needs of the Python that runs it; every entry asks first."""

from schemas.errors import UsageFault


class AssertsRemoved(UsageFault):
    """Python was started with -O or PYTHONOPTIMIZE."""


def require_asserts() -> None:
    """Raise AssertsRemoved where Python leaves asserts out: kafka-python reads Kafka's answers inside of them."""
    if not __debug__:
        raise AssertsRemoved(
            "Python runs without asserts (PYTHONOPTIMIZE or -O), and the Kafka client cannot work without them: "
            "unset PYTHONOPTIMIZE, and start without -O"
        )
