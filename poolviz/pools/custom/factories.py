"""Functions of an application that make a pool, or that give connections.

What a function makes is known before it is called, which is done in the run, only as far as its
annotation and the names in its code show it.
"""

from __future__ import annotations

import inspect
import typing
from typing import Any

from poolviz.language import tr, tr_noop
from poolviz.model.errors import InputError
from poolviz.pools.custom.code_names import names_in, plain_function
from poolviz.pools.custom.library_pools import is_connection, library_objects, sqlalchemys_engine
from poolviz.pools.custom.methods import (
    LendingMethods,
    is_context_manager,
    is_usual_acquire,
    lending_methods,
    lends,
    lends_by_another_name,
    needs_none,
)
from poolviz.pools.custom.own_options import split_id

# Names in the code of a function that makes a pool for tasks, and of one whose callers wait.
_TASKS = {
    *("create_async_engine", "async_sessionmaker", "AsyncEngine", "AsyncConnectionPool"),
    *("asyncpg", "aiopg", "aiomysql", "async_engine_from_config", "AsyncNullConnectionPool"),
}
_WAITING = {
    *("create_engine", "ConnectionPool", "sessionmaker", "QueuePool", "PooledDB"),
    *_TASKS,
}
_POOLS = {
    *("ThreadedConnectionPool", "SimpleConnectionPool", "AbstractConnectionPool", "PersistentDB"),
    *("NullConnectionPool", "create_pool", *_WAITING),
}


def gives_connections(
    owner: Any,
    name: str,
    *,
    acquire: str = "",
    release: str = "",
    clients: str = "",  # noqa: ARG001
) -> bool:
    """Return whether a function of a module, or of a class, gives a connection when it is called,
    by being a context manager, by its name, or because the options of the pool say that what it
    gives is closed, and it makes no pool."""
    if not needs_none(owner, name):
        return False
    function = getattr(owner, name)
    said = release == "close" and not (acquire or holds_pool(function))
    return said or is_context_manager(owner, name) or is_usual_acquire(name)


def methods_of_made(
    function: Any, id: str, *, acquire: str = "", release: str = "", clients: str = ""
) -> LendingMethods:
    """Return the methods of what a function makes, as far as they are known before; if they
    aren't, the acquire method is "" and looked for in the pool itself."""
    made = _annotation(function)
    if isinstance(made, type) and made.__module__.partition(".")[0] not in ("builtins", "typing"):
        try:
            found = lending_methods(made, id, acquire=acquire, release=release, clients=clients)
        except InputError:
            pass  # such as a protocol or a base class: the pool itself is looked at
        else:
            return LendingMethods(acquire, release or None, found.tasks)
    tasks = clients == "tasks" if clients else makes_pool_for_tasks(function)
    return LendingMethods(acquire, release or None, tasks)


def makes_pool_for_tasks(function: Any) -> bool:
    """Return whether a function makes a pool that tasks call."""
    if inspect.iscoroutinefunction(plain_function(function)):
        return True
    return bool(_TASKS & names_in(function))


def holds_pool(made: Any) -> bool:
    """Return whether a function, or the methods of a class, make a library's pool or an engine."""
    return bool(_POOLS & names_in(made))


def makes_waiting_pool(function: Any) -> bool:
    """Return whether a function makes a pool whose callers wait when it is exhausted."""
    return bool(_WAITING & names_in(function))


def makes_engine(function: Any) -> bool:
    """Return whether a function makes an engine of SQLAlchemy's, which connects to the kind of
    server that its URL names."""
    return bool({"create_engine", "create_async_engine"} & names_in(function))


def _annotation(function: Any) -> Any:
    try:
        return typing.get_type_hints(plain_function(function)).get("return")
    except Exception:  # noqa: BLE001 - a name that isn't there at run time
        return None


def lender_in(pool: Any, known: LendingMethods, id: str) -> tuple[Any, LendingMethods]:
    """Return what lends the connections of a pool that was made, and its methods: the pool itself,
    or the only library's pool that it holds. `known` is what was known of them before.

    Raises InputError if there are none, or if clients of the other kind call them.
    """
    if known.acquire and callable(getattr(pool, known.acquire, None)):
        return pool, known
    if sqlalchemys_engine(pool) is not None:
        from poolviz.pools.sqlalchemy import application  # noqa: PLC0415 - slow to import

        found = LendingMethods(application.acquire_of(pool), None, application.is_async(pool))
    else:
        if not known.acquire and not lends(pool):
            held = the_pool_within(pool)
            if held is not None:
                return lender_in(held, known, id)
            check_kind(pool, id, made=True)
        found = lending_methods(pool, id, acquire=known.acquire, release=known.release or "")
    if found.tasks is not known.tasks:
        clients = "tasks" if found.tasks else "threads"
        raise InputError(
            tr(
                "{id} made a {name}, whose clients are {clients}: annotate what the function "
                "returns, or say so by --own-pool clients={clients}.",
                id=id,
                name=type(pool).__name__,
                clients=clients,
            )
        )
    return pool, found


def the_pool_within(owner: Any) -> Any:
    """Return the only library's pool, or engine, that an object holds; None if there is none, or
    there are several, or if the object may lend by a method of its own."""
    if lends_by_another_name(type(owner)):
        return None
    held = [each for each in library_objects(owner) if each is not owner]
    return held[0] if len(held) == 1 else None


def check_kind(found: Any, id: str, *, made: bool) -> None:
    """Raise InputError for what is there in place of a pool, or was `made` by a function: a
    connection, a list, None."""
    name = split_id(id)[0].rpartition(":")[2] + ("()" if made else "")
    if found is None:
        text = (
            tr_noop(
                "{id} gives None and not a pool: name the function that makes the pool, or the one "
                "that gives connections."
            )
            if made
            else tr_noop(
                "{id} is None and not a pool: name the function that makes the pool, or the one "
                "that gives connections."
            )
        )
        raise InputError(tr(text, id=id))
    if is_connection(found) and made:
        raise InputError(
            tr(
                "{id} gives one connection and not a pool: if each caller gets one of its own and "
                "closes it, say --own-pool release=close.",
                id=id,
            )
        )
    if is_connection(found):
        raise InputError(
            tr(
                "{id} is one connection and not a pool: name the function or the class that makes "
                "connections.",
                id=id,
            )
        )
    if isinstance(found, (dict, list, tuple, set)):
        text = (
            tr_noop(
                "{id} gives a {kind} and not a pool: give the pool in it a name at the top level "
                "of the file, such as `pool = {name}[…]`."
            )
            if made
            else tr_noop(
                "{id} is a {kind} and not a pool: give the pool in it a name at the top level of "
                "the file, such as `pool = {name}[…]`."
            )
        )
        raise InputError(tr(text, id=id, kind=type(found).__name__, name=name))
