"""The methods by which a user's class lends its connections and takes them back.

Known are the names of psycopg2's pools and those that other pools have. A class that gives its
connections as context managers, or connections that go back to it when they are closed, needs no
method to take them back.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, NamedTuple

from poolviz.model.errors import InputError
from poolviz.pools.base import NotAConnection

# Where several are there, the first pair is meant.
_PAIRS: dict[str, tuple[str, ...]] = {
    "getconn": ("putconn",),
    "get_connection": (
        *("release_connection", "return_connection", "put_connection", "give_back_connection"),
        *("close_connection", "release", "putconn"),
    ),
    "get_conn": ("put_conn", "release_conn", "return_conn", "release"),
    "acquire_connection": ("release_connection",),
    "acquire": ("release",),
    "checkout": ("checkin",),
    "check_out": ("check_in",),
    "borrow": ("give_back", "return_", "release"),
    "take": ("give_back", "give", "put"),
    "get": ("put", "release", "give_back"),
    "connection": (),
    "connect": (),
}
# Without a method for it, these give connections that go back when they are closed.
_GIVEN_BACK_BY_CLOSE = ("get_connection", "get_conn", "connection", "connect")


class LendingMethods(NamedTuple):
    """The names of a class's methods; without `release`, a connection is closed instead."""

    acquire: str
    release: str | None


class Loan(NamedTuple):
    """A connection, and how to give it back."""

    connection: Any
    give_back: Callable[[], object]


def lending_methods(cls: type[Any]) -> LendingMethods | None:
    """Return the methods of a class; None if it has none that are known."""
    for acquire, releases in _PAIRS.items():
        if not callable(getattr(cls, acquire, None)):
            continue
        release = next((each for each in releases if callable(getattr(cls, each, None))), None)
        if release or acquire in _GIVEN_BACK_BY_CLOSE or _is_context_manager(cls, acquire):
            return LendingMethods(acquire, release)
    return None


def lacking(cls: type[Any]) -> str:
    """Return what a class lacks to be a connection pool, as part of a sentence; "" if nothing."""
    if lending_methods(cls) is not None:
        return ""
    for acquire, releases in _PAIRS.items():
        if callable(getattr(cls, acquire, None)) and releases:
            return releases[0]
    return "getconn and putconn"


def check_methods(cls: type[Any], methods: LendingMethods, id: str) -> None:
    """Raise InputError if one of a class's methods is asynchronous."""
    for name in methods:
        method = inspect.unwrap(getattr(cls, name)) if name else None
        if inspect.iscoroutinefunction(method) or inspect.isasyncgenfunction(method):
            raise InputError(
                f"{id} can't be used: its {name} is asynchronous, and clients of such a class are "
                "threads; write a function that isn't async, or derive the class from "
                "poolviz.pools.base.TaskPool."
            )


def borrow(pool: Any, methods: LendingMethods) -> Loan:
    """Return a connection of a user's pool.

    Raises whatever the pool raises, and NotAConnection for what has no cursor.
    """
    given = getattr(pool, methods.acquire)()
    if not hasattr(given, "cursor") and isinstance(given, AbstractContextManager):
        connection = given.__enter__()
        loan = Loan(connection, lambda: given.__exit__(None, None, None))
    else:
        loan = Loan(given, _giving_back(pool, methods, given))
    if loan.connection is None:
        if given is not None:
            loan.give_back()
        raise NotAConnection(f"{methods.acquire} returned None")
    if not callable(getattr(loan.connection, "cursor", None)):
        if inspect.iscoroutine(loan.connection):
            loan.connection.close()
        else:
            loan.give_back()  # it may be one of a limited number
        kind = type(loan.connection).__name__
        raise NotAConnection(f"{methods.acquire} returned a {kind}, which has no cursor()")
    return loan


def _giving_back(pool: Any, methods: LendingMethods, given: Any) -> Callable[[], object]:
    def give_back() -> None:
        if methods.release is None:
            given.close()
        else:
            getattr(pool, methods.release)(given)

    return give_back


def _is_context_manager(cls: type[Any], name: str) -> bool:
    """Return whether a method is decorated with contextlib.contextmanager."""
    method = getattr(cls, name)
    return inspect.isgeneratorfunction(inspect.unwrap(method)) and method is not inspect.unwrap(
        method
    )
