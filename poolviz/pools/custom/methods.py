"""The methods by which a user's pool lends its connections and takes them back.

Known are the names of psycopg2's pools and those that other pools have; any other is named by the
options `acquire` and `release`. A pool that gives its connections as context managers, or
connections that go back to it when they are closed, needs no method to take them back.
"""

from __future__ import annotations

import dis
import inspect
import typing
from itertools import pairwise
from typing import Any, NamedTuple

from poolviz.language import tr, trn
from poolviz.model.errors import InputError
from poolviz.model.parameters import both, suggest

# Where several are there, the first pair is meant.
_PAIRS: dict[str, tuple[str, ...]] = {
    "getconn": ("putconn",),
    "get_connection": (
        *("release_connection", "return_connection", "put_connection", "give_back_connection"),
        *("free_connection", "release_conn", "close_connection", "release", "putconn", "put"),
    ),
    "get_conn": ("put_conn", "release_conn", "return_conn", "free_conn", "close_conn", "release"),
    "acquire_connection": ("release_connection", "return_connection", "release"),
    "acquire": ("release", "give_back"),
    "checkout": ("checkin", "check_in", "release"),
    "check_out": ("check_in", "checkin", "release"),
    "checkout_connection": ("checkin_connection", "return_connection"),
    "borrow": ("give_back", "return_", "return_connection", "return_conn", "restore", "release"),
    "borrow_connection": ("return_connection", "give_back_connection", "release_connection"),
    "borrow_conn": ("return_conn", "give_back_conn", "release_conn"),
    "lease": ("release", "return_lease", "give_back"),
    "obtain": ("release", "give_back"),
    "take": ("give_back", "give", "put"),
    "getConnection": ("releaseConnection", "returnConnection", "putConnection", "closeConnection"),
    "fetch_connection": ("release_connection", "return_connection"),
    "get": ("put", "release", "give_back", "return_"),
    "connection": (),
    "connect": (),
    "get_cursor": (),
    "cursor": (),
    "session": (),
    "get_session": (),
}
# Any other names that begin so and go on alike: borrow_object and return_object.
_VERBS = {
    "get": ("put", "release", "return", "give_back", "free"),
    "acquire": ("release", "return"),
    "borrow": ("return", "give_back", "release"),
    "checkout": ("checkin",),
    "check_out": ("check_in",),
    "take": ("put", "return", "give_back"),
    "lease": ("release", "return"),
    "obtain": ("release", "return"),
    "fetch": ("release", "return", "put"),
    "request": ("release", "return"),
    "pop": ("push",),
}
# Without a method for it, these give connections that go back when they are closed.
_GIVEN_BACK_BY_CLOSE = ("get_connection", "get_conn", "getConnection", "connection", "connect")
_BY_CLOSE = "close"  # the option `release`, for a pool whose connections are closed instead
# Modules of libraries whose pools are called by tasks.
_TASKS = (
    *("asyncpg.pool", "aiopg.pool", "aiomysql.pool", "psycopg_pool.pool_async"),
    *("psycopg_pool.null_pool_async", "sqlalchemy.ext.asyncio"),
)
_LIBRARIES_ACQUIRE = {"getconn", "acquire", "raw_connection"}
_LIBRARIES_RELEASE = {"putconn", "release"}
_LIFE = ("open", "close", "connect", "disconnect", "__aenter__", "__await__")


class LendingMethods(NamedTuple):
    """The names of a pool's methods; without `release`, a connection is closed instead.

    `tasks` says that tasks call them, not threads.
    """

    acquire: str
    release: str | None
    tasks: bool


def lending_methods(
    owner: Any, id: str, *, acquire: str = "", release: str = "", clients: str = ""
) -> LendingMethods:
    """Return the methods of a class, of an object or of a module.

    `acquire`, `release` and `clients` are the options of the pool. Raises InputError if there are
    none.
    """
    for name in (acquire, release if release != _BY_CLOSE else ""):
        if name and not _has(owner, name):
            known = [each for each in dir(owner) if not each.startswith("_") and _has(owner, each)]
            near = suggest(name, known)
            raise InputError(
                tr(
                    "{id} can't be used: it has no method {name}: {near}.",
                    id=id,
                    name=name,
                    near=near,
                )
            )
    found = _pair(owner, acquire, release)
    if found is None:
        raise InputError(
            tr("{id} is not a connection pool: it lacks {lacking}.", id=id, lacking=_lacking(owner))
        )
    _check_arguments(owner, *found, id)
    tasks = clients == "tasks" if clients else _called_by_tasks(owner, *found)
    return LendingMethods(*found, tasks)


def lends(owner: Any) -> bool:
    """Return whether a class, an object or a module has methods to lend by, of usual names."""
    return _pair(owner, "", "") is not None


def lends_by_another_name(cls: type[Any]) -> bool:
    """Return whether a class has a method that takes a connection of a library's pool, without an
    argument and without giving it back, so that it may be its own way to lend."""
    for name, method in inspect.getmembers(cls, inspect.isfunction):
        function = inspect.unwrap(method)
        names = set(function.__code__.co_names)
        opens = any("_WITH" in each.opname for each in dis.get_instructions(function))
        lends_one = names & _LIBRARIES_ACQUIRE and not (names & _LIBRARIES_RELEASE or opens)
        if lends_one and not name.startswith("_") and not _required(cls, name):
            return True
    return False


def is_one_use(cls: type[Any]) -> bool:
    """Return whether an object of a class is one use of a pool: a context manager that gives
    something else than itself, and has no methods to lend by."""
    enter = getattr(cls, "__aenter__", None) or getattr(cls, "__enter__", None)
    enter = inspect.unwrap(enter) if callable(enter) else None
    return inspect.isfunction(enter) and not lends(cls) and not _gives_itself(enter)


def _gives_itself(method: Any) -> bool:
    """Return whether everything that a method returns is its object."""
    steps = pairwise(dis.get_instructions(method))
    returned = [before for before, each in steps if each.opname == "RETURN_VALUE"]
    itself = method.__code__.co_varnames[:1]
    return bool(returned) and all((each.argval,) == itself for each in returned)


def _check_arguments(owner: Any, acquire: str, release: str | None, id: str) -> None:
    """Raise InputError if a method requires more arguments than it is called with."""
    for name, given in ((acquire, 0), (release, 1)):
        required = _required(owner, name)[given:] if name else []
        if required:
            raise InputError(
                trn(
                    "{id} can't be used: {name}() requires {required}, and is called {how}: give "
                    "it a default, or derive a class whose {name}() passes it.",
                    "{id} can't be used: {name}() requires {required}, and is called {how}: give "
                    "them defaults, or derive a class whose {name}() passes them.",
                    len(required),
                    id=id,
                    name=name,
                    required=both(required),
                    how=tr("with the connection alone") if given else tr("without arguments"),
                )
            )


def _required(owner: Any, name: str) -> list[str]:
    """Return the names of the arguments that a method requires, without the object itself."""
    try:
        parameters = list(inspect.signature(getattr(owner, name)).parameters.values())
    except (TypeError, ValueError):
        return []
    unbound = isinstance(owner, type) and inspect.isfunction(inspect.getattr_static(owner, name))
    spread = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return [
        each.name
        for each in parameters[unbound:]
        if each.default is each.empty and each.kind not in spread
    ]


def _pair(owner: Any, acquire: str, release: str) -> tuple[str, str | None] | None:
    if release == _BY_CLOSE:
        first = acquire or next((name for name in _PAIRS if _has(owner, name)), "")
        return (first, None) if first else None
    if acquire:
        return acquire, release or _release_for(owner, acquire)
    for name, releases in _PAIRS.items():
        if not _has(owner, name):
            continue
        found = release or next((each for each in releases if _has(owner, each)), None)
        if found or name in _GIVEN_BACK_BY_CLOSE or is_context_manager(owner, name):
            return name, found
    return _alike(owner)


def _alike(owner: Any) -> tuple[str, str] | None:
    """Return the only two methods whose names go on alike after a verb of lending and one of giving
    back; None if there are none, or several."""
    found = []
    for name in dir(owner):
        for verb, others in _VERBS.items():
            rest = name.removeprefix(f"{verb}_") if name.startswith(f"{verb}_") else ""
            back = [each for other in others if _has(owner, each := f"{other}_{rest}")]
            if rest and back and _has(owner, name):
                found.append((name, back[0]))
    return found[0] if len(found) == 1 else None


def _release_for(owner: Any, acquire: str) -> str | None:
    """Return the method that goes with an `acquire` that was named; None to close connections."""
    if is_context_manager(owner, acquire):
        return None
    known = dict.fromkeys(each for releases in _PAIRS.values() for each in releases)
    usual = (*_PAIRS.get(acquire, ()), *known)
    return next((each for each in usual if each != acquire and _has(owner, each)), None)


def _lacking(owner: Any) -> str:
    """Return what a pool lacks, as part of a sentence, with the options that would name it."""
    for acquire, releases in _PAIRS.items():
        if _has(owner, acquire) and releases:
            return tr(
                "{releases}, or --own-pool release=NAME for the method that takes back, or "
                "--own-pool acquire={acquire} if that gives a context manager",
                releases=releases[0],
                acquire=acquire,
            )
    return tr(
        "getconn and putconn, or --own-pool acquire=NAME and release=NAME for its own methods"
    )


def _has(owner: Any, name: str) -> bool:
    return callable(getattr(owner, name, None))


def _function(owner: Any, name: str) -> Any:
    """Return the function under a method and its decorators."""
    return inspect.unwrap(getattr(owner, name))


def is_async(owner: Any, name: str) -> bool:
    """Return whether a method is `async def`."""
    function = getattr(owner, name, None)
    function = inspect.unwrap(function) if callable(function) else None
    return inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function)


def is_context_manager(owner: Any, name: str) -> bool:
    """Return whether a method gives a context manager: it is a generator, as by
    `contextlib.contextmanager`, or is annotated as returning one that is no connection."""
    function = _function(owner, name)
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        return True
    try:
        returned = typing.get_type_hints(function).get("return")
    except Exception:  # noqa: BLE001 - a name that isn't there at run time
        return False
    returned = typing.get_origin(returned) or returned
    entered = any(hasattr(returned, each) for each in ("__enter__", "__aenter__"))
    return entered and not any(hasattr(returned, each) for each in ("cursor", "execute", "fetch"))


def _called_by_tasks(owner: Any, acquire: str, release: str | None) -> bool:
    if any(is_async(owner, name) for name in (acquire, release) if name):
        return True
    if _is_plain_generator(owner, acquire):
        return False
    cls = owner if isinstance(owner, type) else type(owner)
    modules = [base.__module__ for base in cls.__mro__]
    if any(module.startswith(_TASKS) for module in modules):
        return True
    return any(is_async(cls, name) for name in _LIFE)


def _is_plain_generator(owner: Any, name: str) -> bool:
    return inspect.isgeneratorfunction(_function(owner, name))


def takes_none(owner: Any, name: str) -> bool:
    """Return whether a bound method can be called without arguments alone."""
    try:
        parameters = inspect.signature(getattr(owner, name)).parameters
    except (TypeError, ValueError):
        return False
    return not parameters


def needs_none(owner: Any, name: str) -> bool:
    """Return whether a bound method can be called without arguments."""
    try:
        signature = inspect.signature(getattr(owner, name))
        signature.bind()
    except (TypeError, ValueError):
        return False
    return True


def is_usual_acquire(name: str) -> bool:
    """Return whether functions of that name usually give a connection."""
    return name in _PAIRS and name not in ("get", "take", "connect", "session", "cursor")
