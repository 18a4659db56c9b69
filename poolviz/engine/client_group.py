"""A pool and the clients that use it. Starts and stops clients while the run goes on."""

from __future__ import annotations

from abc import ABC, abstractmethod
from array import array
from collections.abc import Callable, Mapping
from typing import Generic, Protocol, TypeVar

from poolviz.engine.load_generator_monitor import LoadGeneratorMonitor
from poolviz.load.arrival_schedule import ArrivalSchedule
from poolviz.load.behaviour import Behaviour
from poolviz.load.client_faults import ClientFaults
from poolviz.load.error_kinds import ErrorKinds
from poolviz.load.event_buffer import EventBuffer
from poolviz.load.workload import Workload
from poolviz.model.dialect import dialect_of
from poolviz.model.parameters import Value
from poolviz.model.sample import ReportedCounts
from poolviz.pools.base import Pool
from poolviz.servers.dispatch import passwords

# Seconds after the start of a stop. Until the first, clients finish what they are doing; until the
# next two, the server is asked to cancel their statements; then their connections are cut off, and
# until the last they have time to end.
FINISH_UNTIL, CANCEL_UNTIL, CANCEL_AGAIN_UNTIL, CUT_UNTIL = 0.1, 0.6, 1.1, 1.6

ClientFailed = Callable[[int, BaseException], None]


class GroupClient(Protocol):
    """A client, as far as its group needs to know it."""

    behaviour: Behaviour

    def start(self) -> None:
        """Start the client."""

    def leave(self) -> None:
        """Ask the client to end after the operation in progress."""

    def wake(self) -> None:
        """End the sleep in progress."""

    @property
    def alive(self) -> bool:
        """Whether the client has yet to end."""


_Client = TypeVar("_Client", bound=GroupClient)


class ClientGroup(ABC, Generic[_Client]):
    """Owns a pool and its clients.

    The control thread calls every method but `buffers`, `take` and `reported_counts`, which belong
    to whoever takes a sample. `on_client_failure` gets the number of a client and what it ended
    by, if it ended other than by being stopped; it is called in the client's thread or loop.
    """

    def __init__(
        self, kind: type[Pool], conninfo: str, seed: int, on_client_failure: ClientFailed
    ) -> None:
        self._kind = kind
        self._dialect = dialect_of(conninfo)
        self._seed = seed
        self._on_client_failure = on_client_failure
        self._started = 0
        self._workload: Workload | None = None
        self._stuck = 0
        self.client_faults = ClientFaults()
        self.error_kinds = ErrorKinds(passwords(conninfo))
        self.active = 0  # clients that the load's shape lets work
        self._schedules: tuple[ArrivalSchedule, ...] = ()  # abandoned ones too; replaced whole
        self._working: list[_Client] = []
        self._all: tuple[_Client, ...] = ()  # those that are leaving too; replaced whole

    @abstractmethod
    def set_load(self, load: Mapping[str, Value]) -> None:
        """Apply the settings of the load: start and stop clients, and change what they do."""

    @abstractmethod
    def resize(self, limits: Mapping[str, Value]) -> None:
        """Apply `limits` to the pool. Raises if connections that are now required can't be
        opened."""

    @abstractmethod
    def stop(self, cancel_statements: Callable[[], None]) -> None:
        """Stop every client within two seconds, whatever it is doing.

        Clients first end their operation, then the server is asked to cancel their statements, then
        their connections are cut off. A client that doesn't end even so is left to the process.
        """

    @abstractmethod
    def close(self) -> None:
        """Close the pool."""

    @abstractmethod
    def reported_counts(self) -> ReportedCounts:
        """Return the pool's own counts."""

    def buffers(self) -> list[EventBuffer]:
        """Return the event buffers of all clients, including those that have ended."""
        return [buffer for client in self._all for buffer in client.behaviour.buffers]

    def take(self, until: int) -> tuple[array[int], array[int]]:
        """Take the moments, up to `until`, when requests of an open load came due, and those when
        requests were dropped that no client had begun."""
        due, dropped = array("q"), array("q")
        for schedule in self._schedules:
            due += schedule.take_due(until)
            dropped += schedule.take_dropped(until)
        return due, dropped

    @property
    def varies(self) -> bool:
        """Whether the load's shape changes the number of active clients: `follow_shape`, often."""
        return self._workload is not None and self._workload.arrivals.varies

    def committed(self) -> int:
        """Return how many rows the clients have added and committed, by their own count."""
        return 0 if self._workload is None else self._workload.rows.total()

    def load_monitor(self) -> LoadGeneratorMonitor:
        """Return a monitor whose timers run where the clients do."""
        return LoadGeneratorMonitor()

    @abstractmethod
    def follow_shape(self) -> None:
        """Let as many clients work as the load's shape says now."""

    @abstractmethod
    def set_stuck(self, clients: int) -> None:
        """Let that many clients keep their connection until they are freed or the run ends."""

    def _set_load(
        self, load: Mapping[str, Value], new_client: Callable[[Behaviour], _Client]
    ) -> None:
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
            new_client(
                Behaviour(
                    number,
                    self._kind,
                    workload,
                    client_faults=self.client_faults,
                    error_kinds=self.error_kinds,
                    seed=self._seed,
                )
            )
            for number in numbers
        ]
        self._started += len(new)
        self._working += new
        self._all = (*(c for c in self._all if c.alive or _has_events(c)), *new)
        self._follow_shape()
        self._set_stuck(self._stuck)
        for client in new:
            client.start()

    def _follow_shape(self) -> None:
        if self._workload is None:
            return
        self.active = self._workload.arrivals.at_work(self._workload.clients)
        for place, client in enumerate(self._working):
            behaviour, parked = client.behaviour, place >= self.active
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


def _has_events(client: GroupClient) -> bool:
    return not all(buffer.empty for buffer in client.behaviour.buffers)
