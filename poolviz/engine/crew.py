"""The clients of a run and the pool they share: as many as the load asks for, none at its end."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from time import perf_counter
from typing import Generic, Protocol, TypeVar

from poolviz.engine.client import Client
from poolviz.load.behaviour import Behaviour
from poolviz.load.log import Log
from poolviz.load.work import Work
from poolviz.model.dialect import dialect_of
from poolviz.model.parameters import Value
from poolviz.model.sample import Books
from poolviz.pools.base import Door, Pool, ThreadPool

# Seconds after the order to stop at which it is made stronger.
LET_GO_UNTIL, CANCELLED_UNTIL, CANCELLED_AGAIN_UNTIL, CUT_UNTIL = 0.1, 0.6, 1.1, 1.6


class Member(Protocol):
    """A client, as far as a crew's lists know it."""

    behaviour: Behaviour

    def start(self) -> None:
        """Begin to work."""

    def leave(self) -> None:
        """End after the operation in progress."""

    def nudge(self) -> None:
        """End the sleep in progress, or else the next one."""

    @property
    def alive(self) -> bool:
        """The client hasn't left yet."""


_Member = TypeVar("_Member", bound=Member)


class Crew(ABC, Generic[_Member]):
    """Owns a pool and its clients. The control thread calls everything but `logs` and `books`."""

    def __init__(self, kind: type[Pool], conninfo: str, seed: int) -> None:
        self._kind = kind
        self._dialect = dialect_of(conninfo)
        self._seed = seed
        self._hired = 0
        self._working: list[_Member] = []
        self._all: tuple[_Member, ...] = ()  # leaving ones too; replaced whole

    @abstractmethod
    def work_as(self, load: Mapping[str, Value]) -> None:
        """Have as many clients as `load` says, working as it says."""

    @abstractmethod
    def resize(self, limits: Mapping[str, Value]) -> None:
        """Have the pool follow its limits; raises where it wants connections and can't connect."""

    @abstractmethod
    def dismiss(self, cancel_statements: Callable[[], None]) -> None:
        """End every client within two seconds, whatever it is doing.

        First they are let go on their own; then the server is asked to cancel their statements;
        then these are cut off. A client that even so doesn't end is left to the process.
        """

    @abstractmethod
    def close(self) -> None:
        """Close the pool."""

    @abstractmethod
    def books(self) -> Books:
        """The pool's own counts. Called by whoever takes a sample."""

    def logs(self) -> list[Log]:
        """What the clients noted, of those who left as well. Called by whoever takes a sample."""
        return [client.behaviour.log for client in self._all]

    def _work_as(self, load: Mapping[str, Value], hire: Callable[[Behaviour], _Member]) -> None:
        work = Work(load, self._dialect)
        for client in self._working:
            client.behaviour.work = work
            client.nudge()
        surplus = self._working[work.clients :]
        del self._working[work.clients :]
        for client in surplus:
            client.leave()
        numbers = range(self._hired, self._hired + work.clients - len(self._working))
        new = [hire(Behaviour(number, self._kind, work, self._seed)) for number in numbers]
        self._hired += len(new)
        self._working += new
        self._all = (*(c for c in self._all if c.alive or not c.behaviour.log.empty), *new)
        for client in new:
            client.start()

    def _remaining(self) -> list[_Member]:
        return [client for client in self._all if client.alive]


class ThreadCrew(Crew[Client]):
    """Clients that are threads."""

    def __init__(
        self,
        kind: type[ThreadPool],
        conninfo: str,
        door: Door,
        limits: Mapping[str, Value],
        seed: int,
    ) -> None:
        super().__init__(kind, conninfo, seed)
        self._pool = kind(conninfo, door, limits)

    def work_as(self, load: Mapping[str, Value]) -> None:
        """Have as many clients as `load` says, working as it says."""
        self._work_as(load, lambda behaviour: Client(behaviour, self._pool))

    def resize(self, limits: Mapping[str, Value]) -> None:
        """Have the pool follow its limits."""
        self._pool.resize(limits)

    def dismiss(self, cancel_statements: Callable[[], None]) -> None:
        """End every client; what nothing else ends loses its socket."""
        began = perf_counter()
        for client in self._all:
            client.leave()
        self._pool.interrupt()
        self._join(began + LET_GO_UNTIL)
        for until in (CANCELLED_UNTIL, CANCELLED_AGAIN_UNTIL):
            if self._remaining():
                cancel_statements()
                self._join(began + until)
        for client in self._remaining():
            client.cut()
        self._join(began + CUT_UNTIL)

    def close(self) -> None:
        """Close the pool."""
        self._pool.close()

    def books(self) -> Books:
        """The pool's own counts."""
        return self._pool.books()

    def _join(self, until: float) -> None:
        for client in self._remaining():
            if not client.join(until - perf_counter()):
                return
