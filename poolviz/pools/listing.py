"""The pools that come with poolviz, found by the listings at the head of their modules.

A listing is read from the module's source without importing it, for the module imports its
pool's library: a menu of all pools costs as much as reading their files. In the packaged
program the sources of this folder come along for that.
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from poolviz.language import tr
from poolviz.model.errors import InputError

if TYPE_CHECKING:
    from poolviz.pools.base import Pool

_FOLDER = Path(__file__).parent
_END_OF_HEAD = ("class ", "def ", "async def ", "@")


@dataclass(frozen=True)
class Listing:
    """What is known of a pool before its library is imported.

    A pool's module assigns its listing to a name before its first class or function, with
    literal arguments, and its class takes over `id` and `title`: `id = LISTING.id`.
    """

    id: str
    title: str
    rank: int = 1_000  # the place among all pools, lowest first; equal ranks are ordered by id
    drivers: tuple[str, ...] = ()  # modules that poolviz itself doesn't require
    extra: str = ""  # poolviz's extra that installs them
    module: str = ""  # the module of the pool's class; known where the listing is found
    # The library's class as module:Class, by each name under which people import it. The pool can
    # be named by these, too.
    classes: tuple[str, ...] = ()

    @property
    def missing(self) -> str:
        """The command that installs what this pool lacks; empty if it lacks nothing."""
        if all(importlib.util.find_spec(driver) for driver in self.drivers):
            return ""
        return f"pip install 'poolviz[{self.extra}]'"

    def load(self) -> type[Pool]:
        """Import and return the pool's class. Raises InputError if its driver isn't installed."""
        if self.missing:
            raise InputError(
                tr(
                    "{id} needs a driver that isn't installed: {install}.",
                    id=self.id,
                    install=self.missing,
                )
            )
        for found in vars(importlib.import_module(self.module)).values():
            if isinstance(found, type) and vars(found).get("id") == self.id:
                return found
        raise LookupError(f"{self.module} lists {self.id}, and no class in it has that id")


@cache
def built_in_listings() -> tuple[Listing, ...]:
    """Return the listings of the pools that come with poolviz, in the order in which to show them.

    Every file below `poolviz/pools` is searched, so that a new pool is found by its file alone.
    """
    found = [listing for path in _FOLDER.rglob("*.py") for listing in _listings_in(path)]
    if not found:
        raise RuntimeError(
            tr(
                "The sources of the pools are missing in {folder}: reinstall poolviz.",
                folder=_FOLDER,
            )
        )
    return tuple(sorted(found, key=lambda listing: (listing.rank, listing.id)))


@cache
def built_in_listing(id: str) -> Listing | None:
    """Return the listing of the built-in pool with this id, or for this class of its library's,
    without parsing those of the others; None if there is none."""
    found = (each for path in _FOLDER.rglob("*.py") for each in _listings_in(path, f'"{id}"'))
    return next((each for each in found if id in (each.id, *each.classes)), None)


def _listings_in(path: Path, containing: str = "") -> Iterator[Listing]:
    """Read the listings that the module at `path` assigns in its head, if that holds a text."""
    source = _head(path)
    if " = Listing(" not in source or containing not in source:
        return
    module = ".".join((__package__, *path.relative_to(_FOLDER).with_suffix("").parts))
    module = module.removesuffix(".__init__")
    for statement in ast.parse(source, path).body:
        if isinstance(statement, ast.Assign) and isinstance(statement.value, ast.Call):
            call = statement.value
            if isinstance(call.func, ast.Name) and call.func.id == Listing.__name__:
                arguments = [ast.literal_eval(each) for each in call.args]
                named = {str(each.arg): ast.literal_eval(each.value) for each in call.keywords}
                yield replace(Listing(*arguments, **named), module=module)


def _head(path: Path) -> str:
    """Return a module's source up to its first class or function."""
    lines = []
    with path.open(encoding="utf-8") as source:
        for line in source:
            if line.startswith(_END_OF_HEAD):
                break
            lines.append(line)
    return "".join(lines)
