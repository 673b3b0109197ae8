"""What Click and pydantic find wrong, in our words: one sentence, in the shape of all our errors."""

import re
from collections.abc import Mapping
from typing import Any, Final

import click

from schemas.similar import suggestion

_CLICK: Final = (
    (r"(?P<value>.+) is not a valid (?:integer|integer range)\.", "{value} is not a whole number"),
    (r"(?P<value>.+) is not a valid (?:float|float range)\.", "{value} is not a number"),
    (r"(?P<value>.+) is not in the range (?P<least>\S+)<=x<=(?P<most>\S+)\.", "{value} is not from {least} to {most}"),
    (r"(?P<value>.+) is not in the range x>=(?P<least>\S+)\.", "{value} is less than {least}"),
    (r"(?P<value>.+) is not in the range x<=(?P<most>\S+)\.", "{value} is more than {most}"),
    (r"(?P<value>.+) does not match the format '%Y-%m-%d'\.", "{value} is no day: write 2019-03-31"),
    (r"(?P<value>.+) is not one of (?P<words>.+)\.", "{value} is none of {words}"),
    (r"(?:File|Directory|Path) (?P<value>.+) does not exist\.", "there is no file {value}"),
    (r"File (?P<value>.+) is a directory\.", "{value} is a folder, not a file"),
    (r"Directory (?P<value>.+) is a file\.", "{value} is a file, not a folder"),
    (r"(?:File|Directory|Path) (?P<value>.+) is not (?:readable|writable)\.", "{value} may not be used by you"),
)
"""Click's message about a value -> ours. Its other messages are ours already, or stay as they are."""

_PYDANTIC: Final = {
    "missing": "it is missing",
    "extra_forbidden": "there is no such key",
    "int_parsing": "it is not a whole number",
    "int_type": "it is not a whole number",
    "int_from_float": "it is not a whole number",
    "float_parsing": "it is not a number",
    "bool_parsing": "it is neither true nor false",
    "bool_type": "it is neither true nor false",
    "string_type": "it is not a text",
    "date_type": "it is not a day",
    "tuple_type": "it is not a list",
    "list_type": "it is not a list",
    "dict_type": "it is not a table",
    "greater_than_equal": "it is less than {ge}",
    "less_than_equal": "it is more than {le}",
    "greater_than": "it is not more than {gt}",
    "less_than": "it is not less than {lt}",
    "literal_error": "it is none of {expected}",
    "string_pattern_mismatch": "it may only be what fits {pattern}",
    "string_too_short": "it has fewer characters than {min_length}",
    "string_too_long": "it has more characters than {max_length}",
    "too_short": "it has fewer entries than {min_length}",
}
"""Type of an error of pydantic -> our words, with what it knows about it."""


def click_sentence(error: click.ClickException) -> str:
    """One sentence that says what is wrong with the command line, and where help is."""
    context = getattr(error, "ctx", None)
    help_ = f"; see `{context.command_path} --help`" if context is not None else ""
    return f"{_wrong(error, context)}{help_}"


def _wrong(error: click.ClickException, context: click.Context | None) -> str:
    if isinstance(error, click.NoSuchOption):
        known = [name for param in context.command.params for name in param.opts] if context else []
        return f"there is no option {error.option_name}{suggestion(error.option_name, known)}"
    if isinstance(error, click.MissingParameter):
        return f"{_name(error.param, error.param_hint, context)} is missing"
    if isinstance(error, click.BadParameter):
        return f"{_name(error.param, error.param_hint, context)}: {_of_value(error.message)}"
    message = error.format_message().rstrip(".")
    if found := re.fullmatch(r"No such command '(.+)'", message):
        known = context.command.list_commands(context) if context and isinstance(context.command, click.Group) else []
        return f"there is no command {found[1]}{suggestion(found[1], known)}"
    if found := re.fullmatch(r"Got unexpected extra arguments? \((.+)\)", message):
        return f"too many arguments: {found[1]}"
    if found := re.fullmatch(r"Option '(.+)' requires an argument", message):
        return f"{found[1]} needs a value"
    if found := re.fullmatch(r"Option '(.+)' does not take a value", message):
        return f"{found[1]} takes no value"
    return message


def _name(param: click.Parameter | None, hint: object, context: click.Context | None) -> str:
    if isinstance(param, click.Option):
        return param.opts[-1] if len(param.opts) == 1 else next(name for name in param.opts if name.startswith("--"))
    if param is not None and context is not None:
        return param.make_metavar(context).strip("[].")
    return str(hint)


def _of_value(message: str) -> str:
    for pattern, words in _CLICK:
        if found := re.fullmatch(pattern, message, re.DOTALL):
            return words.format(**found.groupdict())
    return message.rstrip(".")


def pydantic_words(error: Mapping[str, Any]) -> str:
    """What is wrong with a value, of one entry of `ValidationError.errors()`."""
    words = _PYDANTIC.get(error["type"])
    if words is None:
        return str(error["msg"]).removeprefix("Value error, ")
    return words.format(**error.get("ctx", {}))
