"""House rules about the dialect of code: reasons of exceptions to rules, constants, docstrings, errors."""

import ast
import builtins
import io
import re
import tokenize
from collections.abc import Iterator, Sequence
from pathlib import Path

from house_files import is_product, tree

NOQA = re.compile(r"#\s*((ruff|flake8)\s*:\s*)?noqa\b.*", re.IGNORECASE)
GOOD_NOQA = re.compile(r"# (ruff: )?noqa: [A-Z]+[0-9]+(, [A-Z]+[0-9]+)*  \([^)].*\)")
IGNORE = re.compile(r"#\s*(type\s*:\s*ignore\b|mypy\s*:).*")
GOOD_IGNORE = re.compile(r"# type: ignore\[[\w, -]+\]  # (?!noqa)\S.*")
MARK = re.compile(r"#\s*(((ruff|flake8)\s*:\s*)?noqa|type\s*:|mypy\s*:|fmt\s*:)", re.IGNORECASE)
"""How comments begin that are for tools."""
CONSTANT = re.compile(r"_?[A-Z][A-Z0-9_]*")
KINDS = {"TypeVar", "ParamSpec", "NewType"}
"""What makes types, which are written like constants."""
PROSE = re.compile(r"\n\s*\n\s*(Raises [A-Z]\w+|Returns (?:the|a|whether)\b)")


def comments(path: Path) -> dict[int, tuple[int, str]]:
    """The comments of a file: column and text by line."""
    tokens = tokenize.tokenize(io.BytesIO(path.read_bytes()).readline)
    return {token.start[0]: (token.start[1], token.string) for token in tokens if token.type == tokenize.COMMENT}


def bare_marks(path: Path) -> Iterator[str]:
    """A `noqa` or `type: ignore` that does not say which rule and why."""
    if path.suffix != ".py" or not re.search(rb"noqa|type\s*:\s*ignore|#\s*mypy", path.read_bytes(), re.IGNORECASE):
        return
    for line, (_, text) in comments(path).items():
        if (match := NOQA.search(text)) and not GOOD_NOQA.fullmatch(match[0]):
            yield f"{path}:{line}: write noqa as `noqa: RULE  (reason)`"
        if (match := IGNORE.search(text)) and not GOOD_IGNORE.fullmatch(match[0]):
            yield f"{path}:{line}: write type: ignore as `type: ignore[rule]  # reason`"


def loose_constants(path: Path) -> Iterator[str]:
    """Constants of the product that may be assigned again, or whose reason is not a docstring after them."""
    if not is_product(path):
        return
    remarks = comments(path)
    for node in _statements(tree(path).body):
        names = [name for name in _assigned(node) if CONSTANT.fullmatch(name)]
        if not names:
            continue
        if not isinstance(node, ast.AnnAssign) or "Final" not in ast.unparse(node.annotation):
            yield f"{path}:{node.lineno}: {', '.join(names)} is not Final"
        before = remarks.get(node.lineno - 1)
        around = [remarks[line][1] for line in {node.lineno, node.end_lineno} & remarks.keys()]
        if (before and before[0] == node.col_offset) or any(not MARK.match(text) for text in around):
            yield f"{path}:{node.lineno}: write the reason of {', '.join(names)} as a docstring after it"


def _statements(body: Sequence[ast.stmt]) -> Iterator[ast.stmt]:
    """Statements of a module, and those within its conditions and attempts."""
    for node in body:
        if isinstance(node, ast.If | ast.Try | ast.With | ast.For | ast.While):
            for part in ("body", "orelse", "finalbody"):
                yield from _statements(getattr(node, part, []))
            for handler in getattr(node, "handlers", []):
                yield from _statements(handler.body)
        else:
            yield node


def _assigned(node: ast.stmt) -> Iterator[str]:
    """Names that a statement gives a value, unless it makes a type."""
    match node:
        case ast.Assign(value=ast.Call(func=ast.Name(id=kind))) if kind in KINDS:
            return
        case ast.Assign(targets=targets):
            # What is assigned, not the index or the object in which.
            parts = [part for target in targets for part in ast.walk(target) if isinstance(part, ast.Name)]
            yield from (part.id for part in parts if isinstance(part.ctx, ast.Store))
        case ast.AnnAssign(target=ast.Name(id=name)) | ast.AugAssign(target=ast.Name(id=name)):
            yield name


def odd_docstrings(path: Path) -> Iterator[str]:
    """Docstrings of the product without a summary, or with errors and results outside of a section."""
    if not is_product(path):
        return
    for node in ast.walk(tree(path)):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            continue
        text = ast.get_docstring(node) or ""
        if text.startswith(("Args:", "Returns:", "Raises:")):
            yield f"{path}:{node.lineno}: {node.name} has a docstring without a summary"
        if match := PROSE.search(text):
            section = match[1].partition(" ")[0]
            yield f"{path}:{node.lineno}: {node.name}: write `{match[1]} ...` as a section `{section}:`"


def odd_errors(paths: Sequence[Path]) -> Iterator[str]:
    """Exceptions of the product that are neither of the tree of `schemas/errors.py` nor called an Error.

    Those that Click would print around `schemas.screen`. And those of the tree that nobody catches by name and that
    carry nothing: their base says as much.
    """
    trees = {path: tree(path) for path in paths if is_product(path)}
    found = {
        node.name: (path, node)
        for path, nodes in trees.items()
        for node in ast.walk(nodes)
        if isinstance(node, ast.ClassDef)
    }
    caught = {name for nodes in trees.values() for node in ast.walk(nodes) for name in _caught(node)}
    for name, (path, node) in found.items():
        bases = _bases(name, found)
        if "ClustertrackError" in bases:
            fields = [part for part in node.body if not isinstance(part, ast.Expr | ast.Pass)]
            if not fields and name not in caught:
                yield f"{path}:{node.lineno}: nobody catches {name}, and it carries nothing: use its base"
        elif bases & ENDING:
            yield f"{path}:{node.lineno}: {name} ends a command and is not of the tree of schemas/errors.py"
        elif name != "ClustertrackError" and any(map(_is_exception, bases)) and not name.endswith("Error"):
            yield f"{path}:{node.lineno}: {name} is not of the tree of schemas/errors.py, and is not called an Error"


EXCEPTIONS = {
    name for name, kind in vars(builtins).items() if isinstance(kind, type) and issubclass(kind, BaseException)
}
ENDING = {"ClickException", "UsageError", "BadParameter", "SystemExit", "KeyboardInterrupt", "Exit", "Abort"}
"""Exceptions by which others end a command."""


def _is_exception(name: str) -> bool:
    """Whether a class is one of Python's exceptions, or by its name one of a library's."""
    return name in EXCEPTIONS or name.endswith(("Error", "Exception", "Warning"))


def _bases(name: str, classes: dict[str, tuple[Path, ast.ClassDef]]) -> set[str]:
    """Names of all classes that a class of the product is derived from."""
    if name not in classes:
        return set()
    own = {_last_name(base) for base in classes[name][1].bases} - {name, ""}
    return own.union(*(_bases(base, classes) for base in own))


def _last_name(node: ast.AST) -> str:
    """`Thing` of `Thing` and of `module.Thing`."""
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


def _caught(node: ast.AST) -> set[str]:
    """Names of what a node catches or asks for."""
    match node:
        case ast.ExceptHandler(type=ast.AST() as kinds):
            asked = [kinds]
        case ast.Call(func=ast.Name(id="isinstance" | "suppress") | ast.Attribute(attr="suppress"), args=asked):
            pass
        case _:
            return set()
    return {_last_name(part) for kind in asked for part in ast.walk(kind)}
