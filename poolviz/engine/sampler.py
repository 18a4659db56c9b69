"""Takes the events of a sample each tick, and once more at each change, so that no sample spans two
segments."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from time import perf_counter, perf_counter_ns
from typing import Any

from poolviz.engine.client_group import ClientGroup
from poolviz.engine.meter import ConnectionEventBuffer, EventTaker
from poolviz.engine.pool_counts import PoolCounts
from poolviz.engine.pooler_monitor import PoolerMonitor
from poolviz.engine.server_monitor import ServerMonitor
from poolviz.load.error_kinds import CountedKind
from poolviz.model.load_generator import is_overloaded
from poolviz.model.messages import EventsTaken
from poolviz.model.parameters import Value
from poolviz.model.sample import TICK, Level, Sample
from poolviz.pools.base import Pool
from poolviz.pools.registry import is_users

_STOP_LIMIT = 1.0  # seconds for the sampler to finish a sample
_MOST_MISSED = 200  # ticks whose events wait in memory while nobody takes reports: 10 s
_UNCOUNTED = Level()  # which the events say
_logger = logging.getLogger(__name__)


class Sampler:
    """Owns the taker of events and the thread that takes them for samples.

    The control thread calls every method. `_lock` guards the taker and the segment's state, which
    both threads use. A tick for which `ready` is False is skipped and counted as missed, but not
    more than `_MOST_MISSED` in a row. If taking
    a sample fails, `on_failure` is called once in the sampler's thread, which ends. `on_no_counts`
    gets a sentence while the pool's own counts can't be had, and an empty one when they can again.
    """

    def __init__(
        self,
        *,
        kind: type[Pool],
        connections: ConnectionEventBuffer,
        client_group: ClientGroup[Any],
        server_monitor: ServerMonitor,
        pooler_monitor: PoolerMonitor,
        emit: Callable[[EventsTaken], None],
        ready: Callable[[], bool],
        on_failure: Callable[[BaseException], None],
        on_no_counts: Callable[[str], None],
    ) -> None:
        self._kind, self._client_group = kind, client_group
        self._server_monitor, self._pooler_monitor = server_monitor, pooler_monitor
        self._emit, self._ready, self._on_failure = emit, ready, on_failure
        self._counts = PoolCounts(client_group.reported_counts, on_no_counts, apart=is_users(kind))
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._failed = self._ending = False
        self._thread = threading.Thread(target=self._run, name="sampler", daemon=True)
        self._taker = EventTaker(connections, shares=kind.shares)
        self._index = self._segment = self._missed = 0
        self._load_monitor = client_group.load_monitor()
        self._faults: dict[str, Value] = {}
        self._began = self._taker.began

    def start(self, limits: Mapping[str, Value], load: Mapping[str, Value]) -> None:
        """Start taking samples, with the limits and the load that are in force."""
        self._set_in_force(limits, load)
        self._thread.start()

    def now(self) -> float:
        """Return the seconds since the run began."""
        return (perf_counter_ns() - self._began) * 1e-9

    def begin_segment(
        self,
        limits: Mapping[str, Value],
        load: Mapping[str, Value],
        faults: Mapping[str, Value],
    ) -> float:
        """End the segment with a sample, unless none was taken yet, and return when the new one
        began, in seconds since the run began."""
        with self._lock:
            at = 0.0
            if self._index:
                at = self._take(complete=True)
                self._segment += 1
            self._client_group.error_kinds.forget()
            self._faults = dict(faults)
            self._set_in_force(limits, load)
        return at

    def end_load(self) -> None:
        """Take the last sample of the load. What is sampled from here on is the end of the run, in
        which clients are stopped and the pool is closed."""
        if self._lock.acquire(timeout=_STOP_LIMIT):
            try:
                if not self._failed:
                    self._take(complete=True)
                self._ending = True
            finally:
                self._lock.release()

    def stop(self) -> int:
        """Take the last sample, and return how many connections are open then. TimeoutError if
        the sample before it isn't ready within a second."""
        self._stopping.set()
        self._thread.join(_STOP_LIMIT)
        self._load_monitor.close()
        self._counts.close()
        if not self._lock.acquire(timeout=_STOP_LIMIT):
            raise TimeoutError("a sample took too long")
        try:
            if not self._failed:
                self._take(complete=True, last=True)
            return self._taker.open
        finally:
            self._lock.release()

    def _set_in_force(self, limits: Mapping[str, Value], load: Mapping[str, Value]) -> None:
        self._limits, self._load = dict(limits), dict(load)
        self._capacity, self._kept = self._kind.capacity(limits), self._kind.kept(limits)

    def _run(self) -> None:
        try:
            self._tick()
        except BaseException as error:
            _logger.exception("taking a sample failed")
            self._failed = True
            self._on_failure(error)

    def _tick(self) -> None:
        due = perf_counter() + TICK
        while not self._stopping.wait(max(due - perf_counter(), 0)):
            late = perf_counter() - due
            passed = 1 + int(late / TICK)
            due += passed * TICK
            if not self._ready() and self._missed < _MOST_MISSED:
                self._missed += passed
                continue
            with self._lock:
                self._missed += passed - 1
                self._take()

    def _take(self, *, complete: bool = False, last: bool = False) -> float:
        """Take a sample and report it; return its end, in seconds since the run began. With it the
        segment is to be `complete`, or it is the `last` one of the run."""
        buffers = self._client_group.buffers()
        taken, errors = self._taker.take(buffers, self._kept, self._client_group, last=last)
        cpu, lag = self._load_monitor.cpu(), self._load_monitor.lag
        kinds = self._client_group.error_kinds
        sample = Sample(
            index=self._index,
            t=(taken.end - self._began) * 1e-9,
            span=(taken.end - taken.start) * 1e-9,
            segment=self._segment,
            open=_UNCOUNTED,
            used=_UNCOUNTED,
            idle=_UNCOUNTED,
            overflow=_UNCOUNTED,
            pending=_UNCOUNTED,
            retrying=_UNCOUNTED,
            errors=_names(errors, timeouts=False),
            limits=self._limits,
            load=self._load,
            capacity=self._capacity,
            reported_counts=self._counts.read(),
            server=self._server_monitor.take(),
            missed=self._missed,
            cpu=cpu,
            lag=lag,
            clients=self._client_group.active,
            faults=self._faults,
            overloaded=is_overloaded(cpu, lag),
            timeout_names=_names(errors, timeouts=True),
            error_kinds=kinds.first(self._began),
            error_counts=kinds.counts(errors, self._began, taken.end, complete=complete),
            ending=self._ending,
            clients_restarted=self._client_group.take_restarted(),
            processes=1,
            pooler=self._pooler_monitor.take(),
        )
        self._index += 1
        self._missed = 0
        self._emit(EventsTaken(sample, taken))
        return sample.t


def _names(kinds: Mapping[CountedKind, int], *, timeouts: bool) -> dict[str, int]:
    """Return counts of kinds by their names."""
    names: dict[str, int] = {}
    for kind, count in kinds.items():
        if kind.timeout == timeouts:
            names[kind.name] = names.get(kind.name, 0) + count
    return names
