"""What the product needs of the Python that runs it; every entry asks first."""

from schemas.errors import UsageFault


def require_asserts() -> None:
    """Raise UsageFault where Python leaves asserts out: kafka-python reads Kafka's answers inside of them."""
    if not __debug__:
        raise UsageFault(
            "Python runs without asserts (PYTHONOPTIMIZE or -O), and Kafka's answers cannot be read then: "
            "unset PYTHONOPTIMIZE, and start without -O"
        )
