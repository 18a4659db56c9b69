"""What in a Python file could be a pool, found without running it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from poolviz.language import tr
from poolviz.model.errors import InputError

_MOST = 100  # of one file
_BLOCKS = ("body", "orelse", "finalbody", "handlers")  # of what a module may have at its top level


@dataclass(frozen=True)
class Candidate:
    """A name at the top level of a file: the `id` that a pool of that name would have, and what
    the name is: tr("a class"), tr("a function") or tr("an object")."""

    id: str
    name: str
    what: str


def candidates_in(path: Path) -> list[Candidate]:
    """Return the classes and functions that a file defines, and the objects that it makes by a
    call, without those that are private. Runs none of it.

    Raises InputError if there are none, or if it isn't Python.
    """
    try:
        tree = ast.parse(path.read_bytes())
        named = dict(_named(tree))
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise InputError(
            tr("{path} can't be read as a Python file: {error}.", path=path, error=error)
        ) from error
    found = [
        Candidate(f"{path}:{name}", name, what)
        for name, what in named.items()
        if not name.startswith("_")
    ]
    if not found:
        raise InputError(tr("{path} has no class, function or object, and so no pool.", path=path))
    return found[:_MOST]


def _named(node: ast.AST) -> Iterator[tuple[str, str]]:
    """Yield the names of a module and what they are; those within `if`, `try` and `with`, too."""
    for block in _BLOCKS:
        for each in getattr(node, block, ()):
            if isinstance(each, ast.ClassDef):
                yield each.name, tr("a class")
            elif isinstance(each, (ast.FunctionDef, ast.AsyncFunctionDef)):
                yield each.name, tr("a function")
            elif isinstance(each, (ast.Assign, ast.AnnAssign)) and isinstance(each.value, ast.Call):
                targets = each.targets if isinstance(each, ast.Assign) else [each.target]
                yield from (
                    (one.id, tr("an object")) for one in targets if isinstance(one, ast.Name)
                )
            else:
                yield from _named(each)
