"""Numbers of plain text."""


def number(value: int) -> str:
    """Digits in groups of three with commas, in every locale: 6,868."""
    return f"{value:,}"
