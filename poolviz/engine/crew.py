"""The clients of a run: as many as the load asks for, and all of them gone at its end."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from time import perf_counter

from poolviz.engine.client import Client
from poolviz.load.behaviour import Behaviour
from poolviz.load.log import Log
from poolviz.load.work import Work
from poolviz.model.parameters import Value
from poolviz.pools.base import Pool

# Seconds after the order to stop at which it is made stronger.
_CANCEL_AFTER, _CANCEL_AGAIN_AFTER, _CUT_AFTER, _GIVE_UP_AFTER = 0.1, 0.6, 1.1, 1.6


class Crew:
    """Owns the clients and their threads. The control thread calls everything but `logs`."""

    def __init__(self, pool: Pool, seed: int) -> None:
        self._pool = pool
        self._seed = seed
        self._hired = 0
        self._working: list[Client] = []
        self._all: tuple[Client, ...] = ()  # leaving ones too; replaced whole, read by the sampler

    def work_as(self, load: Mapping[str, Value]) -> None:
        """Have as many clients as `load` says, working as it says."""
        work = Work(load)
        for client in self._working:
            client.behaviour.work = work
            client.nudge()
        surplus = self._working[work.clients :]
        del self._working[work.clients :]
        for client in surplus:
            client.leave()
        new = [
            Client(Behaviour(number, type(self._pool), work, self._seed), self._pool)
            for number in range(self._hired, self._hired + work.clients - len(self._working))
        ]
        self._hired += len(new)
        self._working += new
        self._all = (*(c for c in self._all if c.alive or not c.behaviour.log.empty), *new)
        for client in new:
            client.start()

    def logs(self) -> list[Log]:
        """What the clients noted, of those who left as well. Called by whoever takes a sample."""
        return [client.behaviour.log for client in self._all]

    def dismiss(self, cancel_statements: Callable[[], None]) -> None:
        """End every client within two seconds, whatever it is doing.

        First they are let go on their own; then the server is asked to cancel their statements;
        then their sockets are shut. A thread that even so doesn't end is left to the process.
        """
        began = perf_counter()
        for client in self._all:
            client.leave()
        self._pool.interrupt()
        self._join(began + _CANCEL_AFTER)
        for until in (_CANCEL_AGAIN_AFTER, _CUT_AFTER):
            if self._remaining():
                cancel_statements()
                self._join(began + until)
        for client in self._remaining():
            client.cut()
        self._join(began + _GIVE_UP_AFTER)
        self._working = []

    def _remaining(self) -> list[Client]:
        return [client for client in self._all if client.alive]

    def _join(self, until: float) -> None:
        for client in self._remaining():
            if not client.join(until - perf_counter()):
                return
