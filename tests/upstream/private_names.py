"""The private names of other libraries that poolviz uses, read from the docstrings that list them.

Such a list names a library and the version in which the names were seen:

    Private names used here, as in psycopg2 2.9.13:
        AbstractConnectionPool: _getconn _putconn
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import poolviz.pools

POOLS = Path(poolviz.pools.__path__[0])
_TABLE = re.compile(r"^Private names used here, as in (.+):\n((?:    .+\n?)+)", re.MULTILINE)


@dataclass(frozen=True)
class PrivateName:
    """A private name of a class, and where its use is listed."""

    library: str
    owner: str
    name: str
    listed_in: str

    def __str__(self) -> str:
        return f"{self.library.partition(' ')[0]}: {self.owner}.{self.name}"


def private_names() -> Iterator[PrivateName]:
    """Yield every listed name."""
    for path in sorted(POOLS.rglob("*.py")):
        docstring = ast.get_docstring(ast.parse(path.read_text())) or ""
        for libraries, rows in _TABLE.findall(docstring):
            for library in libraries.split(" and "):
                for row in rows.strip().splitlines():
                    owner, _, names = row.strip().partition(": ")
                    for name in names.split():
                        yield PrivateName(library, owner, name, str(path.relative_to(POOLS)))


def used_in(path: Path) -> set[str]:
    """Return the private names of attributes and methods in a module."""
    used = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Attribute):
            used.add(node.attr)
        elif isinstance(node, ast.ClassDef):
            for statement in node.body:
                if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef)):
                    used.add(statement.name)
                elif isinstance(statement, ast.Assign):
                    used |= {each.id for each in statement.targets if isinstance(each, ast.Name)}
    return {name for name in used if re.match(r"_(?!_)", name)}
