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
from poolviz.load.arrival_schedule import ArrivalSchedule
from poolviz.load.client_faults import ClientFaults
from poolviz.load.event_buffer import EventBuffer
from poolviz.load.workload import Workload
from poolviz.pools.base import Pool, PoolStopped

# What ends a step before its time: a pool that was stopped, or a task's being cancelled, which only
# the end of a run does. What is left to do then is to give back.
_STOPPED = (PoolStopped, CancelledError)
_UNTIL_WOKEN = 3600.0  # seconds
_NOTHING_DUE = 0.5  # seconds after which a client looks again whether a request will be due


class Actions(Protocol):
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
        """Pause, unless the client leaves; a wake ends it."""


class Behaviour:
    """One client's doings. `workload`, `parked`, `stuck` and `stopping` are set from outside, at
    any time; a wake has a sleeping client look at them."""

    __slots__ = (
        "_actions",
        "_buffers",
        "_leaked",
        "_operation",
        "_pool",
        "_rng",
        "acquiring",
        "client_faults",
        "number",
        "parked",
        "stopping",
        "stuck",
        "workload",
    )  # fmt: skip

    def __init__(
        self,
        number: int,
        pool: type[Pool],
        workload: Workload,
        client_faults: ClientFaults,
        seed: int,
    ) -> None:
        self.number = number
        self.workload = workload
        self.client_faults = client_faults
        self.parked = False  # the shape of the load has no use for this client just now
        self.stuck = False  # it never comes back from what it does with its connection
        self.stopping = False  # the operation in progress is the last
        self.acquiring = False  # the step in progress asks the pool for a connection
        self._buffers = [
            EventBuffer(number)
        ]  # one for each connection that an operation holds at once
        self._leaked: list[Any] = []
        self._operation = 0
        self._pool = pool
        self._rng = random.Random(f"{seed}/{number}")

    @property
    def buffers(self) -> list[EventBuffer]:
        """What the client noted."""
        return self._buffers

    async def live(self, actions: Actions) -> None:
        """Operation after operation, with a pause after each, until the client leaves."""
        self._actions = actions
        rng = self._rng
        while not self.stopping:
            workload = self.workload
            due = 0
            if self.parked:
                await actions.sleep(_UNTIL_WOKEN)
                continue
            if workload.arrivals.schedule is not None:
                due = await self._await_request(workload)
                if not due:
                    continue
            if workload.checkouts > len(self._buffers):
                self._make_buffers(workload.checkouts)
            self._operation += 1
            done = await self._operate(workload, due)
            if not done:
                await actions.sleep(workload.error_pause)
            elif workload.think is not None and not due:
                await actions.sleep(workload.think(rng))
        await self._reclaim()

    async def _await_request(self, workload: Workload) -> int:
        """The moment at which the request that this client is to serve was due, once it is; 0
        where the client has to look anew what there is to do."""
        schedule = workload.arrivals.schedule
        assert schedule is not None
        due = schedule.claim(perf_counter_ns())
        if due is None:
            await self._actions.sleep(_NOTHING_DUE)
            return 0
        while (early := due - perf_counter_ns()) > 0 and not self._called_off(schedule, due):
            await self._actions.sleep(early * 1e-9)
        # Asked once more after the clock was read: the schedule may have been closed just before.
        if self._called_off(schedule, due):
            schedule.give_back(due)
            return 0
        return due

    def _called_off(self, schedule: ArrivalSchedule, due: int) -> bool:
        """This client is not to serve a request that it has claimed."""
        return self.stopping or self.parked or schedule.void(due)

    async def _operate(self, workload: Workload, due: int, place: int = 0) -> bool:
        """One operation, or what it does from its connection number `place` on, while it holds
        those before; False after an error. `due` is when it was, in open load; else 0."""
        actions, client_faults, buffer, done = (
            self._actions,
            self.client_faults,
            self._buffers[place],
            False,
        )
        late = max(perf_counter_ns() - due, 1) if due else 0
        buffer.note(events.BEGUN if late else events.REQUESTED)
        buffer.stamp()
        self.acquiring = True
        try:
            connection = await actions.acquire()
        except (Exception, CancelledError) as error:  # noqa: BLE001 - `_denied` knows them apart
            connection = await self._denied(workload, buffer, late, error)
            if connection is None:
                return False
        else:
            self._got(buffer, late)
        try:
            if workload.transaction is not None:
                await actions.begin(connection, workload.transaction)
            if client_faults.slow_by:
                await actions.execute(connection, workload.sleep.format(client_faults.slow_by))
            for sql in workload.sql(self._rng, self.number, self._operation):
                await actions.execute(connection, sql)
            if workload.ends is not None:
                await (actions.commit if workload.ends == "commit" else actions.rollback)(
                    connection
                )
            if workload.adds_row:
                workload.rows.add()
            while self.stuck and not self.stopping:
                await actions.sleep(_UNTIL_WOKEN)
            if place + 1 < workload.checkouts:
                done = await self._operate(workload, 0, place + 1)
            else:
                if workload.hold is not None:
                    await actions.sleep(workload.hold(self._rng))
                done = True
        except (Exception, CancelledError) as error:  # noqa: BLE001 - what drivers raise are figures
            self._failed(error)
        if (
            client_faults.leak_every
            and done
            and not place
            and self._operation % client_faults.leak_every == 0
        ):
            self._leak(buffer, connection)
            return True
        buffer.note((events.RETURNED if place else events.RELEASED) if done else events.BROKEN)
        buffer.stamp()
        try:
            await actions.release(connection)
        except (Exception, CancelledError) as error:  # noqa: BLE001 - as above
            self._failed(error)
            done = False
        return done

    async def _denied(
        self, workload: Workload, buffer: EventBuffer, late: int, error: BaseException
    ) -> Any:
        """What the client does when acquire raises `error`: a connection, where it asks again and
        gets one; else None."""
        pool = self._pool
        refusals, began = 0, perf_counter()
        while True:
            self.acquiring = False
            if isinstance(error, _STOPPED):
                self.stopping = True
                return self._without(buffer, events.FAILED)
            refused = isinstance(error, pool.refused)
            if not refused and not isinstance(error, pool.exhausted):
                return self._without(buffer, events.FAILED, error)
            if pool.waits and not refused:
                if late:
                    buffer.late.append(late)
                return self._without(buffer, events.TIMED_OUT_LATE if late else events.TIMED_OUT)
            if not workload.retries:
                return self._without(buffer, events.FAILED, error)
            refusals += 1
            buffer.note(events.REFUSED)
            buffer.stamp()
            await self._actions.sleep(workload.backoff(refusals, self._rng))
            workload = self.workload
            if self.stopping or not workload.retries:
                return self._without(buffer, events.GAVE_UP, error)
            buffer.note(events.RETRIED)
            buffer.stamp()
            self.acquiring = True
            try:
                connection = await self._actions.acquire()
            except (Exception, CancelledError) as again:  # noqa: BLE001 - as above
                error = again
            else:
                self._got(buffer, late)
                buffer.own_waits.append(perf_counter() - began)
                return connection

    def _got(self, buffer: EventBuffer, late: int) -> None:
        """Note that acquire gave a connection."""
        self.acquiring = False
        if late:
            buffer.late.append(late)
        buffer.note(events.ACQUIRED_LATE if late else events.ACQUIRED)
        buffer.stamp()

    def _without(self, buffer: EventBuffer, event: int, error: BaseException | None = None) -> None:
        """Note that acquire came to nothing."""
        buffer.note(event)
        buffer.stamp()
        if error is not None:
            self._failed(error)

    def _leak(self, buffer: EventBuffer, connection: Any) -> None:
        """Keep a connection for ever, which is for as long as the run lasts."""
        buffer.note(events.LEAKED)
        buffer.stamp()
        self._leaked.append(connection)

    async def _reclaim(self) -> None:
        """Give back what leaked, so that the run leaves nothing behind."""
        buffer = self._buffers[0]
        while self._leaked:
            connection = self._leaked.pop()
            buffer.note(events.RECLAIMED)
            buffer.stamp()
            try:
                await self._actions.release(connection)
            except (Exception, CancelledError) as error:  # noqa: BLE001 - as above
                self._failed(error)

    def _make_buffers(self, number: int) -> None:
        """Have so many buffers: one for each connection that an operation holds at once."""
        while len(self._buffers) < number:
            buffer = EventBuffer(self.number)
            buffer.known = True  # by the first one
            self._buffers.append(buffer)

    def _failed(self, error: BaseException) -> None:
        # What the end of the run cut short is no fault of the pool's or the server's.
        if not self.stopping:
            self._buffers[0].errors.append(type(error).__name__)
