"""Clients that are threads, and their pool."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from time import perf_counter

from poolviz.engine.client_group import (
    CANCEL_AGAIN_UNTIL,
    CANCEL_UNTIL,
    CUT_UNTIL,
    FINISH_UNTIL,
    ClientFailed,
    ClientGroup,
)
from poolviz.engine.thread_client import ThreadClient
from poolviz.load.behaviour import Behaviour
from poolviz.model.parameters import Value
from poolviz.model.sample import ReportedCounts
from poolviz.pools.base import ConnectionCounter, ThreadPool


class ThreadClientGroup(ClientGroup[ThreadClient]):
    """Clients that are threads.

    Raises what the pool raises, if that connects at once and can't.
    """

    def __init__(
        self,
        kind: type[ThreadPool],
        conninfo: str,
        counter: ConnectionCounter,
        limits: Mapping[str, Value],
        seed: int,
        *,
        on_client_failure: ClientFailed,
    ) -> None:
        super().__init__(kind, conninfo, seed, on_client_failure)
        self._pool = kind(conninfo, counter, limits)

    def set_load(self, load: Mapping[str, Value]) -> None:
        """Apply the settings of the load."""
        self._set_load(load, self._new_client)

    def follow_shape(self) -> None:
        """Let as many clients work as the load's shape says now."""
        self._follow_shape()

    def set_stuck(self, clients: int) -> None:
        """Let that many clients keep their connection."""
        self._set_stuck(clients)

    def resize(self, limits: Mapping[str, Value]) -> None:
        """Apply `limits` to the pool."""
        self._pool.resize(limits)

    def stop(self, cancel_statements: Callable[[], None]) -> None:
        """Stop every client; one that nothing else ends loses its socket."""
        began = perf_counter()
        for client in self._all:
            client.leave()
        self._pool.interrupt()
        self._join(began + FINISH_UNTIL)
        for until in (CANCEL_UNTIL, CANCEL_AGAIN_UNTIL):
            if self._remaining():
                cancel_statements()
                self._join(began + until)
        for client in self._remaining():
            client.cut()
        self._join(began + CUT_UNTIL)

    def close(self) -> None:
        """Close the pool."""
        self._pool.close()

    def reported_counts(self) -> ReportedCounts:
        """Return the pool's own counts."""
        return self._pool.reported_counts()

    def _new_client(self, behaviour: Behaviour) -> ThreadClient:
        return ThreadClient(behaviour, self._pool, self._on_client_failure)

    def _join(self, until: float) -> None:
        for client in self._remaining():
            if not client.join(until - perf_counter()):
                return
