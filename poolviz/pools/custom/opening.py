"""How a user's pool is opened and closed, where that takes a method of its own."""

from __future__ import annotations

import inspect
import os
from typing import Any

from psycopg2.extensions import connection

from poolviz.pools.custom.library_pools import library_objects
from poolviz.pools.custom.methods import is_async, needs_none
from poolviz.pools.custom.server_arguments import (
    RunServer,
    is_server_argument,
    server_arguments,
    spread_of,
)

_OPEN = (
    *("open", "open_pool", "start", "startup", "init", "init_pool", "initialize", "initialise"),
    *("initialize_pool", "initialise_pool", "create_pool", "setup", "setup_pool"),
    *("connect", "__aenter__"),
)
_SPREAD = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
_CLOSE = (
    *("closeall", "close_all", "aclose", "close", "dispose", "shutdown", "close_pool"),
    *("disconnect", "stop", "terminate"),
)


def set_environment(server: RunServer, *, to_run: bool) -> None:
    """Let libpq name the run's connections; and be told the run's server, with `to_run`."""
    if name := server.parts.get("application_name"):
        os.environ["PGAPPNAME"] = name
    if to_run:
        os.environ.update(server.environment())


def open_now(pool: Any, acquire: str, server: RunServer, factory: type[connection]) -> None:
    """Open a pool of threads by its method for that, if it isn't open or if that method takes the
    server; by its `__enter__`, if it isn't open and has no other."""
    closed = _isnt_open(pool)
    for name in _OPEN[:-2]:
        if name == acquire or not callable(getattr(type(pool), name, None)):
            continue
        if arguments := _server_for(pool, name, server, factory):
            getattr(pool, name)(**arguments)
            return
        if closed and needs_none(pool, name):
            getattr(pool, name)()
            return
    if closed and hasattr(type(pool), "__enter__"):
        entered = pool.__enter__()
        if entered is not pool and entered is not None:
            pool.__exit__(None, None, None)  # it gave a connection


def _isnt_open(pool: Any) -> bool:
    """Return whether a pool, or a library's pool in it, says that it is closed, or the attribute
    for the pool within it is None."""
    if any(getattr(each, "closed", None) is True for each in (pool, *library_objects(pool))):
        return True
    own = {**vars(type(pool)), **getattr(pool, "__dict__", {})}
    return any(value is None and "pool" in name.lower() for name, value in own.items())


async def open_by(pool: Any, acquire: str, server: RunServer, factory: type[connection]) -> None:
    """Open a pool of tasks by its asynchronous method for that, if it has one."""
    if inspect.ismodule(pool):
        return
    library = [each for each in library_objects(pool) if each is pool]
    if library and not hasattr(pool, "connection_class"):
        return  # asyncpg's is open, an engine needs no opening
    for name in _OPEN[:1] if library else _OPEN:
        if name == acquire or not is_async(pool, name):
            continue
        if needs_none(pool, name):
            await getattr(pool, name)()
            return
        if arguments := _server_for(pool, name, server, factory):
            await getattr(pool, name)(**arguments)
            return


def _server_for(
    pool: Any, name: str, server: RunServer, factory: type[connection]
) -> dict[str, Any]:
    """Return the arguments of a method that requires nothing but the server, or that passes on
    whatever keywords it gets; {} for any other."""
    method = getattr(pool, name)
    signature = inspect.signature(method)
    keywords = spread_of(signature).kwargs
    named = [each for each in signature.parameters.values() if each.kind not in _SPREAD]
    required = [each for each in named if each.default is each.empty]
    if not all(is_server_argument(each) for each in required) or not (required or keywords):
        return {}
    given = server_arguments(method, signature, server, factory)
    return {**given.pop(keywords, {}), **given}


async def close_by(pool: Any) -> bool:
    """Close a pool of tasks by its method for that; return whether it has one."""
    for name in _CLOSE:
        if callable(getattr(type(pool), name, None)) and needs_none(pool, name):
            done = getattr(pool, name)()
            if inspect.isawaitable(done):
                await done
            if is_async(pool, "wait_closed"):
                await pool.wait_closed()
            return True
    return False


def close_now(pool: Any) -> bool:
    """Close a pool of threads by its method for that; return whether it has one."""
    for name in _CLOSE:
        if callable(getattr(type(pool), name, None)):  # not what a __getattr__ answers
            getattr(pool, name)()
            return True
    return False
