"""What a client does, step by step, whether a thread or an asyncio task carries it out.

A behaviour is a coroutine. The steps of a task are the pool's own coroutines, which it awaits as
any caller of the pool does. The steps of a thread are complete when they return and aren't awaited,
since what a client does between them costs operations; so a thread's coroutine runs from beginning
to end without being suspended.
"""

from __future__ import annotations

import random
from asyncio import CancelledError
from collections.abc import Mapping
from time import perf_counter, perf_counter_ns
from typing import Any

from poolviz.load import event_buffer as events
from poolviz.load.arrival_schedule import ArrivalSchedule
from poolviz.load.cancellation import (
    Cancellations,
    CancelledByClient,
    CancelledSteps,
    TimedOutSteps,
)
from poolviz.load.client_faults import ClientFaults
from poolviz.load.error_kinds import ErrorKinds
from poolviz.load.event_buffer import EventBuffer
from poolviz.load.steps import Actions, Steps
from poolviz.load.workload import Workload
from poolviz.pools.base import Pool, PoolStopped, a_connection
from poolviz.pools.connections.transactions import in_transaction

_NO_NUMBERS: Mapping[int, int] = {}
_UNTIL_WOKEN = 3600.0  # seconds
_NOTHING_DUE = 0.5  # seconds after which a client checks again for a request


class Behaviour:
    """What one client does, in its own thread or task.

    `workload`, `parked`, `stuck` and `stopping` are set by other threads at any time; waking a
    sleeping client makes it read them.
    """

    __slots__ = (
        "_actions",
        "_awaits",
        "_buffers",
        "_cancellations",
        "_cancelled",
        "_error_kinds",
        "_held",
        "_leaked",
        "_lent",
        "_numbers",
        "_operation",
        "_pool",
        "_rng",
        "_steps",
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
        *,
        client_faults: ClientFaults,
        error_kinds: ErrorKinds,
        seed: int,
        numbers: Mapping[int, int] = _NO_NUMBERS,
    ) -> None:
        self.number = number
        self.workload = workload
        self.client_faults = client_faults
        self.parked = False  # the shape of the load doesn't need this client now
        self.stuck = False  # it hangs while it holds its connection
        self.stopping = False  # the operation in progress is the last one
        self.acquiring = False  # it is waiting for a connection
        # The connections that it holds or is giving back: that of a plain operation, and others
        # with the steps of their use. Only the client's own thread or task changes them.
        self._lent: Any = None
        self._held: list[tuple[Steps, Any]] = []
        self._awaits = False  # its steps are those of a task
        self._buffers = [EventBuffer(number)]  # one for each connection of an operation
        self._cancellations = Cancellations(f"{seed}/{number}")
        self._cancelled: CancelledSteps | TimedOutSteps | None = None  # those of the operation
        self._error_kinds = error_kinds
        self._leaked: list[tuple[Steps, Any]] = []
        self._numbers = numbers  # of connections, by the `id` of the driver's object
        self._operation = 0
        self._pool = pool
        self._rng = random.Random(f"{seed}/{number}")

    @property
    def buffers(self) -> list[EventBuffer]:
        """The client's events, in one buffer for each connection of an operation."""
        return self._buffers

    async def live(self, actions: Actions) -> None:
        """Run operations, with a pause after each, until the client is stopped."""
        self._actions, self._awaits = actions, actions.awaits
        known: Workload | None = None
        rng, client_faults = self._rng, self.client_faults
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
            if workload is not known:
                self._make_buffers(workload.checkouts)
                self._steps = actions.steps(workload.use)
                known = workload
            if workload.plain and not (
                self.stuck or client_faults.leak_every or client_faults.slow_by
            ):
                if not await self._operate_plainly(workload):
                    await actions.sleep(workload.error_pause)
                continue
            self._operation += 1
            if workload.cancel_share:
                done = await self._operate_cancelled(workload, due)
            else:
                done = await self._operate(self._steps, workload, due)
            if not done:
                await actions.sleep(workload.error_pause)
            elif workload.think is not None and not due:
                await actions.sleep(workload.think(rng))
        await self._reclaim()

    async def _operate_plainly(self, workload: Workload) -> bool:
        """Run operations of a plain load until something changes; return False if one fails.

        They do what `_operate` does, step by step, but nothing is looked up or called for each of
        them that can be had once, since whatever is done between the pool's own calls is time that
        measuring costs.
        """
        buffer, steps, awaits = self._buffers[0], self._steps, self._awaits
        note, stamp, add_number = buffer.note, buffer.stamp, buffer.connections.append
        acquire, execute, release = steps.acquire, steps.execute, steps.release
        driver, number_of = steps.driver, self._numbers.get
        end = {"commit": steps.commit, "rollback": steps.rollback}.get(workload.after_hold)
        fixed_sql, adds_row = workload.fixed_sql, bool(workload.adds_row)
        requested, acquired, released = events.REQUESTED, events.ACQUIRED, events.RELEASED
        client_faults, think, rng = self.client_faults, workload.think, self._rng
        while True:
            self._operation += 1
            note(requested)
            stamp()
            self.acquiring = True
            try:
                connection = acquire()
                if awaits:
                    connection = await connection
                if connection is None:
                    a_connection(connection)  # raises
            except BaseException as error:  # noqa: BLE001 - `_denied` tells them apart
                connection = await self._denied(steps, workload, buffer, 0, error)
                if connection is None or not await self._use(
                    steps, workload, buffer, connection, 0
                ):
                    return False
                if think is not None:
                    await self._actions.sleep(think(rng))
                return True
            self._lent = connection
            self.acquiring = False
            try:
                number = number_of(id(driver(connection)), -1)
            except Exception:  # noqa: BLE001 - a property of a user's connection
                number = -1
            add_number(number)
            note(acquired)
            stamp()
            try:
                for sql in fixed_sql or workload.sql(rng, self.number, self._operation):
                    step = execute(connection, sql)
                    if awaits:
                        await step
                if end is not None:
                    step = end(connection)
                    if awaits:
                        await step
                if adds_row:
                    workload.rows.add()
            except BaseException as error:  # noqa: BLE001 - what pools and drivers raise are figures
                self.failed(error)
                return await self._give_back(steps, workload, buffer, connection, events.BROKEN)
            note(released)
            stamp()
            try:
                step = release(connection)
                if awaits:
                    await step
            except BaseException as error:  # noqa: BLE001 - as above
                self.failed(error)
                return False
            finally:
                self._lent = None
            connection = None  # which the next acquire may otherwise find referred to
            if think is not None:
                await self._actions.sleep(think(rng))
            if (
                self.workload is not workload
                or self.stopping
                or self.parked
                or self.stuck
                or client_faults.leak_every
                or client_faults.slow_by
            ):
                return True

    async def _operate_cancelled(self, workload: Workload, due: int) -> bool:
        """Run an operation of a load in which some are cancelled; return False after an error."""
        moment = self._cancellations.next(workload.cancel_share)
        if moment is None:
            return await self._operate(self._steps, workload, due)
        alarm, cancellations = self._actions.alarm(), self._cancellations
        self._cancelled = (
            TimedOutSteps(self._steps, workload.dialect, cancellations, moment)
            if alarm is None
            else CancelledSteps(self._steps, alarm, cancellations, workload.cancel_in, moment)
        )
        try:
            done = await self._operate(self._cancelled, workload, due)
            if self._cancelled.swallowed is not None:
                self.failed(self._cancelled.swallowed)
            return done
        finally:
            self._cancelled.end()
            self._cancelled = None

    def _is_cancelled(self, error: BaseException) -> bool:
        """Return whether `error` came because the operation was cancelled on purpose."""
        cancelled = self._cancelled
        return cancelled is not None and isinstance(cancelled.meant(error), CancelledByClient)

    async def _await_request(self, workload: Workload) -> int:
        """Wait for a request to serve, and return the moment at which it was due.

        Return 0 if there was none, or something has changed meanwhile.
        """
        schedule = workload.arrivals.schedule
        assert schedule is not None
        due = schedule.claim(perf_counter_ns())
        if due is None:
            await self._actions.sleep(_NOTHING_DUE)
            return 0
        while (early := due - perf_counter_ns()) > 0 and not self._called_off(schedule, due):
            await self._actions.sleep(early * 1e-9)
        # Checked again after the clock was read: the schedule may have been closed just before.
        if self._called_off(schedule, due):
            schedule.give_back(due)
            return 0
        return due

    def _called_off(self, schedule: ArrivalSchedule, due: int) -> bool:
        """Return whether this client shouldn't serve the request that it has claimed."""
        return self.stopping or self.parked or schedule.void(due)

    async def _operate(self, steps: Steps, workload: Workload, due: int, depth: int = 0) -> bool:
        """Run one operation; return False after an error.

        An operation that holds several connections calls this again for each further one, with
        its `depth`. `due` is the moment at which a request of an open load was due, else 0.
        """
        buffer = self._buffers[depth]
        late = max(perf_counter_ns() - due, 1) if due else 0
        buffer.note(events.BEGUN if late else events.REQUESTED)
        buffer.stamp()
        self.acquiring = True
        try:
            connection = steps.acquire()
            if self._awaits:
                connection = await connection
            if connection is None:
                a_connection(connection)  # raises
        except BaseException as error:  # noqa: BLE001 - `_denied` tells them apart
            connection = await self._denied(steps, workload, buffer, late, error)
            if connection is None:
                return False
        else:
            self._got(steps, connection, buffer, late)
        return await self._use(steps, workload, buffer, connection, depth)

    async def _use(
        self, steps: Steps, workload: Workload, buffer: EventBuffer, connection: Any, depth: int
    ) -> bool:
        """Do what an operation does with the connection that it has got; return False after an
        error."""
        client_faults, awaits, done = self.client_faults, self._awaits, False
        try:
            if workload.transaction is not None or client_faults.slow_by:
                await self._prepare(steps, workload, connection)
            for sql in workload.fixed_sql or workload.sql(self._rng, self.number, self._operation):
                step = steps.execute(connection, sql)
                if awaits:
                    await step
            if workload.goes_on or self.stuck:
                done = await self._go_on(steps, workload, connection, depth)
            else:
                done = True
            if done and workload.after_hold:
                commits = workload.after_hold == "commit"
                step = steps.commit(connection) if commits else steps.rollback(connection)
                if awaits:
                    await step
                if workload.adds_row == "after_hold":
                    workload.rows.add()
        except BaseException as error:  # noqa: BLE001 - what pools and drivers raise are figures
            done = False
            self.failed(error)
        if (
            client_faults.leak_every
            and done
            and not depth
            and self._operation % client_faults.leak_every == 0
        ):
            self._leak(buffer, steps, connection)
            return True
        event = events.RETURNED if depth else events.RELEASED
        return await self._give_back(
            steps, workload, buffer, connection, event if done else events.BROKEN
        )

    async def _give_back(
        self, steps: Steps, workload: Workload, buffer: EventBuffer, connection: Any, event: int
    ) -> bool:
        """Release a connection at the end of its operation, or after an error, as `event` says;
        return False if there was one."""
        if event == events.BROKEN and workload.rolls_back:
            await self._roll_back(steps, connection)
        buffer.note(event)
        buffer.stamp()
        try:
            await self._done(steps.release(connection))
        except BaseException as error:  # noqa: BLE001 - as above
            self.failed(error)
            return False
        finally:
            self._drop(connection)
        return event != events.BROKEN

    async def _prepare(self, steps: Steps, workload: Workload, connection: Any) -> None:
        """Do what comes before an operation's statements."""
        if workload.transaction is not None:
            await self._done(steps.begin(connection, workload.transaction))
        if self.client_faults.slow_by:
            sleep = workload.sleep.format(self.client_faults.slow_by)
            await self._done(steps.execute(connection, sleep))

    async def _go_on(self, steps: Steps, workload: Workload, connection: Any, depth: int) -> bool:
        """Do what an operation does between its statements and the end of its hold; return False
        after an error of a further connection."""
        if workload.before_hold:
            commits = workload.before_hold == "commit"
            await self._done(steps.commit(connection) if commits else steps.rollback(connection))
        if workload.adds_row == "before_hold":
            workload.rows.add()
        nests = depth + 1 < workload.checkouts
        if workload.hold is not None or nests or self.stuck:
            _hold(steps, connection, self._buffers[depth])
        while self.stuck and not self.stopping:
            await self._actions.sleep(_UNTIL_WOKEN)
        if nests:
            return await self._operate(steps, workload, 0, depth + 1)
        if workload.hold is not None:
            await self._actions.sleep(workload.hold(self._rng))
        return True

    async def _denied(
        self,
        steps: Steps,
        workload: Workload,
        buffer: EventBuffer,
        late: int,
        error: BaseException,
    ) -> Any:
        """Note that acquire raised `error`, and try again if the settings say so.

        Return the connection if a retry got one, else None.
        """
        pool = self._pool
        refusals, began = 0, perf_counter()
        while True:
            self.acquiring = False
            # The end of a run stops the pool or cancels the task. Then all that is left to do is
            # to release. A cancellation that comes from somewhere else is an error.
            if isinstance(error, PoolStopped) or (
                self.stopping and isinstance(error, CancelledError)
            ):
                self.stopping = True
                if late:
                    buffer.late.append(late)
                return self._without(buffer, events.CUT_SHORT_LATE if late else events.CUT_SHORT)
            if self._is_cancelled(error):
                if late:
                    buffer.late.append(late)
                event = events.CUT_SHORT_LATE if late else events.CUT_SHORT
                return self._without(buffer, event, error)
            refused = isinstance(error, pool.refused)
            if not refused and not isinstance(error, pool.exhausted):
                return self._without(buffer, events.FAILED, error)
            if pool.waits and not refused:
                if late:
                    buffer.late.append(late)
                buffer.timeouts.append(self._error_kinds.kind(error, timeout=True))
                return self._without(buffer, events.TIMED_OUT_LATE if late else events.TIMED_OUT)
            if not workload.retries:
                return self._without(buffer, events.FAILED, error)
            refusals += 1
            buffer.note(events.REFUSED)
            buffer.stamp()
            try:
                await self._actions.sleep(workload.backoff(refusals, self._rng))
            except CancelledError as cancelled:
                if not self._is_cancelled(cancelled):
                    raise
                return self._without(buffer, events.GAVE_UP, cancelled)
            workload = self.workload
            if self.stopping or not workload.retries:
                return self._without(buffer, events.GAVE_UP, error)
            buffer.note(events.RETRIED)
            buffer.stamp()
            self.acquiring = True
            try:
                connection = a_connection(await self._done(steps.acquire()))
            except BaseException as again:  # noqa: BLE001 - as above
                error = again
            else:
                self._got(steps, connection, buffer, late)
                buffer.own_waits.append(perf_counter() - began)
                return connection

    def _got(self, steps: Steps, connection: Any, buffer: EventBuffer, late: int) -> None:
        """Note that acquire returned a connection."""
        self.acquiring = False
        self._held.append((self._steps, connection))
        try:
            number = self._numbers.get(id(steps.driver(connection)), -1)
        except Exception:  # noqa: BLE001 - a property of a user's connection
            number = -1
        buffer.connections.append(number)
        if late:
            buffer.late.append(late)
        buffer.note(events.ACQUIRED_LATE if late else events.ACQUIRED)
        buffer.stamp()

    def _without(self, buffer: EventBuffer, event: int, error: BaseException | None = None) -> None:
        """Note that acquire failed."""
        buffer.note(event)
        buffer.stamp()
        if error is not None:
            self.failed(error)

    def _leak(self, buffer: EventBuffer, steps: Steps, connection: Any) -> None:
        """Keep a connection until the end of the run."""
        buffer.note(events.LEAKED)
        buffer.stamp()
        self._leaked.append((steps, connection))

    async def _reclaim(self) -> None:
        """Release the leaked connections, so that the run leaves nothing behind."""
        buffer = self._buffers[0]
        while self._leaked:
            steps, connection = self._leaked.pop()
            buffer.note(events.RECLAIMED)
            buffer.stamp()
            try:
                await self._done(steps.release(connection))
            except BaseException as error:  # noqa: BLE001 - as above
                self.failed(error)
            finally:
                self._drop(connection)

    def held(self) -> list[tuple[Steps, Any]]:
        """Return the connections that the client holds or is giving back, with the steps of their
        use. Called from any thread."""
        held, lent = self._held.copy(), self._lent
        return held if lent is None else [*held, (self._steps, lent)]

    def holds(self, connection: Any) -> bool:
        """Return whether the client holds that connection. Called from any thread."""
        # By identity: a user's connection may be equal to others.
        return any(one is connection for _, one in self.held())

    def _drop(self, connection: Any) -> None:
        """Take a connection that was given back from those that are held."""
        if self._lent is connection:
            self._lent = None
        self._held[:] = [one for one in self._held if one[1] is not connection]

    def _make_buffers(self, number: int) -> None:
        """Make `number` buffers: one for each connection of an operation."""
        while len(self._buffers) < number:
            buffer = EventBuffer(self.number)
            buffer.known = True  # by its first buffer
            self._buffers.append(buffer)

    def failed(self, error: BaseException) -> None:
        """Count an error. Called in the client's own thread or task.

        Raises GeneratorExit if the client's coroutine is being closed, which allows no further
        step.
        """
        # What the end of the run cuts short isn't an error of the pool or the server.
        if not self.stopping:
            if self._cancelled is not None:
                error = self._cancelled.meant(error)
            self._buffers[0].errors.append(self._error_kinds.kind(error))
        elif isinstance(error, GeneratorExit):
            raise error

    async def _done(self, step: Any) -> Any:
        """Return what a step returns once it is complete, which a thread's already is."""
        return await step if self._awaits else step

    async def _roll_back(self, steps: Steps, connection: Any) -> None:
        """Roll back after an error, which is the one that counts, as an application does."""
        try:
            await self._done(steps.rollback(connection))
        except GeneratorExit:
            raise  # the client's coroutine is being closed, and no further step is possible
        except BaseException:  # noqa: BLE001, S110 - the operation has failed already
            pass


def _hold(steps: Steps, connection: Any, buffer: EventBuffer) -> None:
    """Note that the client's statements are done, and that it keeps the connection for a while."""
    try:
        is_open = in_transaction(steps.driver(connection))
    except Exception:  # noqa: BLE001 - a property of a user's connection, or of one that is lost
        is_open = False
    if is_open:
        buffer.stamp_held_in_transaction()
    else:
        buffer.stamp_held()
