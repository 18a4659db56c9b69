"""Pools of the user's own: `package.module:Class`, `path/to/file.py:Class`, and installed ones.

The class may be
- a subclass of psycopg2's AbstractConnectionPool, or any other class with getconn and putconn
  (`custom_pool.py`): its limits are read from its constructor;
- a subclass of SQLAlchemy's Pool (`sqlalchemy_custom.py`);
- a ThreadPool or TaskPool, which says everything of itself.

Of a class with getconn and putconn, these attributes are heeded where it has them: `live_limits`,
the names of parameters that may be set in the pool while it is used, as attributes; `waits` and
`exhausted`, which mean what they mean in `base.py`. What a line `name: …` of its docstring says
about a parameter is that limit's help.

An installed package brings a pool by an entry point of the group `poolviz.pools`, whose name is
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
from poolviz.pools.custom.pool import wrap
from poolviz.pools.registry import Listing

_GROUP = "poolviz.pools"
_SAID_OF_A_POOL = ("title", "library", "about", "limits", "waits", "exhausted")
_lock = threading.RLock()  # one import at a time; guards _loaded
_loaded: dict[str, type[Pool]] = {}


@dataclass(frozen=True)
class Brought(Listing):
    """A pool that an installed package brings; `module` is where, as `package.module:Class`."""

    @property
    def missing(self) -> str:
        """Why this pool can't be used, in a sentence; empty where it can."""
        try:
            self.load()
        except InputError as error:
            return str(error)
        return ""

    def load(self) -> type[Pool]:
        """The pool's class; InputError where it can't be loaded or used."""
        with _lock:
            if self.id not in _loaded:
                where, _, name = self.module.partition(":")
                found = _find(_import(where, self.module), name, self.module)
                _loaded[self.id] = _pool_around(found, self.id)
            return _loaded[self.id]


def brought() -> tuple[Listing, ...]:
    """The pools that installed packages bring, in the order of their ids; none is loaded."""
    points = {point.name: point for point in metadata.entry_points(group=_GROUP)}
    return tuple(Brought(id, id, point.value) for id, point in sorted(points.items()))


def load(id: str) -> type[Pool]:
    """The pool that `id` means, which knows a file by its whole path, so that its own id means
    the same in any folder; InputError says why there is none, in a sentence."""
    where, _, name = id.strip().rpartition(":")
    path = Path(where).expanduser().resolve() if _means_file(where) else None
    id = f"{path or where}:{name}"
    if not where or not all(part.isidentifier() for part in name.split(".")):
        raise InputError(
            f"{id} names no class: it takes package.module:Class or path/to/file.py:Class."
        )
    with _lock:
        if id not in _loaded:
            module = _import(where, id) if path is None else _import_file(path, id)
            _loaded[id] = _pool_around(_find(module, name, id), id)
        return _loaded[id]


def _means_file(where: str) -> bool:
    return where.endswith(".py") or "/" in where or "\\" in where


def _import(name: str, id: str) -> ModuleType:
    """The module of that name, which may lie in the working folder."""
    _can_import_from(Path.cwd())
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name and (name == error.name or name.startswith(f"{error.name}.")):
            raise InputError(
                f"{id} can't be loaded: there is no module {error.name}; install it, or run "
                "poolviz in its folder."
            ) from None
        raise _failed(error, id) from error
    except (Exception, SystemExit) as error:
        raise _failed(error, id) from error


def _import_file(path: Path, id: str) -> ModuleType:
    """The module that a file is, under a name of its own; its neighbours can be imported."""
    if not path.is_file():
        raise InputError(f"{id} can't be loaded: there is no file {path}.")
    name = f"{path.stem}_{hashlib.sha256(str(path).encode()).hexdigest()[:8]}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise InputError(f"{id} can't be loaded: {path.name} is no file of Python's, .py.")
    module = importlib.util.module_from_spec(spec)
    _can_import_from(path.parent)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        raise _failed(error, id) from error
    return module


def _can_import_from(folder: Path) -> None:
    """Let modules be found in `folder` too, after all that is installed; a child process as well,
    which is given this list."""
    if str(folder) not in sys.path:
        sys.path.append(str(folder))


def _failed(error: BaseException, id: str) -> InputError:
    """The sentence for a module that doesn't come through its import."""
    said = " ".join(str(error).split()).rstrip(".")
    return InputError(
        f"{id} can't be loaded: importing it raised {type(error).__name__}"
        f"{': ' + said if said else ''}."
    )


def _find(module: ModuleType, name: str, id: str) -> type[Any]:
    """The class that goes by `name` in `module`."""
    try:
        found: Any = reduce(getattr, name.split("."), module)
    except AttributeError:
        own = [key for key, value in vars(module).items() if _is_own_class(value, module)]
        near = f": {suggest(name, own)}" if own else ""
        raise InputError(f"{id} can't be loaded: it has no class {name}{near}.") from None
    if not isinstance(found, type):
        raise InputError(f"{id} is no class but a {type(found).__name__}: name a class.")
    return found


def _is_own_class(value: object, module: ModuleType) -> bool:
    return isinstance(value, type) and value.__module__ == module.__name__


def _pool_around(cls: type[Any], id: str) -> type[Pool]:
    """A pool of poolviz' around a class, whatever its kind; InputError says what it lacks."""
    own = issubclass(cls, Pool)
    lacks = [] if own else [name for name in ("getconn", "putconn") if not hasattr(cls, name)]
    sqlalchemy = sys.modules.get("sqlalchemy.pool")
    is_sqlalchemys = sqlalchemy is not None and issubclass(cls, sqlalchemy.Pool)
    if inspect.isabstract(cls):
        missing = " and ".join(sorted(cls.__abstractmethods__))
        raise InputError(f"{id} is abstract: it lacks {missing}.")
    if is_sqlalchemys:
        from poolviz.pools.sqlalchemy import custom as sqlalchemy_custom  # noqa: PLC0415 - only where it is one of these

        wrapped: type[Pool] = sqlalchemy_custom.wrap_pool_class(cls, id)
        return wrapped
    if own:
        return _named(cls, id)
    if lacks:
        raise InputError(f"{id} is no connection pool: it lacks {' and '.join(lacks)}.")
    return wrap(cls, id)


def _named(cls: type[Any], id: str) -> type[Pool]:
    """A pool of poolviz' own kind under the id that it is loaded by."""
    lacks = [name for name in _SAID_OF_A_POOL if not hasattr(cls, name)]
    if not issubclass(cls, (ThreadPool, TaskPool)):
        lacks.insert(0, "ThreadPool or TaskPool as a base")
    if lacks:
        raise InputError(f"{id} doesn't say everything of itself: it lacks {', '.join(lacks)}.")
    named: type[Pool] = type(
        cls.__name__, (cls,), {"id": id, "__module__": cls.__module__, "__doc__": cls.__doc__}
    )
    return named
