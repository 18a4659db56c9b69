"""Functions of an application that make a pool, or that give connections.

What a function makes is known before it is called, which is done in the run, only as far as its
annotation and the names in its code show it.
"""

from __future__ import annotations

import inspect
import typing
from typing import Any

from poolviz.model.errors import InputError
from poolviz.pools.custom.code_names import names_in, plain_function
from poolviz.pools.custom.library_pools import sqlalchemys_engine
from poolviz.pools.custom.methods import (
    LendingMethods,
    is_context_manager,
    is_usual_acquire,
    lending_methods,
    needs_none,
)

# Names in the code of a function that makes a pool for tasks, and of one whose callers wait.
_TASKS = {
    *("create_async_engine", "async_sessionmaker", "AsyncEngine", "AsyncConnectionPool"),
    *("asyncpg", "aiopg", "aiomysql", "async_engine_from_config", "AsyncNullConnectionPool"),
}
_WAITING = {"create_engine", "ConnectionPool", "sessionmaker", "QueuePool", "PooledDB", *_TASKS}


def gives_connections(owner: Any, name: str) -> bool:
    """Return whether a function of a module, or of a class, gives a connection when it is called,
    by being a context manager or by its name."""
    if not needs_none(owner, name):
        return False
    return is_context_manager(owner, name) or is_usual_acquire(name)


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


def methods_in(pool: Any, known: LendingMethods, id: str) -> LendingMethods:
    """Return the methods of a pool that was made; `known` is what was known of them before.

    Raises InputError if it has none, or if clients of the other kind call them.
    """
    if known.acquire and callable(getattr(pool, known.acquire, None)):
        return known
    if sqlalchemys_engine(pool) is not None:
        from poolviz.pools.sqlalchemy import application  # noqa: PLC0415 - slow to import

        found = LendingMethods(application.acquire_of(pool), None, application.is_async(pool))
    else:
        found = lending_methods(pool, id, acquire=known.acquire, release=known.release or "")
    if found.tasks is not known.tasks:
        clients = "tasks" if found.tasks else "threads"
        raise InputError(
            f"{id} made a {type(pool).__name__}, whose clients are {clients}: annotate what the "
            f"function returns, or say so by --own-pool clients={clients}."
        )
    return found
