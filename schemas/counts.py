"""Numbers as people read them."""


def number(value: int) -> str:
    """Digits in groups of three with commas, in every locale: 6,868."""
    return f"{value:,}"


def counted(value: int, noun: str, nouns: str | None = None) -> str:
    """A number with its noun: 1 company, 6,868 companies; `nouns` is the plural where it is not `noun` with an s."""
    return f"{number(value)} {one_or_many(value, noun, nouns or f'{noun}s')}"


def one_or_many(value: int, one: str, many: str) -> str:
    """The word that goes with a number: 1 row *was* refused, 2 rows *were*."""
    return one if value == 1 else many
