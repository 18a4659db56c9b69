"""The clients of a run and the pool they share: as many as the load asks for, none at its end."""

from __future__ import annotations

from abc import ABC, abstractmethod
from array import array
from collections.abc import Callable, Mapping
from time import perf_counter
from typing import Generic, Protocol, TypeVar

from poolviz.engine.load_generator_monitor import Pulse
from poolviz.engine.thread_client import Client
from poolviz.load.arrival_schedule import Agenda
from poolviz.load.behaviour import Behaviour
from poolviz.load.client_faults import Havoc
from poolviz.load.event_buffer import Log
from poolviz.load.workload import Work
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
        self._work: Work | None = None
        self._stuck = 0
        self.havoc = Havoc()
        self._agendas: tuple[Agenda, ...] = ()  # abandoned ones too; replaced whole
        self.at_work = 0  # clients that the load's shape has work for
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
        return [log for client in self._all for log in client.behaviour.logs]

    def take(self, until: int) -> tuple[array[int], array[int]]:
        """When requests of an open load came due and were given up, up to `until`. Called by
        whoever takes a sample."""
        due, dropped = array("q"), array("q")
        for agenda in self._agendas:
            due += agenda.take_due(until)
            dropped += agenda.take_dropped(until)
        return due, dropped

    @property
    def varies(self) -> bool:
        """The load's shape changes the number of clients at work: `keep_shape` it, often."""
        return self._work is not None and self._work.arrivals.varies

    def committed(self) -> int:
        """How many rows the clients have added and committed, by their own account."""
        return 0 if self._work is None else self._work.rows.total()

    def pulse(self) -> Pulse:
        """Beats where the clients live."""
        return Pulse()

    @abstractmethod
    def keep_shape(self) -> None:
        """Have as many clients at work as the load's shape says now."""

    @abstractmethod
    def stick(self, clients: int) -> None:
        """Have so many clients never come back from what they do with their connection."""

    def _work_as(self, load: Mapping[str, Value], hire: Callable[[Behaviour], _Member]) -> None:
        work = self._work = Work(
            load,
            self._dialect,
            seed=self._seed,
            before=self._work,
            transactional=self._kind.transactional,
        )
        agenda = work.arrivals.agenda
        if agenda is not None and agenda not in self._agendas:
            self._agendas = (*(a for a in self._agendas if not a.followed), agenda)
        for client in self._working:
            client.behaviour.work = work
            client.nudge()
        wanted = work.arrivals.most(work.clients)
        surplus = self._working[wanted:]
        del self._working[wanted:]
        for client in surplus:
            client.leave()
        numbers = range(self._hired, self._hired + wanted - len(self._working))
        new = [
            hire(Behaviour(number, self._kind, work, self.havoc, self._seed)) for number in numbers
        ]
        self._hired += len(new)
        self._working += new
        self._all = (*(c for c in self._all if c.alive or _unread(c)), *new)
        self._keep_shape()
        self._stick(self._stuck)
        for client in new:
            client.start()

    def _keep_shape(self) -> None:
        if self._work is None:
            return
        self.at_work = self._work.arrivals.at_work(self._work.clients)
        for place, client in enumerate(self._working):
            behaviour, parked = client.behaviour, place >= self.at_work
            if behaviour.parked != parked:
                behaviour.parked = parked
                client.nudge()

    def _stick(self, clients: int) -> None:
        self._stuck = clients
        for place, client in enumerate(self._working):
            behaviour, stuck = client.behaviour, place < clients
            if behaviour.stuck != stuck:
                behaviour.stuck = stuck
                client.nudge()

    def _remaining(self) -> list[_Member]:
        return [client for client in self._all if client.alive]


def _unread(client: Member) -> bool:
    return not all(log.empty for log in client.behaviour.logs)


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

    def keep_shape(self) -> None:
        """Have as many clients at work as the load's shape says now."""
        self._keep_shape()

    def stick(self, clients: int) -> None:
        """Have so many clients never come back."""
        self._stick(clients)

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
