"""Faults that a server can be made to cause in a run: it ends backends, locks tables, or is silent.

Nothing but the run is affected: only backends with its application name and user are ended, only
poolviz' own tables are locked, only a server that poolviz started is frozen. Each fault uses a
connection of its own, with a limit on every wait.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

from poolviz.language import tr
from poolviz.model.errors import ServerError

LOCK_LIMIT = 5  # seconds to wait for a lock
TABLES = ("accounts", "tellers", "branches")  # in the order in which clients update them

Wait = Callable[[float], bool]  # waits that many seconds; returns True early if the run is over


class FaultInjection(ABC):
    """Injects faults into the run with one application name. Any thread may call it.

    `wait` is used for every pause, so that the end of the run ends a fault. ServerError says why a
    fault can't be injected.
    """

    @abstractmethod
    def terminate(self, how_many: int | None, wait: Wait) -> int:
        """End that many of the run's backends, active ones first, or all of them with None.
        Return how many were ended."""

    @abstractmethod
    def lock_tables(self, seconds: float, wait: Wait) -> None:
        """Lock poolviz' tables for that time, or until the run is over."""

    @abstractmethod
    def hosts(self, wait: Wait) -> list[tuple[str, int]]:
        """Return the hosts and ports at which the run's connections may reach the server."""

    def freeze(self, seconds: float, wait: Wait) -> None:  # noqa: ARG002 - as where it is possible
        """Stop the server's processes for that time, or until the run is over. Only for the server
        that poolviz started."""
        raise ServerError(tr("Only the PostgreSQL that poolviz started can be frozen."))


def no_tables(code: str | None) -> ServerError:
    """Return the error for tables that aren't there."""
    return ServerError(
        tr("There are no tables to lock: poolviz creates them for statements that use them."), code
    )


def lock_timeout(code: str | None) -> ServerError:
    """Return the error for a lock that wasn't granted in time."""
    return ServerError(
        tr(
            "The tables couldn't be locked within {limit} s: the load itself holds locks on "
            "them, in transactions that it leaves open.",
            limit=LOCK_LIMIT,
        ),
        code,
    )


def lock_denied(code: str | None) -> ServerError:
    """Return the error for tables that this user may not lock."""
    return ServerError(
        tr("This user may not lock poolviz' tables, because another user owns them."), code
    )
