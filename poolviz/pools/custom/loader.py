"""Load a user's own pool: `package.module:name`, `path/to/file.py:name`, or an installed one.

This runs the user's code, and so is done in the engine's process alone. Whatever that code raises
becomes an InputError that names the line.

The name may be that of
- a subclass of psycopg2's AbstractConnectionPool, or any other class with getconn and putconn, or
  with a pair of methods of other names (`custom/methods.py`): its limits are read from its
  constructor's signature (`custom/pool.py`);
- a subclass of SQLAlchemy's Pool (`sqlalchemy/custom.py`);
- a ThreadPool or TaskPool, which declares everything itself;
- a library's own class, for which poolviz has a pool;
- a function that makes a pool, or one that gives connections (`custom/factories.py`);
- a pool that the file has made, or SQLAlchemy's Engine or sessionmaker (`custom/objects.py`).

A class of the first kind may have these attributes: `live_limits`, the names of the parameters
that may be set as attributes of a pool in use; `waits` and `exhausted`, which mean what they mean
in `base.py`. A line `name: …` in its docstring is the help of the parameter `name`.

An installed package offers a pool by an entry point in the group `poolviz.pools`, whose name is
the pool's id and whose object is such a class.
"""

from __future__ import annotations

import dataclasses
import hashlib
import importlib
import importlib.util
import inspect
import stat
import sys
import threading
from collections.abc import Mapping
from functools import reduce
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from poolviz.language import tr, tr_noop
from poolviz.model.dialect import MYSQL, POSTGRESQL
from poolviz.model.error_text import message_of
from poolviz.model.errors import InputError
from poolviz.model.parameters import both, suggest
from poolviz.pools.base import Pool, TaskPool, ThreadPool
from poolviz.pools.custom.code_names import FUNCTIONS
from poolviz.pools.custom.fresh_sources import FreshSourceLoader, import_fresh_below
from poolviz.pools.custom.methods import (
    LendingMethods,
    is_one_use,
    lending_methods,
    lends,
    lends_by_another_name,
)
from poolviz.pools.custom.own_options import check_options, split_id, with_options
from poolviz.pools.custom.places import place_of_error
from poolviz.pools.custom.user_errors import phrase
from poolviz.pools.listing import Listing, built_in_listing

_GROUP = "poolviz.pools"
_DECLARED = ("title", "library", "about", "limits", "waits", "exhausted")
_LARGEST = 10_000_000  # bytes of a pool's file
_lock = threading.RLock()  # one import at a time; guards _loaded
_loaded: dict[str, type[Pool]] = {}


@dataclasses.dataclass(frozen=True)
class InstalledListing(Listing):
    """The pool of an entry point; `module` is its object reference, `package.module:Class`.

    Whether it can be used is known only once it is imported, so it never says what is missing.
    """

    def load(self) -> type[Pool]:
        """Import and return the pool's class. Raises InputError if it can't be used."""
        return _loaded_once(self.id, _parse(self.module))


class _Reference(NamedTuple):
    """What has a name in a file or, where there is no `path`, in the module `where`, and the
    options of its use."""

    where: str
    path: Path | None
    name: str
    options: Mapping[str, str]

    @property
    def id(self) -> str:
        return with_options(f"{self.path or self.where}:{self.name}", self.options)


def installed_listings() -> tuple[Listing, ...]:
    """Return the pools that installed packages offer, ordered by id. Imports no package."""
    points = {point.name: point for point in metadata.entry_points(group=_GROUP)}
    return tuple(InstalledListing(id, id, module=points[id].value) for id in sorted(points))


def absolute_id(id: str) -> str:
    """Return `module:Class` or `file.py:Class` with the file's absolute path, so that it means the
    same in any working directory. Raises InputError if it doesn't name a class."""
    return _parse(id).id


def source_of(id: str) -> Path | None:
    """Return the file that an id from `absolute_id` names; None for a class in a module."""
    where = id.rpartition(":")[0]
    return Path(where) if _is_file_name(where) else None


def load(id: str) -> type[Pool]:
    """Import and return the pool for `module:Class` or `file.py:Class`.

    Raises InputError if it can't be loaded or used.
    """
    reference = _parse(id)
    return _loaded_once(reference.id, reference)


def _parse(id: str) -> _Reference:
    bare, options = split_id(id.strip())
    where, _, name = bare.rpartition(":")
    shown = id.strip().encode("unicode_escape").decode()
    try:
        path = Path(where).expanduser().resolve() if _is_file_name(where) else None
        if path is not None:
            path.is_symlink()  # raises OSError for names that no system call takes
    except (OSError, RuntimeError, ValueError) as error:  # RuntimeError: a loop of links, ~nobody
        raise InputError(
            tr(
                "{shown} can't be loaded: {why}.",
                shown=shown,
                why=message_of(error).rstrip("."),
            )
        ) from None
    if not where or not all(part.isidentifier() for part in name.split(".")):
        raise InputError(
            tr(
                "{shown} doesn't name a class: write package.module:Class or "
                "path/to/file.py:Class.",
                shown=shown,
            )
        )
    check_options(options, shown)
    return _Reference(where, path, name, options)


def _loaded_once(id: str, reference: _Reference) -> type[Pool]:
    """Return the pool for a class, which is imported unless that was done.

    Raises InputError for whatever the user's code raises.
    """
    with _lock:
        if id not in _loaded:
            where, path, name, options = reference
            module = _import(where, id) if path is None else _import_file(path, id)
            try:
                _loaded[id] = _pool_around(_find(module, name, id), module, id, options)
            except InputError:
                raise
            except BaseException as error:
                if place_of_error(error) is None:
                    raise
                raise InputError(
                    tr(
                        "{id} can't be used: the class raised {error}.",
                        id=id,
                        error=phrase(error),
                    )
                ) from error
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
                tr(
                    "{id} can't be loaded: there is no module {name}; install it, or run poolviz "
                    "in the directory that contains it.",
                    id=id,
                    name=error.name,
                )
            ) from None
        raise _import_failed(error, id) from error
    except BaseException as error:
        raise _import_failed(error, id) from error


def _import_file(path: Path, id: str) -> ModuleType:
    """Import a file as a module with a unique name, or by its own in the package that it is in.

    The file can import others beside it.
    """
    _check_file(path, id)
    package = _package_of(path)
    if package is not None:
        return _import(package, id)
    name = f"{path.stem}_{hashlib.sha256(str(path).encode()).hexdigest()[:8]}"
    if name in sys.modules:
        return sys.modules[name]  # another class of the file was loaded
    source = FreshSourceLoader(name, str(path)) if path.suffix == ".py" else None
    spec = importlib.util.spec_from_file_location(name, path, loader=source)
    if spec is None or spec.loader is None:
        raise InputError(
            tr("{id} can't be loaded: {name} is not a Python file (.py).", id=id, name=path.name)
        )
    module = importlib.util.module_from_spec(spec)
    _add_to_path(path.parent)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException as error:
        sys.modules.pop(name, None)
        raise _import_failed(error, id) from error
    return sys.modules.get(name, module)


def _check_file(path: Path, id: str) -> None:
    """Raise InputError if `path` isn't a file that could be a module's source."""
    try:
        status = path.stat()
    except FileNotFoundError:
        raise InputError(
            tr("{id} can't be loaded: there is no file {path}.", id=id, path=path)
        ) from None
    except OSError as error:
        raise InputError(
            tr(
                "{id} can't be loaded: {reason}: {path}.",
                id=id,
                reason=error.strerror,
                path=path,
            )
        ) from None
    if not stat.S_ISREG(status.st_mode):
        raise InputError(tr("{id} can't be loaded: {path} isn't a regular file.", id=id, path=path))
    if status.st_size > _LARGEST:
        raise InputError(
            tr(
                "{id} can't be loaded: {name} has {size:,.0f} MB, and a pool's file may have "
                "{largest:.0f} MB at most.",
                id=id,
                name=path.name,
                size=status.st_size / 1e6,
                largest=_LARGEST / 1e6,
            )
        )


def _package_of(path: Path) -> str | None:
    """Return the name by which a file is imported as a part of its package, so that its relative
    imports work; None if it is in none, or if that name means another module."""
    root, names = path.parent, [path.stem]
    while (root / "__init__.py").is_file() and root.name.isidentifier():
        names.insert(0, root.name)
        root = root.parent
    if len(names) == 1 or not path.stem.isidentifier():
        return None
    _add_to_path(root)
    found = importlib.util.find_spec(names[0])
    ours = root / names[0] / "__init__.py"
    if found is None or found.origin is None or Path(found.origin).resolve() != ours:
        return None
    return ".".join(names)


def _add_to_path(folder: Path) -> None:
    """Let modules be imported from `folder`, after all others, as their sources are now."""
    import_fresh_below(folder)
    if str(folder) not in sys.path:
        sys.path.append(str(folder))


def _import_failed(error: BaseException, id: str) -> InputError:
    return InputError(
        tr("{id} can't be loaded: importing it raised {error}.", id=id, error=phrase(error))
    )


def _find(module: ModuleType, name: str, id: str) -> Any:
    """Return what has that name in a module."""
    try:
        return reduce(getattr, name.split("."), module)
    except AttributeError:
        own = [key for key, value in vars(module).items() if _is_own_class(value, module)]
        near = f": {suggest(name, own)}" if own else ""
        raise InputError(
            tr(
                "{id} can't be loaded: it has no class, function or object {name}{near}.",
                id=id,
                name=name,
                near=near,
            )
        ) from None


def _is_own_class(value: object, module: ModuleType) -> bool:
    try:
        kinds = (type, *FUNCTIONS)
        return isinstance(value, kinds) and value.__module__ == module.__name__
    except BaseException:  # noqa: BLE001 - a metaclass of the user's
        return False


def _pool_around(found: Any, module: ModuleType, id: str, options: Mapping[str, str]) -> type[Pool]:
    """Return a pool for a class, a function or an object. Raises InputError that says what it
    lacks."""
    if isinstance(found, type):
        return _around_class(found, id, options)
    if isinstance(found, FUNCTIONS):
        return _around_function(found, module, id, options)
    return _around_object(found, id, options)


def _around_class(cls: type[Any], id: str, options: Mapping[str, str]) -> type[Pool]:
    own = issubclass(cls, Pool)
    sqlalchemy = sys.modules.get("sqlalchemy.pool")
    if inspect.isabstract(cls):
        missing = both(sorted(cls.__abstractmethods__))
        raise InputError(tr("{id} is abstract: it lacks {missing}.", id=id, missing=missing))
    if getattr(cls, "_is_protocol", False):
        raise InputError(
            tr(
                "{id} is a Protocol, of which no object is made: name a class that implements it.",
                id=id,
            )
        )
    if not options and (listing := built_in_listing(f"{cls.__module__}:{cls.__qualname__}")):
        return _with_id(listing.load(), id)
    if sqlalchemy is not None and issubclass(cls, sqlalchemy.Pool):
        from poolviz.pools.sqlalchemy.custom import wrap_pool_class  # noqa: PLC0415 - slow to import

        return wrap_pool_class(cls, id)
    if own:
        return _with_id(cls, id)
    if _of_methods(options) or lends(cls):
        methods = lending_methods(cls, id, **_of_methods(options))
    elif is_one_use(cls):
        return _around_one_use(cls, id, options)
    else:
        return _around_holder(cls, id, options)
    from poolviz.pools.custom.constructor import constructor_of  # noqa: PLC0415 - imports psycopg2

    return _wrapped(cls, methods, constructor_of(cls, id), id, options)


def _around_one_use(cls: type[Any], id: str, options: Mapping[str, str]) -> type[Pool]:
    """Return a pool for a class of which each client makes an object when it wants a connection,
    `with Cursor() as cursor`."""
    from poolviz.pools.custom.constructor import constructor_of  # noqa: PLC0415 - imports psycopg2

    constructor = dataclasses.replace(constructor_of(cls, id), for_each_use=True)
    methods = LendingMethods("__call__", None, hasattr(cls, "__aenter__"))
    return _wrapped(
        cls, methods, constructor, id, options, what=tr("a context manager for one use")
    )


def _around_holder(cls: type[Any], id: str, options: Mapping[str, str]) -> type[Pool]:
    """Return a pool for a class that lends nothing, whose objects hold a library's pool."""
    from poolviz.pools.custom.constructor import constructor_of  # noqa: PLC0415 - imports psycopg2
    from poolviz.pools.custom.factories import (  # noqa: PLC0415 - likewise
        holds_pool,
        makes_pool_for_tasks,
        makes_waiting_pool,
    )

    if lends_by_another_name(cls) or not holds_pool(cls):
        lending_methods(cls, id)  # raises what it lacks
    methods = LendingMethods("", None, makes_pool_for_tasks(cls))
    more = {"waits": True} if makes_waiting_pool(cls) else {}
    return _wrapped(cls, methods, constructor_of(cls, id), id, options, **more)


def _around_function(
    function: Any, module: ModuleType, id: str, options: Mapping[str, str]
) -> type[Pool]:
    """Return a pool for a function that gives connections, or for one that makes a pool."""
    from poolviz.pools.custom.constructor import constructor_of  # noqa: PLC0415 - imports psycopg2
    from poolviz.pools.custom.factories import (  # noqa: PLC0415 - likewise
        gives_connections,
        makes_engine,
        makes_waiting_pool,
        methods_of_made,
    )
    from poolviz.pools.custom.objects import constructor_of_object  # noqa: PLC0415 - likewise

    name = split_id(id)[0].rpartition(":")[2]
    owner, _, method = name.rpartition(".")
    lender = _find(module, owner, id) if owner else module
    if gives_connections(lender, method, **_of_methods(options)):
        methods = lending_methods(lender, id, **{"acquire": method} | _of_methods(options))
        constructor = constructor_of_object(lender, id)
        more: dict[str, Any] = {"title": method, "what": tr("a function that gives a connection")}
        return _wrapped(lender, methods, constructor, id, options, is_object=True, **more)
    methods = methods_of_made(function, id, **_of_methods(options))
    more = {"maker": tr_noop("the function"), "what": tr("a function that makes a pool")}
    more |= {"waits": True} if makes_waiting_pool(function) else {}
    more |= {"servers": (POSTGRESQL, MYSQL)} if makes_engine(function) else {}
    return _wrapped(function, methods, constructor_of(function, id), id, options, **more)


def _around_object(found: Any, id: str, options: Mapping[str, str]) -> type[Pool]:
    from poolviz.pools.custom.factories import (  # noqa: PLC0415 - imports psycopg2
        check_kind,
        the_pool_within,
    )
    from poolviz.pools.custom.library_pools import sqlalchemys_engine  # noqa: PLC0415 - likewise
    from poolviz.pools.custom.objects import constructor_of_object  # noqa: PLC0415 - likewise

    kind = type(found).__name__
    more: dict[str, Any] = {
        "what": tr("a module") if inspect.ismodule(found) else tr("an object: {kind}", kind=kind)
    }
    if engine := sqlalchemys_engine(found):
        from poolviz.pools.sqlalchemy import application  # noqa: PLC0415 - slow to import

        methods = LendingMethods(application.acquire_of(found), None, application.is_async(found))
        server = application.server_of(engine)
        more = {"waits": True, "library": "SQLAlchemy", "servers": (server,) if server else ()}
        more["what"] = tr("the application's {kind}", kind=kind)
        if not server:
            raise InputError(
                tr(
                    "{id} can't be used: its engine connects to {backend}, and poolviz "
                    "runs loads on an application's engine for PostgreSQL and MySQL.",
                    id=id,
                    backend=engine.url.get_backend_name(),
                )
            )
    else:
        if not _of_methods(options) and not lends(found):
            if (held := the_pool_within(found)) is not None:
                return _around_object(held, id, options)
            check_kind(found, id, made=False)
        methods = lending_methods(found, id, **_of_methods(options))
    constructor = constructor_of_object(found, id)
    return _wrapped(found, methods, constructor, id, options, is_object=True, **more)


def _wrapped(
    made: Any,
    methods: LendingMethods,
    constructor: Any,
    id: str,
    options: Mapping[str, str],
    **declared: Any,
) -> type[Pool]:
    from poolviz.pools.custom.pool import CustomPool, wrap  # noqa: PLC0415 - imports psycopg2

    base: Any = CustomPool
    if methods.tasks:
        from poolviz.pools.custom.task_pool import CustomTaskPool  # noqa: PLC0415 - likewise

        base = CustomTaskPool
    return wrap(
        made,
        methods,
        constructor,
        id,
        url=options.get("url", ""),
        base=base,
        declared=declared,
    )


def _of_methods(options: Mapping[str, str]) -> dict[str, str]:
    return {key: options[key] for key in ("acquire", "release", "clients") if key in options}


def _with_id(cls: type[Any], id: str) -> type[Pool]:
    """Return a ThreadPool or TaskPool of the user's under the id that it is loaded by."""
    lacks = [name for name in _DECLARED if not hasattr(cls, name)]
    if not issubclass(cls, (ThreadPool, TaskPool)):
        lacks.insert(0, tr("ThreadPool or TaskPool as a base"))
    if lacks:
        raise InputError(
            tr("{id} can't be used: the class lacks {missing}.", id=id, missing=", ".join(lacks))
        )
    named: type[Pool] = type(
        cls.__name__, (cls,), {"id": id, "__module__": cls.__module__, "__doc__": cls.__doc__}
    )
    return named
