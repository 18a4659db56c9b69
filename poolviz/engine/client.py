"""A simulated caller: acquires, works, releases, thinks, again and again, in its own thread."""

from __future__ import annotations

import os
import random
import socket
import threading
from contextlib import suppress
from time import perf_counter
from typing import Any

from poolviz.engine import meter
from poolviz.engine.meter import Log
from poolviz.load.work import Work
from poolviz.pools.base import Pool, PoolStopped


class Client:
    """One caller. Its thread runs `_live`; everything else is called by the control thread."""

    def __init__(self, number: int, pool: Pool, work: Work, seed: int) -> None:
        self.log = Log(number)
        self.work = work  # replaced whole when the settings change
        self._pool = pool
        self._rng = random.Random(f"{seed}/{number}")
        self._leaving = False
        self._connection: Any = None
        # Sleeping is waiting for this lock, which only `nudge` ever releases.
        self._bell = threading.Lock()
        self._bell.acquire()
        self._thread = threading.Thread(target=self._live, name=f"client {number}", daemon=True)

    def start(self) -> None:
        """Begin to work."""
        self._thread.start()

    def leave(self) -> None:
        """End after the operation in progress."""
        self._leaving = True
        self.nudge()

    def nudge(self) -> None:
        """End the sleep in progress, or else the next one."""
        if self._bell.locked():
            self._bell.release()

    def join(self, timeout: float) -> bool:
        """Wait for the client's end; False if it hasn't come within `timeout` seconds."""
        self._thread.join(max(timeout, 0))
        return not self._thread.is_alive()

    @property
    def alive(self) -> bool:
        """The client hasn't left yet."""
        return self._thread.is_alive()

    def cut(self) -> None:
        """Shut the socket under a statement that nothing else could end."""
        connection = self._connection
        if connection is None:
            return
        # The client may close it at this very moment; then there is nothing to cut. Whether the
        # duplicate really is that connection's shows in its still being open afterwards.
        with suppress(Exception):
            raw = self._pool.raw(connection)
            with socket.socket(fileno=os.dup(raw.fileno())) as duplicate:
                if self._connection is connection and not raw.closed:
                    duplicate.shutdown(socket.SHUT_RDWR)

    def _live(self) -> None:
        while not self._leaving:
            work = self.work
            if self._operate(work):
                if work.think is not None:
                    self._sleep(work.think(self._rng))
            else:
                self._sleep(work.error_pause)

    def _operate(self, work: Work) -> bool:
        """One operation; False after an error."""
        try:
            connection = self._acquire(work)
        except PoolStopped:
            self._leaving = True
            return True
        if connection is None:
            return False
        self._connection = connection
        log, rng = self.log, self._rng
        try:
            cursor = connection.cursor()
            cursor.execute(work.statement(rng))
            cursor.fetchall()
            cursor.close()
            if work.hold is not None:
                self._sleep(work.hold(rng))
        except Exception as error:  # noqa: BLE001 - whatever a driver raises is a figure here
            log.note(meter.BROKEN)
            log.stamp()
            self._failed(error)
            self._release(connection)
            return False
        log.note(meter.RELEASED)
        log.stamp()
        return self._release(connection)

    def _acquire(self, work: Work) -> Any:
        """A connection; None where there was none and the client goes on without."""
        log, pool = self.log, self._pool
        refusals, began = 0, 0.0
        log.note(meter.REQUESTED)
        while True:
            log.stamp()
            try:
                connection = pool.acquire()
            except PoolStopped:
                log.note(meter.FAILED)
                log.stamp()
                raise
            except Exception as error:  # noqa: BLE001 - as above
                refused = isinstance(error, pool.exhausted)
                if not (refused and work.retries and not pool.waits):
                    log.note(meter.TIMED_OUT if refused and pool.waits else meter.FAILED)
                    log.stamp()
                    if not (refused and pool.waits):
                        self._failed(error)
                    return None
                refusal = error
            else:
                log.note(meter.ACQUIRED)
                log.stamp()
                if refusals:
                    log.own_waits.append(perf_counter() - began)
                return connection
            if not refusals:
                began = perf_counter()
            refusals += 1
            log.note(meter.REFUSED)
            log.stamp()
            self._sleep(work.backoff(refusals, self._rng))
            work = self.work
            if self._leaving or not work.retries:
                log.note(meter.GAVE_UP)
                log.stamp()
                self._failed(refusal)
                return None
            log.note(meter.RETRIED)

    def _release(self, connection: Any) -> bool:
        self._connection = None
        try:
            self._pool.release(connection)
        except Exception as error:  # noqa: BLE001 - as above
            self._failed(error)
            return False
        return True

    def _failed(self, error: Exception) -> None:
        # What the end of the run cut short is no fault of the pool's or the server's.
        if not self._leaving:
            self.log.errors.append(type(error).__name__)

    def _sleep(self, seconds: float) -> None:
        if seconds > 0:
            self._bell.acquire(timeout=min(seconds, threading.TIMEOUT_MAX))
