"""Connections that a user's pool lends to threads, of whatever kind, and how to use them.

A connection may be a driver's, a proxy around one, a cursor, or SQLAlchemy's Connection or Session.
"""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, NamedTuple

from poolviz.language import tr
from poolviz.pools.base import NotAConnection
from poolviz.pools.custom.library_pools import attributes
from poolviz.pools.custom.methods import LendingMethods, takes_none

# Attributes by which proxies of SQLAlchemy, DBUtils and others give the driver's connection.
_BEHIND = ("driver_connection", "dbapi_connection", "_con")
_DEEPEST = 4  # proxies within each other
_DRIVERS = {"psycopg2", "psycopg", "asyncpg", "aiopg", "aiomysql", "pymysql", "sqlite3"}


class Loan(NamedTuple):
    """A connection, and how to give it back."""

    connection: Any
    give_back: Callable[[], object]


class Lender:
    """A user's pool and the methods by which it lends its connections to threads."""

    def __init__(self, pool: Any, methods: LendingMethods) -> None:
        self._acquire, self._name = getattr(pool, methods.acquire), methods.acquire
        self._release: Callable[[Any], object] = close
        if methods.release is not None:
            release = getattr(pool, methods.release)
            bare = takes_none(pool, methods.release)
            self._release = (lambda _: release()) if bare else release

    def borrow(self) -> Loan:
        """Return a connection of the pool.

        Raises whatever the pool raises, and NotAConnection for what executes no statement.
        """
        given = self._acquire()
        if inspect.isgenerator(given):
            generator = given
            given = contextlib.contextmanager(lambda: generator)()
        if not is_usable(given) and isinstance(given, AbstractContextManager):
            connection = given.__enter__()
            loan = Loan(connection, lambda: given.__exit__(None, None, None))
        else:
            loan = Loan(given, lambda: self._release(given))
        if loan.connection is None:
            if given is not None:
                loan.give_back()
            raise NotAConnection(tr("{name} returned None", name=self._name))
        if not is_usable(loan.connection):
            reject(self._name, loan.connection, loan.give_back)
        try:
            core_connection(loan.connection)  # a Session acquires its connection when it is used
        except BaseException:
            loan.give_back()
            raise
        return loan


def close(connection: Any) -> object:
    """Close a connection, which gives it back to a pool that lends proxies."""
    return connection.close()


def reject(acquire: str, given: Any, give_back: Callable[[], object]) -> None:
    """Give back what is no connection, for it may be one of a limited number, and raise
    NotAConnection."""
    kind = type(given).__name__
    if inspect.iscoroutine(given):
        given.close()
    else:
        give_back()
    if inspect.isawaitable(given) or hasattr(given, "__aenter__"):
        raise NotAConnection(
            tr(
                "{acquire} returned a {kind}, for clients that are tasks: say --own-pool "
                "clients=tasks",
                acquire=acquire,
                kind=kind,
            )
        )
    raise NotAConnection(
        tr("{acquire} returned a {kind}, which has no cursor()", acquire=acquire, kind=kind)
    )


def is_usable(given: Any) -> bool:
    """Return whether statements can be executed on what a pool gave to a thread."""
    if inspect.iscoroutinefunction(getattr(given, "execute", None)):
        return False
    return callable(getattr(given, "cursor", None)) or is_sqlalchemys(given) or _is_cursor(given)


def is_sqlalchemys(given: Any) -> bool:
    """Return whether that is SQLAlchemy's Connection, or its Session."""
    return hasattr(given, "exec_driver_sql") or all(
        callable(getattr(given, name, None)) for name in ("connection", "execute", "get_bind")
    )


def _is_cursor(given: Any) -> bool:
    names = ("execute", "fetchall")
    return all(callable(getattr(given, name, None)) for name in names) and hasattr(
        given, "connection"
    )


def execute(connection: Any, statement: str) -> bool:
    """Execute a statement and fetch all rows, if that isn't done by a cursor of the connection's.

    Return whether it was.
    """
    if callable(getattr(connection, "cursor", None)):
        return False
    if _is_cursor(connection):
        connection.execute(statement)
        if connection.description is not None:
            connection.fetchall()
        return True
    # Statements without parameters reach the driver as they are: a % in them is no placeholder.
    options = {"no_parameters": True}
    core = core_connection(connection)
    result = core.exec_driver_sql(statement, execution_options=options)
    if result.returns_rows:
        result.fetchall()
    return True


def core_connection(connection: Any) -> Any:
    """Return SQLAlchemy's Connection of a Session; any other connection as it is."""
    if hasattr(connection, "exec_driver_sql") or not is_sqlalchemys(connection):
        return connection
    return connection.connection()


def transactional(connection: Any) -> Any:
    """Return what has `commit` and `rollback`: a cursor's connection, else the connection."""
    return connection.connection if _is_cursor(connection) else connection


def driver_connection(connection: Any) -> Any:
    """Return the driver's connection behind a proxy; what has none is the connection."""
    if _is_cursor(connection) and not hasattr(connection, "cursor"):
        connection = connection.connection
    core = core_connection(connection)
    if hasattr(core, "exec_driver_sql"):
        connection = core.connection
    for _ in range(_DEEPEST):
        names = (name for name in _BEHIND if hasattr(type(connection), name))
        own = getattr(connection, "__dict__", {})
        name = next(names, next((each for each in _BEHIND if each in own), None))
        behind = _wrapped_in(connection) if name is None else getattr(connection, name, None)
        if behind is None or not hasattr(behind, "cursor"):
            break
        connection = behind
    return connection


def _wrapped_in(connection: Any) -> Any:
    """Return the only driver's connection among the attributes of an object that is none itself;
    None if there is none, or there are several."""
    if _is_drivers(connection):
        return None
    found = {id(each): each for each in attributes(connection) if _is_drivers(each)}
    return found.popitem()[1] if len(found) == 1 else None


def _is_drivers(value: Any) -> bool:
    """Return whether that is a connection of a driver's class, or of one derived from it."""
    if not (hasattr(type(value), "cursor") and hasattr(type(value), "close")):
        return False
    return any(base.__module__.partition(".")[0] in _DRIVERS for base in type(value).__mro__)
