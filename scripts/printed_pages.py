"""Prints what the code defines into the pages that list it: settings, the fields of an event, and the contract.

The settings are in deploy/settings.env.example and in a table of docs/operators.md; the texts of an event that nothing
counts, and the fields of a mapping, are in docs/crm-teams.md; docs/contract has schemas and examples of events
(`scripts/contract.py`), and the topics (`scripts/contract_topics.py`). Without an option it writes all of them.
`--check` writes nothing; it names the pages that differ and exits with 1.
"""

import argparse
import re
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import contract
import contract_topics
from pydantic import SecretStr

from clustertrack.settings import GROUPS
from schemas.envelope import DETAILS
from sources.files.mapping import FIELDS

ROOT: Final = Path(__file__).parents[1]
EXAMPLE: Final = ROOT / "deploy" / "settings.env.example"
OPERATORS: Final = ROOT / "docs" / "operators.md"
CRM_TEAMS: Final = ROOT / "docs" / "crm-teams.md"
WIDTH: Final = 119
TABLE: Final = re.compile(r"^\| variable \| default \| meaning \|\n(?:\|.*\n)+", re.MULTILINE)
TEXTS: Final = re.compile(r"^\| [^|]+ \| optional \| over 500 characters \|$", re.MULTILINE)
LISTED: Final = re.compile(r"^The fields are [^.]+\.$", re.MULTILINE)
LINK: Final = re.compile(r"\[([^]]*)\]\([^)]*\)")


def main(arguments: list[str] | None = None) -> int:
    """Write the pages, or check whether they are up to date."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 when a page differs")
    check = parser.parse_args(arguments).check
    wanted: dict[Path, str | None] = {
        EXAMPLE: example(),
        OPERATORS: with_table(OPERATORS.read_text(encoding="utf-8")),
        CRM_TEAMS: with_fields(CRM_TEAMS.read_text(encoding="utf-8")),
        **dict(contract.files()),
        contract_topics.FILE: contract_topics.asyncapi(),
    }
    wanted |= {path: None for path in contract.FOLDER.glob("*") if path not in wanted}
    differing = [path for path, text in wanted.items() if text != _text_of(path)]
    for path in differing:
        text = wanted[path]
        if check:
            pass
        elif text is None:  # of a type that is no more
            path.unlink()
        else:
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
        print(f"{path.relative_to(ROOT)} {'differs: run scripts/printed_pages.py' if check else 'written'}")
    return 1 if check and differing else 0


def _text_of(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.exists() else None


def settings() -> Iterator[tuple[str, str, str]]:
    """Variable, default and meaning of every setting."""
    for group in GROUPS:
        for name, field in group.model_fields.items():
            if not field.description:
                raise ValueError(f"{group.__name__}.{name} has no description")
            yield group.variable(name), shown(field.default), field.description


def shown(default: Any) -> str:  # noqa: ANN401  (of any setting)
    """A default as the value of a variable; empty for none."""
    if isinstance(default, SecretStr):
        default = default.get_secret_value()
    if isinstance(default, bool):
        return str(default).lower()
    return "" if default is None else str(default)


def with_table(page: str) -> str:
    """The page with the table of all settings in place of the one that it has."""
    lines = ["| variable | default | meaning |", "|---|---|---|"]
    for variable, default, meaning in settings():
        lines.append(f"| `{variable}` | {f'`{default}` ' if default else ''}| {meaning} |")
    return replaced(TABLE, "\n".join([*lines, ""]), page)


def with_fields(page: str) -> str:
    """The page with the texts that an event may have, and the fields that a mapping may name."""
    texts = ", ".join(f"`data.{name}`" for name in DETAILS if name != "reason")  # which has a row of its own
    *most, last = (f"`{name}`" for name in FIELDS)
    page = replaced(TEXTS, f"| {texts} | optional | over 500 characters |", page)
    return replaced(LISTED, f"The fields are {', '.join(most)} and {last}.", page)


def replaced(pattern: re.Pattern[str], text: str, page: str) -> str:
    """The page with a text in the one place that the pattern finds; ValueError when there is not exactly one."""
    page, found = pattern.subn(lambda _: text, page)
    if found != 1:
        raise ValueError(f"{pattern.pattern} is found {found} times instead of once")
    return page


def example() -> str:
    """Every setting with its default, as a file of variables."""
    secrets = " and ".join(f"{group.variable(group.SECRET)}_FILE" for group in GROUPS if group.SECRET)
    lines = [
        "# Every setting of clustertrack with its default. Copy what differs on your side into the environment of the",
        f"# process. Secrets can be files instead: {secrets}. Empty means: the default.",
        "# Printed by scripts/printed_pages.py.",
    ]
    described = {variable: (default, meaning) for variable, default, meaning in settings()}
    for group in GROUPS:
        lines += ["", f"# --- {group.__doc__} ".ljust(WIDTH, "-")]
        for name in group.model_fields:
            variable = group.variable(name)
            default, meaning = described[variable]
            plain = LINK.sub(r"\1", meaning).replace("**", "")
            lines += textwrap.wrap(plain, WIDTH, initial_indent="# ", subsequent_indent="# ")
            lines.append(f"{variable}={default}")
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    sys.exit(main())
