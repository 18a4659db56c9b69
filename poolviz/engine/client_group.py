"""A pool and the clients that use it. Starts and stops clients while the run goes on."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from array import array
from collections import deque
from collections.abc import Callable, Mapping
from time import perf_counter_ns
from typing import Generic, Protocol, TypeVar

from poolviz.engine.load_generator_monitor import LoadGeneratorMonitor
from poolviz.engine.pool_calls import PoolBlocked, Problem
from poolviz.language import tr, trn
from poolviz.load.arrival_schedule import ArrivalSchedule
from poolviz.load.behaviour import Behaviour
from poolviz.load.client_faults import ClientFaults
from poolviz.load.error_kinds import ErrorKinds
from poolviz.load.event_buffer import EventBuffer
from poolviz.load.workload import Workload
from poolviz.model.dialect import dialect_of
from poolviz.model.error_text import name_of, sentence_part
from poolviz.model.parameters import Value
from poolviz.model.sample import ReportedCounts
from poolviz.pools.base import Pool
from poolviz.pools.custom.places import Place, place_of_error
from poolviz.pools.registry import is_users
from poolviz.servers.dispatch import passwords

# Seconds after the start of a stop. Until the first, clients finish what they are doing; until the
# next two, the server is asked to cancel their statements; then their connections are cut off, and
# until the last they have time to end.
FINISH_UNTIL, CANCEL_UNTIL, CANCEL_AGAIN_UNTIL, CUT_UNTIL = 0.1, 0.6, 1.1, 1.6

OPEN_LIMIT = 6.0  # seconds without a new connection until a pool that opens is given up
CLOSE_LIMIT = 2.0  # seconds for a pool to close; what it leaves open ends with the process

_START = "clients that can't be started"  # a topic of problems
_PAUSES = (0.05, 1.0)  # seconds before a client that failed starts again: the first, the longest

_logger = logging.getLogger(__name__)


def backoff(failures: int) -> float:
    """Return how many seconds a client pauses that failed after `failures` earlier times."""
    first, longest = _PAUSES
    return min(first * 2.0 ** min(failures, 10), longest)


class ClientEvents:
    """What clients tell their group, each in its own thread or on its loop."""

    def __init__(self, on_problem: Problem) -> None:
        self._on_problem = on_problem
        self._named: set[str] = set()  # the errors that were told
        self.lost = False  # a client has ended that wasn't asked to
        self.restarts: deque[int] = deque()  # the numbers of clients that were started again

    def failed(self, behaviour: Behaviour, error: BaseException) -> None:
        """Count an error that ended what a client does. It is to begin again."""
        if behaviour.stopping:
            return
        behaviour.failed(error)
        self.restarts.append(behaviour.number)
        name = name_of(error)
        if name in self._named:
            return
        self._named.add(name)
        _logger.info("client %d ended", behaviour.number, exc_info=error)
        place = place_of_error(error)
        self._on_problem(
            "clients",
            tr(
                "Client {number} was ended by {error}{where}, and was started again.",
                number=behaviour.number,
                error=sentence_part(error),
                where=f" ({place})" if place else "",
            ),
        )

    def ended(self, number: int) -> None:
        """Note that a client's thread or task is gone, and is to be replaced."""
        _logger.info("client %d is gone", number)
        self.restarts.append(number)
        self.lost = True


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

    @property
    def place(self) -> Place | None:
        """Where in the user's code the client is."""


_Client = TypeVar("_Client", bound=GroupClient)


class ClientGroup(ABC, Generic[_Client]):
    """Owns a pool and its clients.

    The control thread calls every method but `buffers`, `take…` and `reported_counts`, which belong
    to whoever takes a sample. `on_problem` gets a topic and a sentence, from any thread, where
    clients end other than by being stopped, or can't be started. The run goes on. `numbers` has the
    connections' numbers by the `id` of the driver's object.
    """

    def __init__(
        self,
        kind: type[Pool],
        conninfo: str,
        seed: int,
        on_problem: Problem,
        numbers: Mapping[int, int],
    ) -> None:
        self._kind = kind
        self._numbers = numbers
        self._dialect = dialect_of(conninfo)
        self._seed = seed
        self._on_problem = on_problem
        self._events = ClientEvents(on_problem)
        self._too_few = False  # the system has no threads for all clients
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
    def take_findings(self) -> tuple[str, ...]:
        """Return what the pool says of its measurement, since the last call."""

    @abstractmethod
    def reported_counts(self) -> ReportedCounts:
        """Return the pool's own counts."""

    def buffers(self) -> list[EventBuffer]:
        """Return the event buffers of all clients, including those that have ended."""
        return [buffer for client in self._all for buffer in client.behaviour.buffers]

    def take(self, until: int) -> tuple[array[int], array[int], array[int]]:
        """Take the moments, up to `until`, when requests of an open load came due, and those when
        requests were dropped that no client had begun, with the ns that each had waited."""
        due, dropped, waited = array("q"), array("q"), array("q")
        for schedule in self._schedules:
            due += schedule.take_due(until)
            moments, waits = schedule.take_dropped(until)
            dropped += moments
            waited += waits
        return due, dropped, waited

    def take_restarted(self) -> int:
        """Return how many clients have ended without being asked to since the last call."""
        restarts, count = self._events.restarts, 0
        while restarts:
            restarts.popleft()
            count += 1
        return count

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

    @property
    def incomplete(self) -> bool:
        """Whether clients are missing that could be started now: `complete`, now and then."""
        return self._too_few or self._events.lost

    @abstractmethod
    def complete(self) -> None:
        """Start clients in place of those that ended or couldn't be started."""

    @abstractmethod
    def follow_shape(self) -> None:
        """Let as many clients work as the load's shape says now."""

    @abstractmethod
    def set_stuck(self, clients: int) -> None:
        """Let that many clients keep their connection until they are freed or the run ends."""

    def _abandon_requests(self) -> None:
        """Give up the requests of an open load that no client has begun: the run ends."""
        now = perf_counter_ns()
        for schedule in self._schedules:
            if not schedule.followed:
                schedule.abandon(now)

    def _set_load(
        self, load: Mapping[str, Value], new_client: Callable[[Behaviour], _Client]
    ) -> None:
        workload = self._workload = Workload(
            load,
            self._dialect,
            seed=self._seed,
            before=self._workload,
            transactional=self._kind.transactional,
            uses=self._kind.uses,
        )
        schedule = workload.arrivals.schedule
        if schedule is not None and schedule not in self._schedules:
            self._schedules = (*(a for a in self._schedules if not a.followed), schedule)
        for client in self._working:
            client.behaviour.workload = workload
            client.wake()
        self._complete(new_client)

    def _complete(self, new_client: Callable[[Behaviour], _Client]) -> None:
        """Have as many clients as the load asks for, if the system has threads for them."""
        workload = self._workload
        if workload is None:
            return
        self._events.lost = False
        wanted = workload.arrivals.most(workload.clients)
        self._working = [client for client in self._working if client.alive]
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
                    numbers=self._numbers,
                )
            )
            for number in numbers
        ]
        before = self._working
        self._working = before + new
        self._follow_shape()
        self._set_stuck(self._stuck)
        self._all = (*(c for c in self._all if c.alive or _has_events(c)), *new)
        started = self._start(new)
        self._started += started
        if started < len(new):
            self._working = before + new[:started]
            missing = set(map(id, new[started:]))
            self._all = tuple(client for client in self._all if id(client) not in missing)

    def _start(self, clients: list[_Client]) -> int:
        """Start clients until the system has no thread for one; return how many were started."""
        for place, client in enumerate(clients):
            try:
                client.start()
            except (RuntimeError, MemoryError, OSError) as error:
                if not self._too_few:
                    self._too_few = True
                    _logger.info("a client can't be started", exc_info=True)
                    self._on_problem(
                        _START,
                        tr(
                            "{clients} of {working} clients can't be started ({error}), and the "
                            "run goes on without them: the system allows no more threads. They "
                            "are started once it does.",
                            clients=len(clients) - place,
                            working=len(self._working),
                            error=sentence_part(error),
                        ),
                    )
                return place
        if self._too_few:
            self._too_few = False
            self._on_problem(_START, "")
        return len(clients)

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

    def _tell_remaining(self) -> None:
        """Report the clients that nothing has ended, with the place of one."""
        remaining = self._remaining()
        if not remaining:
            return
        places = [
            tr(" Client {number} is at {place}.", number=c.behaviour.number, place=c.place)
            for c in remaining
            if c.place
        ]
        self._on_problem(
            "stop",
            trn(
                "{n} client didn't end, whatever was tried.{places}",
                "{n} clients didn't end, whatever was tried.{places}",
                len(remaining),
                places="".join(places[:1]),
            ),
        )

    def _give_up_closing(self, error: PoolBlocked) -> None:
        """Go on without a pool that doesn't close. Raises the error if the pool is the user's own,
        which is to blame; a library's pool may wait for a server that doesn't answer."""
        if is_users(self._kind):
            raise error
        self._on_problem("stop", str(error))

    def _tell_error(self, what: str, error: BaseException) -> None:
        """Report what the user's pool raised in a call that nothing depends on."""
        _logger.info("%s failed", what, exc_info=error)
        place = place_of_error(error)
        where = f" ({place})" if place else ""
        self._on_problem(
            "stop",
            tr("{what} raised {error}{where}.", what=what, error=sentence_part(error), where=where),
        )


def _has_events(client: GroupClient) -> bool:
    return not all(buffer.empty for buffer in client.behaviour.buffers)
