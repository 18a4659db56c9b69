"""What a client does, step by step, whoever carries the steps out: a thread or a task.

A behaviour is a generator. It yields a step and its argument, and is sent the outcome, or is
thrown what the step raised. So what a client does stands once, for pools of either kind.
"""

from __future__ import annotations

import random
from collections.abc import Generator
from time import perf_counter, perf_counter_ns
from typing import Any

from poolviz.load import log as events
from poolviz.load.agenda import Agenda
from poolviz.load.havoc import Havoc
from poolviz.load.log import Log
from poolviz.load.work import Work
from poolviz.pools.base import Pool, PoolStopped

# The steps, as indices into the table of whoever carries them out.
ACQUIRE, EXECUTE, SLEEP, RELEASE, BEGIN, COMMIT, ROLLBACK = range(7)

Steps = Generator[tuple[int, Any], Any, None]
_Step = tuple[int, Any]

_ENDS = {"commit": COMMIT, "rollback": ROLLBACK}
_UNTIL_NUDGED = 3600.0  # seconds
_NOTHING_DUE = 0.5  # seconds after which a client looks again whether a request will be due


class Behaviour:
    """One client's doings. `work`, `parked`, `stuck` and `leaving` are set from outside, at any
    time; a nudge has a sleeping client look at them."""

    __slots__ = (
        "_leaked", "_logs", "_operation", "_pool", "_rng",
        "havoc", "leaving", "number", "parked", "stuck", "work",
    )  # fmt: skip

    def __init__(self, number: int, pool: type[Pool], work: Work, havoc: Havoc, seed: int) -> None:
        self.number = number
        self.work = work
        self.havoc = havoc
        self.parked = False  # the shape of the load has no use for this client just now
        self.stuck = False  # it never comes back from what it does with its connection
        self.leaving = False  # the operation in progress is the last
        self._logs = [Log(number)]  # one for each connection that an operation holds at once
        self._leaked: list[Any] = []
        self._operation = 0
        self._pool = pool
        self._rng = random.Random(f"{seed}/{number}")

    @property
    def logs(self) -> list[Log]:
        """What the client noted."""
        return self._logs

    def steps(self) -> Steps:
        """Operation after operation, with a pause after each, until the client leaves."""
        rng = self._rng
        while not self.leaving:
            work = self.work
            due = 0
            if self.parked:
                yield SLEEP, _UNTIL_NUDGED
                continue
            if work.arrivals.agenda is not None:
                due = yield from self._await_request(work)
                if not due:
                    continue
            done = yield from self._operate(work, due)
            if not done:
                yield SLEEP, work.error_pause
            elif work.think is not None and not due:
                yield SLEEP, work.think(rng)
        yield from self._reclaim()

    def _await_request(self, work: Work) -> Generator[_Step, Any, int]:
        """The moment at which the request that this client is to serve was due, once it is; 0
        where the client has to look anew what there is to do."""
        agenda = work.arrivals.agenda
        assert agenda is not None
        due = agenda.claim(perf_counter_ns())
        if due is None:
            yield SLEEP, _NOTHING_DUE
            return 0
        while (early := due - perf_counter_ns()) > 0 and not self._called_off(agenda, due):
            yield SLEEP, early * 1e-9
        # Asked once more after the clock was read: the agenda may have been closed just before.
        if self._called_off(agenda, due):
            agenda.give_back(due)
            return 0
        return due

    def _called_off(self, agenda: Agenda, due: int) -> bool:
        """This client is not to serve a request that it has claimed."""
        return self.leaving or self.parked or agenda.void(due)

    def _operate(self, work: Work, due: int) -> Generator[_Step, Any, bool]:
        """One operation; False after an error. `due` is when it was, in open load; else 0."""
        self._operation += 1
        held: list[tuple[Log, Any]] = []
        havoc, done = self.havoc, False
        try:
            for log in self._logs if work.checkouts == len(self._logs) else self._logs_for(work):
                connection = yield from self._acquire(work, log, due)
                if connection is None:
                    break
                due = 0
                held.append((log, connection))
                if work.transaction is not None:
                    yield BEGIN, (connection, work.transaction)
                if havoc.slow_by:
                    yield EXECUTE, (connection, work.sleep.format(havoc.slow_by))
                for sql in work.sql(self._rng, self.number, self._operation):
                    yield EXECUTE, (connection, sql)
                if work.ends is not None:
                    yield _ENDS[work.ends], connection
                if work.adds_row:
                    work.rows.add()
                while self.stuck and not self.leaving:
                    yield SLEEP, _UNTIL_NUDGED
            else:
                if work.hold is not None:
                    yield SLEEP, work.hold(self._rng)
                done = True
        except Exception as error:  # noqa: BLE001 - whatever a driver raises is a figure here
            self._failed(error)
        if done and havoc.leak_every and self._operation % havoc.leak_every == 0:
            self._leak(*held.pop(0))
        while held:
            log, connection = held.pop()
            way = events.RETURNED if log is not self._logs[0] else events.RELEASED
            log.note(way if done else events.BROKEN)
            log.stamp()
            try:
                yield RELEASE, connection
            except Exception as error:  # noqa: BLE001 - as above
                self._failed(error)
                done = False
        return done or self.leaving

    def _acquire(self, work: Work, log: Log, due: int) -> Generator[_Step, Any, Any]:
        """A connection; None where there was none and the client goes on without."""
        pool = self._pool
        refusals, began = 0, 0.0
        late = perf_counter_ns() - due if due else 0
        log.note(events.BEGUN if due else events.REQUESTED)
        while True:
            log.stamp()
            try:
                connection = yield ACQUIRE, None
            except PoolStopped:
                self.leaving = True
                return self._without(log, events.FAILED)
            except pool.refused as error:
                refusal = error
            except pool.exhausted as error:
                if pool.waits:
                    if late:
                        log.late.append(late)
                    return self._without(log, events.TIMED_OUT_LATE if late else events.TIMED_OUT)
                refusal = error
            except Exception as error:  # noqa: BLE001 - as above
                return self._without(log, events.FAILED, error)
            else:
                if late:
                    log.late.append(late)
                log.note(events.ACQUIRED_LATE if late else events.ACQUIRED)
                log.stamp()
                if refusals:
                    log.own_waits.append(perf_counter() - began)
                return connection
            if not work.retries:
                return self._without(log, events.FAILED, refusal)
            began = began or perf_counter()
            refusals += 1
            log.note(events.REFUSED)
            log.stamp()
            yield SLEEP, work.backoff(refusals, self._rng)
            work = self.work
            if self.leaving or not work.retries:
                return self._without(log, events.GAVE_UP, refusal)
            log.note(events.RETRIED)

    def _without(self, log: Log, event: int, error: Exception | None = None) -> None:
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

    def _reclaim(self) -> Generator[_Step, Any, None]:
        """Give back what leaked, so that the run leaves nothing behind."""
        log = self._logs[0]
        while self._leaked:
            connection = self._leaked.pop()
            log.note(events.RECLAIMED)
            log.stamp()
            try:
                yield RELEASE, connection
            except Exception as error:  # noqa: BLE001 - as above
                self._failed(error)

    def _logs_for(self, work: Work) -> list[Log]:
        """A log for each connection that an operation holds at once, the operation's own first."""
        logs = self._logs
        for _ in range(work.checkouts - len(logs)):
            log = Log(self.number)
            log.known = True  # by the first one
            logs.append(log)
        return logs[: work.checkouts]

    def _failed(self, error: Exception) -> None:
        # What the end of the run cut short is no fault of the pool's or the server's.
        if not self.leaving:
            self._logs[0].errors.append(type(error).__name__)
