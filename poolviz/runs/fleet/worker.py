"""A worker of a fleet, from the coordinator's side: an actor there, its clock, its loss."""

from __future__ import annotations

import logging
from collections.abc import Callable
from time import perf_counter, sleep, time
from typing import Any

from distributed import Actor, Client, Future

from poolviz.language import current_language
from poolviz.runs.fleet.actor import Answer, EngineActor
from poolviz.runs.fleet.clock import ClockEstimate, Reading

_LOOK = 0.25  # seconds between two looks at whether a worker that doesn't answer is lost
_GONE = ("error", "lost", "cancelled")  # states of an actor's future
_logger = logging.getLogger(__name__)


class WorkerLost(Exception):
    """The worker has ended, or hasn't answered for too long."""


class FleetWorker:
    """An actor for one engine on the worker at `address`. Used by one thread at a time.

    `clock` is the estimate of that machine's clocks, from every call that was answered. `lost` says
    that it was found to be.
    """

    def __init__(self, client: Client, address: str) -> None:
        self._client, self.address = client, address
        self.lost = False
        self.clock = ClockEstimate()
        self._future: Future[Any] = client.submit(
            EngineActor,
            current_language(),
            workers=[address],
            allow_other_workers=False,
            actor=True,
            pure=False,
        )
        self._actor: Actor | None = None

    def arrive(self, timeout: float) -> str:
        """Wait until the actor is there; return the version of poolviz that it has. Raises what its
        start raised there, or TimeoutError."""
        self._actor = self._future.result(timeout)
        return str(self._call("version", (), timeout=timeout))

    def begin(
        self, start: bytes, timeout: float, waits: Callable[[float], None] | None = None
    ) -> None:
        """Start the engine with a StartRun as bytes, which may be silent for `timeout` seconds
        until it runs. WorkerLost where that can't be done."""
        if self._actor is None:
            try:
                self.arrive(timeout)
            except Exception as error:
                _logger.info("no actor on %s", self.address, exc_info=True)
                raise self._loss() from error
        self._call("begin", (start, timeout), timeout=timeout, waits=waits)

    def exchange(
        self,
        taken: int,
        first: int = 0,
        commands: tuple[bytes, ...] = (),
        *,
        kill: bool = False,
        timeout: float,
        waits: Callable[[float], None] | None = None,
    ) -> list[bytes]:
        """Send commands and return reports, as `EngineActor.exchange` does. `waits` hears for how
        many seconds there was no answer. WorkerLost after `timeout` seconds, or if it is gone."""
        sent = Reading(perf_counter(), time())
        answer = self._call(
            "exchange", (taken, first, list(commands)), {"kill": kill}, timeout=timeout, waits=waits
        )
        received = Reading(perf_counter(), time())
        reports, clocks = Answer(*answer)
        self.clock.add(sent, Reading(*clocks), received)
        return reports

    def release(self) -> None:
        """Let go of the actor. Its engine has ended, or ends when its lease does."""
        self._actor = None
        self._future.release()  # type: ignore[no-untyped-call]

    def _call(
        self,
        method: str,
        arguments: tuple[Any, ...],
        named: dict[str, Any] | None = None,
        *,
        timeout: float,
        waits: Callable[[float], None] | None = None,
    ) -> Any:
        """Return what a method of the actor returns. A call whose connection breaks is repeated
        until `timeout`: each of them may be."""
        began = perf_counter()
        pending: Any = None
        while True:
            try:
                if pending is None:
                    with self._client.as_current():  # by which an actor finds it
                        pending = getattr(self._actor, method)(*arguments, **(named or {}))
                return pending.result(_LOOK)
            except OSError as error:
                waited = isinstance(error, TimeoutError)
                if not (waited and pending is not None and not pending.done()):
                    _logger.info("calling %s failed: %s", self.address, error)
                    pending = None
                    sleep(_LOOK)
            except Exception as error:
                _logger.info("calling %s failed", self.address, exc_info=True)
                raise self._loss() from error
            passed = perf_counter() - began
            if self._future.status in _GONE or passed > timeout:
                raise self._loss()
            if waits is not None:
                waits(passed)

    def _loss(self) -> WorkerLost:
        self.lost = True
        return WorkerLost(self.address)
