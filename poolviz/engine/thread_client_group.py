"""Clients that are threads, and their pool."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from time import perf_counter

from poolviz.engine.client_group import (
    CANCEL_AGAIN_UNTIL,
    CANCEL_UNTIL,
    CLOSE_LIMIT,
    CUT_UNTIL,
    FINISH_UNTIL,
    OPEN_LIMIT,
    ClientGroup,
)
from poolviz.engine.meter import ConnectionEventBuffer
from poolviz.engine.pool_calls import Patience, PoolBlocked, PoolCalls, Problem
from poolviz.engine.thread_client import ThreadClient
from poolviz.language import tr
from poolviz.load.behaviour import Behaviour
from poolviz.model.parameters import Value
from poolviz.model.sample import ReportedCounts
from poolviz.pools.base import NOTHING, ThreadPool

_CALL_LIMIT = 1.0  # seconds for a call that ends what clients wait for


class ThreadClientGroup(ClientGroup[ThreadClient]):
    """Clients that are threads. The pool is made, resized and closed in one thread of its own.

    Raises what the pool raises, if that connects at once and can't, or PoolBlocked.
    """

    def __init__(
        self,
        kind: type[ThreadPool],
        conninfo: str,
        connections: ConnectionEventBuffer,
        limits: Mapping[str, Value],
        seed: int,
        *,
        patience: Patience,
        on_problem: Problem,
        connect: Mapping[str, Value] = NOTHING,
    ) -> None:
        super().__init__(kind, conninfo, seed, on_problem, connections.numbers)
        self._calls = PoolCalls(patience)
        given = (connect,) if connect else ()  # which a class of the user's needn't take
        try:
            self._pool = self._calls.make(
                tr("Opening the pool"),
                lambda: kind(conninfo, connections, limits, *given),
                OPEN_LIMIT,
                lambda: connections.opened_so_far,
            )
        except BaseException:
            self._calls.close()
            raise

    def set_load(self, load: Mapping[str, Value]) -> None:
        """Apply the settings of the load."""
        self._set_load(load, self._new_client)

    def complete(self) -> None:
        """Start clients in place of those that ended or couldn't be started."""
        self._complete(self._new_client)

    def follow_shape(self) -> None:
        """Let as many clients work as the load's shape says now."""
        self._follow_shape()

    def set_stuck(self, clients: int) -> None:
        """Let that many clients keep their connection."""
        self._set_stuck(clients)

    def resize(self, limits: Mapping[str, Value]) -> None:
        """Apply `limits` to the pool."""
        self._calls.make(tr("Changing the pool's limits"), lambda: self._pool.resize(limits))

    def stop(self, cancel_statements: Callable[[], None]) -> None:
        """Stop every client; one that nothing else ends loses its socket."""
        began = perf_counter()
        self._abandon_requests()
        for client in self._all:
            client.behaviour.stopping = True
        # Before a client is woken that holds a connection: a caller would wait no longer for it.
        self._try(tr("Interrupting the pool's callers"), self._pool.interrupt)
        for client in self._all:
            client.leave()
        self._join(began + FINISH_UNTIL)
        for until in (CANCEL_UNTIL, CANCEL_AGAIN_UNTIL):
            if self._remaining():
                cancel_statements()
                self._join(began + until)
        if remaining := self._remaining():
            self._try(tr("Cutting off connections"), lambda: _cut(remaining))
        self._join(began + CUT_UNTIL)
        self._tell_remaining()

    def close(self) -> None:
        """Close the pool."""
        try:
            self._calls.make(tr("Closing the pool"), self._pool.close, CLOSE_LIMIT)
        except PoolBlocked as error:
            self._give_up_closing(error)
        finally:
            self._calls.close()

    def take_findings(self) -> tuple[str, ...]:
        """Return what the pool says of its measurement."""
        return self._pool.take_findings()

    def reported_counts(self) -> ReportedCounts:
        """Return the pool's own counts."""
        return self._pool.reported_counts()

    def _try(self, what: str, function: Callable[[], None]) -> None:
        """Make a call, and go on if it fails or doesn't return: others follow that end more."""
        try:
            self._calls.make(what, function, _CALL_LIMIT)
        except PoolBlocked as error:
            self._on_problem("stop", str(error))
        except BaseException as error:  # noqa: BLE001 - a user's pool may raise any
            self._tell_error(what, error)

    def _new_client(self, behaviour: Behaviour) -> ThreadClient:
        return ThreadClient(behaviour, self._pool, self._events)

    def _join(self, until: float) -> None:
        for client in self._remaining():
            if not client.join(until - perf_counter()):
                return


def _cut(clients: list[ThreadClient]) -> None:
    for client in clients:
        client.cut()
