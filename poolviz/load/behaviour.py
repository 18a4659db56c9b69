"""What a client does, step by step, whoever carries the steps out: a thread or a task.

A behaviour is a generator. It yields a step and its argument, and is sent the outcome, or is
thrown what the step raised. So what a client does stands once, for pools of either kind.
"""

from __future__ import annotations

import random
from collections.abc import Generator
from time import perf_counter
from typing import Any

from poolviz.load import log as events
from poolviz.load.log import Log
from poolviz.load.work import Work
from poolviz.pools.base import Pool, PoolStopped

# The steps, as indices into the table of whoever carries them out.
ACQUIRE, EXECUTE, SLEEP, RELEASE = range(4)

Steps = Generator[tuple[int, Any], Any, None]


class Behaviour:
    """One client's doings. `work` and `leaving` are set from outside, at any time."""

    __slots__ = ("_pool", "_rng", "leaving", "log", "work")

    def __init__(self, number: int, pool: type[Pool], work: Work, seed: int) -> None:
        self.log = Log(number)
        self.work = work
        self.leaving = False  # the operation in progress is the last
        self._pool = pool
        self._rng = random.Random(f"{seed}/{number}")

    def steps(self) -> Steps:
        """Operation after operation, with a pause after each, until the client leaves."""
        rng = self._rng
        while not self.leaving:
            work = self.work
            done = yield from self._operate(work)
            if not done:
                yield SLEEP, work.error_pause
            elif work.think is not None:
                yield SLEEP, work.think(rng)

    def _operate(self, work: Work) -> Generator[tuple[int, Any], Any, bool]:
        """One operation; False after an error."""
        connection = yield from self._acquire(work)
        if connection is None:
            return self.leaving
        log, rng = self.log, self._rng
        try:
            yield EXECUTE, (connection, work.statement(rng))
            if work.hold is not None:
                yield SLEEP, work.hold(rng)
        except Exception as error:  # noqa: BLE001 - whatever a driver raises is a figure here
            log.note(events.BROKEN)
            log.stamp()
            self._failed(error)
            yield from self._release(connection)
            return False
        log.note(events.RELEASED)
        log.stamp()
        return (yield from self._release(connection))

    def _acquire(self, work: Work) -> Generator[tuple[int, Any], Any, Any]:
        """A connection; None where there was none and the client goes on without."""
        log, pool = self.log, self._pool
        refusals, began = 0, 0.0
        log.note(events.REQUESTED)
        while True:
            log.stamp()
            try:
                connection = yield ACQUIRE, None
            except PoolStopped:
                self.leaving = True
                return self._without(events.FAILED)
            except pool.exhausted as error:
                if pool.waits:
                    return self._without(events.TIMED_OUT)
                if not work.retries:
                    return self._without(events.FAILED, error)
                refusal = error
            except Exception as error:  # noqa: BLE001 - as above
                return self._without(events.FAILED, error)
            else:
                log.note(events.ACQUIRED)
                log.stamp()
                if refusals:
                    log.own_waits.append(perf_counter() - began)
                return connection
            began = began or perf_counter()
            refusals += 1
            log.note(events.REFUSED)
            log.stamp()
            yield SLEEP, work.backoff(refusals, self._rng)
            work = self.work
            if self.leaving or not work.retries:
                return self._without(events.GAVE_UP, refusal)
            log.note(events.RETRIED)

    def _without(self, event: int, error: Exception | None = None) -> None:
        """Note that acquire came to nothing."""
        self.log.note(event)
        self.log.stamp()
        if error is not None:
            self._failed(error)

    def _release(self, connection: Any) -> Generator[tuple[int, Any], Any, bool]:
        try:
            yield RELEASE, connection
        except Exception as error:  # noqa: BLE001 - as above
            self._failed(error)
            return False
        return True

    def _failed(self, error: Exception) -> None:
        # What the end of the run cut short is no fault of the pool's or the server's.
        if not self.leaving:
            self.log.errors.append(type(error).__name__)
