"""What a client does, step by step, whoever carries the steps out: a thread or a task.

A behaviour is a coroutine that awaits its steps. A task's steps are the pool's own coroutines, and
so it waits in them as any caller of the pool does; a thread's are done when they return, and so
its coroutine runs from beginning to end without a pause. What a client does stands once, for
pools of either kind.
"""

from __future__ import annotations

import random
from asyncio import CancelledError
from collections.abc import Awaitable
from time import perf_counter, perf_counter_ns
from typing import Any, Protocol

from poolviz.load import event_buffer as events
from poolviz.load.arrival_schedule import Agenda
from poolviz.load.client_faults import Havoc
from poolviz.load.event_buffer import Log
from poolviz.load.workload import Work
from poolviz.pools.base import Pool, PoolStopped

# What ends a step before its time: a pool that was stopped, or a task's being cancelled, which only
# the end of a run does. What is left to do then is to give back.
_STOPPED = (PoolStopped, CancelledError)
_UNTIL_NUDGED = 3600.0  # seconds
_NOTHING_DUE = 0.5  # seconds after which a client looks again whether a request will be due


class Hands(Protocol):
    """What carries out the steps of a behaviour: those of a thread, or of a task."""

    def acquire(self) -> Awaitable[Any]:
        """A connection, as the pool gives it."""

    def execute(self, connection: Any, statement: str) -> Awaitable[None]:
        """Run a statement, as the pool does it; so with the four below."""

    def release(self, connection: Any) -> Awaitable[None]:
        """See `execute`."""

    def begin(self, connection: Any, transaction: bool) -> Awaitable[None]:
        """See `execute`."""

    def commit(self, connection: Any) -> Awaitable[None]:
        """See `execute`."""

    def rollback(self, connection: Any) -> Awaitable[None]:
        """See `execute`."""

    def sleep(self, seconds: float) -> Awaitable[None]:
        """Pause, unless the client leaves; a nudge ends it."""


class Behaviour:
    """One client's doings. `work`, `parked`, `stuck` and `leaving` are set from outside, at any
    time; a nudge has a sleeping client look at them."""

    __slots__ = (
        "_hands", "_leaked", "_logs", "_operation", "_pool", "_rng",
        "acquiring", "havoc", "leaving", "number", "parked", "stuck", "work",
    )  # fmt: skip

    def __init__(self, number: int, pool: type[Pool], work: Work, havoc: Havoc, seed: int) -> None:
        self.number = number
        self.work = work
        self.havoc = havoc
        self.parked = False  # the shape of the load has no use for this client just now
        self.stuck = False  # it never comes back from what it does with its connection
        self.leaving = False  # the operation in progress is the last
        self.acquiring = False  # the step in progress asks the pool for a connection
        self._logs = [Log(number)]  # one for each connection that an operation holds at once
        self._leaked: list[Any] = []
        self._operation = 0
        self._pool = pool
        self._rng = random.Random(f"{seed}/{number}")

    @property
    def logs(self) -> list[Log]:
        """What the client noted."""
        return self._logs

    async def live(self, hands: Hands) -> None:
        """Operation after operation, with a pause after each, until the client leaves."""
        self._hands = hands
        rng = self._rng
        while not self.leaving:
            work = self.work
            due = 0
            if self.parked:
                await hands.sleep(_UNTIL_NUDGED)
                continue
            if work.arrivals.agenda is not None:
                due = await self._await_request(work)
                if not due:
                    continue
            if work.checkouts > len(self._logs):
                self._make_logs(work.checkouts)
            self._operation += 1
            done = await self._operate(work, due)
            if not done:
                await hands.sleep(work.error_pause)
            elif work.think is not None and not due:
                await hands.sleep(work.think(rng))
        await self._reclaim()

    async def _await_request(self, work: Work) -> int:
        """The moment at which the request that this client is to serve was due, once it is; 0
        where the client has to look anew what there is to do."""
        agenda = work.arrivals.agenda
        assert agenda is not None
        due = agenda.claim(perf_counter_ns())
        if due is None:
            await self._hands.sleep(_NOTHING_DUE)
            return 0
        while (early := due - perf_counter_ns()) > 0 and not self._called_off(agenda, due):
            await self._hands.sleep(early * 1e-9)
        # Asked once more after the clock was read: the agenda may have been closed just before.
        if self._called_off(agenda, due):
            agenda.give_back(due)
            return 0
        return due

    def _called_off(self, agenda: Agenda, due: int) -> bool:
        """This client is not to serve a request that it has claimed."""
        return self.leaving or self.parked or agenda.void(due)

    async def _operate(self, work: Work, due: int, place: int = 0) -> bool:
        """One operation, or what it does from its connection number `place` on, while it holds
        those before; False after an error. `due` is when it was, in open load; else 0."""
        hands, havoc, log, done = self._hands, self.havoc, self._logs[place], False
        late = max(perf_counter_ns() - due, 1) if due else 0
        log.note(events.BEGUN if late else events.REQUESTED)
        log.stamp()
        self.acquiring = True
        try:
            connection = await hands.acquire()
        except (Exception, CancelledError) as error:  # noqa: BLE001 - `_denied` knows them apart
            connection = await self._denied(work, log, late, error)
            if connection is None:
                return False
        else:
            self._got(log, late)
        try:
            if work.transaction is not None:
                await hands.begin(connection, work.transaction)
            if havoc.slow_by:
                await hands.execute(connection, work.sleep.format(havoc.slow_by))
            for sql in work.sql(self._rng, self.number, self._operation):
                await hands.execute(connection, sql)
            if work.ends is not None:
                await (hands.commit if work.ends == "commit" else hands.rollback)(connection)
            if work.adds_row:
                work.rows.add()
            while self.stuck and not self.leaving:
                await hands.sleep(_UNTIL_NUDGED)
            if place + 1 < work.checkouts:
                done = await self._operate(work, 0, place + 1)
            else:
                if work.hold is not None:
                    await hands.sleep(work.hold(self._rng))
                done = True
        except (Exception, CancelledError) as error:  # noqa: BLE001 - what drivers raise are figures
            self._failed(error)
        if havoc.leak_every and done and not place and self._operation % havoc.leak_every == 0:
            self._leak(log, connection)
            return True
        log.note((events.RETURNED if place else events.RELEASED) if done else events.BROKEN)
        log.stamp()
        try:
            await hands.release(connection)
        except (Exception, CancelledError) as error:  # noqa: BLE001 - as above
            self._failed(error)
            done = False
        return done

    async def _denied(self, work: Work, log: Log, late: int, error: BaseException) -> Any:
        """What the client does when acquire raises `error`: a connection, where it asks again and
        gets one; else None."""
        pool = self._pool
        refusals, began = 0, perf_counter()
        while True:
            self.acquiring = False
            if isinstance(error, _STOPPED):
                self.leaving = True
                return self._without(log, events.FAILED)
            refused = isinstance(error, pool.refused)
            if not refused and not isinstance(error, pool.exhausted):
                return self._without(log, events.FAILED, error)
            if pool.waits and not refused:
                if late:
                    log.late.append(late)
                return self._without(log, events.TIMED_OUT_LATE if late else events.TIMED_OUT)
            if not work.retries:
                return self._without(log, events.FAILED, error)
            refusals += 1
            log.note(events.REFUSED)
            log.stamp()
            await self._hands.sleep(work.backoff(refusals, self._rng))
            work = self.work
            if self.leaving or not work.retries:
                return self._without(log, events.GAVE_UP, error)
            log.note(events.RETRIED)
            log.stamp()
            self.acquiring = True
            try:
                connection = await self._hands.acquire()
            except (Exception, CancelledError) as again:  # noqa: BLE001 - as above
                error = again
            else:
                self._got(log, late)
                log.own_waits.append(perf_counter() - began)
                return connection

    def _got(self, log: Log, late: int) -> None:
        """Note that acquire gave a connection."""
        self.acquiring = False
        if late:
            log.late.append(late)
        log.note(events.ACQUIRED_LATE if late else events.ACQUIRED)
        log.stamp()

    def _without(self, log: Log, event: int, error: BaseException | None = None) -> None:
        """Note that acquire came to nothing."""
        log.note(event)
        log.stamp()
        if error is not None:
            self._failed(error)

    def _leak(self, log: Log, connection: Any) -> None:
        """Keep a connection for ever, which is for as long as the run lasts."""
        log.note(events.LEAKED)
        log.stamp()
        self._leaked.append(connection)

    async def _reclaim(self) -> None:
        """Give back what leaked, so that the run leaves nothing behind."""
        log = self._logs[0]
        while self._leaked:
            connection = self._leaked.pop()
            log.note(events.RECLAIMED)
            log.stamp()
            try:
                await self._hands.release(connection)
            except (Exception, CancelledError) as error:  # noqa: BLE001 - as above
                self._failed(error)

    def _make_logs(self, number: int) -> None:
        """Have so many logs: one for each connection that an operation holds at once."""
        while len(self._logs) < number:
            log = Log(self.number)
            log.known = True  # by the first one
            self._logs.append(log)

    def _failed(self, error: BaseException) -> None:
        # What the end of the run cut short is no fault of the pool's or the server's.
        if not self.leaving:
            self._logs[0].errors.append(type(error).__name__)
