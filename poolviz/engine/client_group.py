"""The clients of a run and the pool they share: as many as the load asks for, none at its end."""

from __future__ import annotations

from abc import ABC, abstractmethod
from array import array
from collections.abc import Callable, Mapping
from time import perf_counter
from typing import Generic, Protocol, TypeVar

from poolviz.engine.load_generator_monitor import LoadGeneratorMonitor
from poolviz.engine.thread_client import Client
from poolviz.load.arrival_schedule import ArrivalSchedule
from poolviz.load.behaviour import Behaviour
from poolviz.load.client_faults import ClientFaults
from poolviz.load.event_buffer import EventBuffer
from poolviz.load.workload import Workload
from poolviz.model.dialect import dialect_of
from poolviz.model.parameters import Value
from poolviz.model.sample import ReportedCounts
from poolviz.pools.base import ConnectionCounter, Pool, ThreadPool

# Seconds after the order to stop at which it is made stronger.
LET_GO_UNTIL, CANCELLED_UNTIL, CANCELLED_AGAIN_UNTIL, CUT_UNTIL = 0.1, 0.6, 1.1, 1.6


class GroupClient(Protocol):
    """A client, as far as a group's lists know it."""

    behaviour: Behaviour

    def start(self) -> None:
        """Start working."""

    def leave(self) -> None:
        """End after the operation in progress."""

    def wake(self) -> None:
        """End the sleep in progress, or else the next one."""

    @property
    def alive(self) -> bool:
        """The client hasn't left yet."""


_Client = TypeVar("_Client", bound=GroupClient)


class ClientGroup(ABC, Generic[_Client]):
    """Owns a pool and its clients. The control thread calls everything but `buffers` and
    `reported_counts`."""

    def __init__(self, kind: type[Pool], conninfo: str, seed: int) -> None:
        self._kind = kind
        self._dialect = dialect_of(conninfo)
        self._seed = seed
        self._started = 0
        self._workload: Workload | None = None
        self._stuck = 0
        self.client_faults = ClientFaults()
        self._schedules: tuple[ArrivalSchedule, ...] = ()  # abandoned ones too; replaced whole
        self.at_work = 0  # clients that the load's shape has workload for
        self._working: list[_Client] = []
        self._all: tuple[_Client, ...] = ()  # stopping ones too; replaced whole

    @abstractmethod
    def set_load(self, load: Mapping[str, Value]) -> None:
        """Have as many clients as `load` says, working as it says."""

    @abstractmethod
    def resize(self, limits: Mapping[str, Value]) -> None:
        """Have the pool follow its limits; raises where it wants connections and can't connect."""

    @abstractmethod
    def stop(self, cancel_statements: Callable[[], None]) -> None:
        """End every client within two seconds, whatever it is doing.

        First they are let go on their own; then the server is asked to cancel their statements;
        then these are cut off. A client that even so doesn't end is left to the process.
        """

    @abstractmethod
    def close(self) -> None:
        """Close the pool."""

    @abstractmethod
    def reported_counts(self) -> ReportedCounts:
        """The pool's own counts. Called by whoever takes a sample."""

    def buffers(self) -> list[EventBuffer]:
        """What the clients noted, of those who left as well. Called by whoever takes a sample."""
        return [buffer for client in self._all for buffer in client.behaviour.buffers]

    def take(self, until: int) -> tuple[array[int], array[int]]:
        """When requests of an open load came due and were given up, up to `until`. Called by
        whoever takes a sample."""
        due, dropped = array("q"), array("q")
        for schedule in self._schedules:
            due += schedule.take_due(until)
            dropped += schedule.take_dropped(until)
        return due, dropped

    @property
    def varies(self) -> bool:
        """The load's shape changes the number of clients at workload: `follow_shape` it, often."""
        return self._workload is not None and self._workload.arrivals.varies

    def committed(self) -> int:
        """How many rows the clients have added and committed, by their own account."""
        return 0 if self._workload is None else self._workload.rows.total()

    def load_monitor(self) -> LoadGeneratorMonitor:
        """Beats where the clients live."""
        return LoadGeneratorMonitor()

    @abstractmethod
    def follow_shape(self) -> None:
        """Have as many clients at workload as the load's shape says now."""

    @abstractmethod
    def set_stuck(self, clients: int) -> None:
        """Have so many clients never come back from what they do with their connection."""

    def _set_load(self, load: Mapping[str, Value], make: Callable[[Behaviour], _Client]) -> None:
        workload = self._workload = Workload(
            load,
            self._dialect,
            seed=self._seed,
            before=self._workload,
            transactional=self._kind.transactional,
        )
        schedule = workload.arrivals.schedule
        if schedule is not None and schedule not in self._schedules:
            self._schedules = (*(a for a in self._schedules if not a.followed), schedule)
        for client in self._working:
            client.behaviour.workload = workload
            client.wake()
        wanted = workload.arrivals.most(workload.clients)
        surplus = self._working[wanted:]
        del self._working[wanted:]
        for client in surplus:
            client.leave()
        numbers = range(self._started, self._started + wanted - len(self._working))
        new = [
            make(Behaviour(number, self._kind, workload, self.client_faults, self._seed))
            for number in numbers
        ]
        self._started += len(new)
        self._working += new
        self._all = (*(c for c in self._all if c.alive or _unread(c)), *new)
        self._follow_shape()
        self._set_stuck(self._stuck)
        for client in new:
            client.start()

    def _follow_shape(self) -> None:
        if self._workload is None:
            return
        self.at_work = self._workload.arrivals.at_work(self._workload.clients)
        for place, client in enumerate(self._working):
            behaviour, parked = client.behaviour, place >= self.at_work
            if behaviour.parked != parked:
                behaviour.parked = parked
                client.wake()

    def _set_stuck(self, clients: int) -> None:
        self._stuck = clients
        for place, client in enumerate(self._working):
            behaviour, stuck = client.behaviour, place < clients
            if behaviour.stuck != stuck:
                behaviour.stuck = stuck
                client.wake()

    def _remaining(self) -> list[_Client]:
        return [client for client in self._all if client.alive]


def _unread(client: GroupClient) -> bool:
    return not all(buffer.empty for buffer in client.behaviour.buffers)


class ThreadClientGroup(ClientGroup[Client]):
    """Clients that are threads."""

    def __init__(
        self,
        kind: type[ThreadPool],
        conninfo: str,
        counter: ConnectionCounter,
        limits: Mapping[str, Value],
        seed: int,
    ) -> None:
        super().__init__(kind, conninfo, seed)
        self._pool = kind(conninfo, counter, limits)

    def set_load(self, load: Mapping[str, Value]) -> None:
        """Have as many clients as `load` says, working as it says."""
        self._set_load(load, lambda behaviour: Client(behaviour, self._pool))

    def follow_shape(self) -> None:
        """Have as many clients at workload as the load's shape says now."""
        self._follow_shape()

    def set_stuck(self, clients: int) -> None:
        """Have so many clients never come back."""
        self._set_stuck(clients)

    def resize(self, limits: Mapping[str, Value]) -> None:
        """Have the pool follow its limits."""
        self._pool.resize(limits)

    def stop(self, cancel_statements: Callable[[], None]) -> None:
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

    def reported_counts(self) -> ReportedCounts:
        """The pool's own counts."""
        return self._pool.reported_counts()

    def _join(self, until: float) -> None:
        for client in self._remaining():
            if not client.join(until - perf_counter()):
                return
