"""Load a user's own pool: `package.module:Class`, `path/to/file.py:Class`, or an installed one.

The class may be
- a subclass of psycopg2's AbstractConnectionPool, or any other class with getconn and putconn
  (`custom/pool.py`): its limits are read from its constructor;
- a subclass of SQLAlchemy's Pool (`sqlalchemy/custom.py`);
- a ThreadPool or TaskPool, which declares everything itself.

A class with getconn and putconn may have these attributes: `live_limits`, the names of the
parameters that may be set as attributes of a pool in use; `waits` and `exhausted`, which mean
what they mean in `base.py`. A line `name: …` in its docstring is the help of the parameter `name`.

An installed package offers a pool by an entry point in the group `poolviz.pools`, whose name is
the pool's id and whose object is such a class.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import inspect
import sys
import threading
from dataclasses import dataclass
from functools import reduce
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import Any

from poolviz.model.errors import InputError
from poolviz.model.parameters import suggest
from poolviz.pools.base import Pool, TaskPool, ThreadPool
from poolviz.pools.listing import Listing

_GROUP = "poolviz.pools"
_DECLARED = ("title", "library", "about", "limits", "waits", "exhausted")
_lock = threading.RLock()  # one import at a time; guards _loaded
_loaded: dict[str, type[Pool]] = {}


@dataclass(frozen=True)
class InstalledListing(Listing):
    """The pool of an entry point; `module` is its object reference, `package.module:Class`."""

    @property
    def missing(self) -> str:
        """Why this pool can't be used, in a sentence; empty if it can. Imports the package."""
        try:
            self.load()
        except InputError as error:
            return str(error)
        return ""

    def load(self) -> type[Pool]:
        """Import and return the pool's class. Raises InputError if it can't be used."""
        with _lock:
            if self.id not in _loaded:
                where, _, name = self.module.partition(":")
                found = _find(_import(where, self.module), name, self.module)
                _loaded[self.id] = _pool_around(found, self.id)
            return _loaded[self.id]


def installed_listings() -> tuple[Listing, ...]:
    """Return the pools that installed packages offer, ordered by id. Imports no package."""
    points = {point.name: point for point in metadata.entry_points(group=_GROUP)}
    return tuple(InstalledListing(id, id, module=points[id].value) for id in sorted(points))


def load(id: str) -> type[Pool]:
    """Return the pool for `module:Class` or `file.py:Class`.

    Its own id has the file's absolute path, so that it means the same in any working directory.
    Raises InputError if it can't be loaded or used.
    """
    where, _, name = id.strip().rpartition(":")
    path = Path(where).expanduser().resolve() if _is_file_name(where) else None
    id = f"{path or where}:{name}"
    if not where or not all(part.isidentifier() for part in name.split(".")):
        raise InputError(
            f"{id} doesn't name a class: write package.module:Class or path/to/file.py:Class."
        )
    with _lock:
        if id not in _loaded:
            module = _import(where, id) if path is None else _import_file(path, id)
            _loaded[id] = _pool_around(_find(module, name, id), id)
        return _loaded[id]


def _is_file_name(where: str) -> bool:
    return where.endswith(".py") or "/" in where or "\\" in where


def _import(name: str, id: str) -> ModuleType:
    """Import a module by name, from the working directory too."""
    _add_to_path(Path.cwd())
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name and (name == error.name or name.startswith(f"{error.name}.")):
            raise InputError(
                f"{id} can't be loaded: there is no module {error.name}; install it, or run "
                "poolviz in the directory that contains it."
            ) from None
        raise _import_failed(error, id) from error
    except (Exception, SystemExit) as error:
        raise _import_failed(error, id) from error


def _import_file(path: Path, id: str) -> ModuleType:
    """Import a file as a module with a unique name; the file can import others beside it."""
    if not path.is_file():
        raise InputError(f"{id} can't be loaded: there is no file {path}.")
    name = f"{path.stem}_{hashlib.sha256(str(path).encode()).hexdigest()[:8]}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise InputError(f"{id} can't be loaded: {path.name} is not a Python file (.py).")
    module = importlib.util.module_from_spec(spec)
    _add_to_path(path.parent)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        raise _import_failed(error, id) from error
    return module


def _add_to_path(folder: Path) -> None:
    """Let modules be imported from `folder`, after all others.

    The engine's child process is given this path too.
    """
    if str(folder) not in sys.path:
        sys.path.append(str(folder))


def _import_failed(error: BaseException, id: str) -> InputError:
    message = " ".join(str(error).split()).rstrip(".")
    return InputError(
        f"{id} can't be loaded: importing it raised {type(error).__name__}"
        f"{': ' + message if message else ''}."
    )


def _find(module: ModuleType, name: str, id: str) -> type[Any]:
    """Return the class `name` of a module."""
    try:
        found: Any = reduce(getattr, name.split("."), module)
    except AttributeError:
        own = [key for key, value in vars(module).items() if _is_own_class(value, module)]
        near = f": {suggest(name, own)}" if own else ""
        raise InputError(f"{id} can't be loaded: it has no class {name}{near}.") from None
    if not isinstance(found, type):
        raise InputError(f"{id} is not a class but a {type(found).__name__}: name a class.")
    return found


def _is_own_class(value: object, module: ModuleType) -> bool:
    return isinstance(value, type) and value.__module__ == module.__name__


def _pool_around(cls: type[Any], id: str) -> type[Pool]:
    """Return a pool for a class of any kind. Raises InputError that says what the class lacks."""
    own = issubclass(cls, Pool)
    lacks = [] if own else [name for name in ("getconn", "putconn") if not hasattr(cls, name)]
    sqlalchemy = sys.modules.get("sqlalchemy.pool")
    if inspect.isabstract(cls):
        missing = " and ".join(sorted(cls.__abstractmethods__))
        raise InputError(f"{id} is abstract: it lacks {missing}.")
    if sqlalchemy is not None and issubclass(cls, sqlalchemy.Pool):
        from poolviz.pools.sqlalchemy.custom import wrap_pool_class  # noqa: PLC0415 - slow to import

        return wrap_pool_class(cls, id)
    if own:
        return _with_id(cls, id)
    if lacks:
        raise InputError(f"{id} is not a connection pool: it lacks {' and '.join(lacks)}.")
    from poolviz.pools.custom.pool import wrap  # noqa: PLC0415 - imports psycopg2

    return wrap(cls, id)


def _with_id(cls: type[Any], id: str) -> type[Pool]:
    """Return a ThreadPool or TaskPool of the user's under the id that it is loaded by."""
    lacks = [name for name in _DECLARED if not hasattr(cls, name)]
    if not issubclass(cls, (ThreadPool, TaskPool)):
        lacks.insert(0, "ThreadPool or TaskPool as a base")
    if lacks:
        raise InputError(f"{id} can't be used: the class lacks {', '.join(lacks)}.")
    named: type[Pool] = type(
        cls.__name__, (cls,), {"id": id, "__module__": cls.__module__, "__doc__": cls.__doc__}
    )
    return named
