"""Import a user's modules from their sources, whatever bytecode is kept of them.

Python takes kept bytecode for that of a source which has the size and, in whole seconds, the time
of the one that was compiled. A file that is saved twice within a second, as when a number in it is
changed between two runs, would be run as it was before.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType

_INSTALLED = frozenset({"site-packages", "dist-packages"})


class FreshSourceLoader(SourceFileLoader):
    """Python's loader of a source file, without kept bytecode: none is read, and none written."""

    def get_code(self, fullname: str) -> CodeType:
        """Return the source's code, which is compiled each time."""
        path = self.get_filename(fullname)
        return self.source_to_code(self.get_data(path), path)


class _FreshSources(MetaPathFinder):
    """Python's finder of modules, with another loader for sources below `folders`."""

    def __init__(self) -> None:
        self.folders: set[Path] = set()

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return the spec of a user's module; None for any other, which the next finder finds."""
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is None or type(spec.loader) is not SourceFileLoader or not spec.origin:
            return None
        origin = Path(spec.origin)
        if self.folders.isdisjoint(origin.parents) or not _INSTALLED.isdisjoint(origin.parts):
            return None
        spec.loader = FreshSourceLoader(fullname, spec.origin)
        spec.cached = None
        return spec


_finder = _FreshSources()


def import_fresh_below(folder: Path) -> None:
    """Have modules below a folder imported from their sources, but for installed libraries'."""
    _finder.folders.add(folder)
    if _finder not in sys.meta_path:
        paths = sys.meta_path.index(PathFinder) if PathFinder in sys.meta_path else 0
        sys.meta_path.insert(paths, _finder)
