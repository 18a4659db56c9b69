"""What a step of the tour is judged by: the controller's state at one moment."""

from __future__ import annotations

import math
from dataclasses import dataclass

from poolviz.model.parameters import shown_time
from poolviz.model.sample import MarkKind
from poolviz.pools.base import Pool
from poolviz.ui.session.controller import Controller, State

_RECENT = 2.0  # seconds that a figure is taken over
# The limit that lets more connections in, and keeps them, whichever a pool has.
_ROOM = ("pool_size", "maxconn", "max_size", "maxsize", "maxconnections")


@dataclass(frozen=True)
class Observation:
    """The state of a controller. Counts are 0 and `wait_p95`, in seconds, is NaN without a run."""

    pool: type[Pool]
    ran: str = ""  # the id of the pool of the run
    running: bool = False
    seconds: float = 0.0  # of the run
    operations: int = 0  # in the last seconds
    used: int = 0
    pending: int = 0
    clients: int = 0
    capacity: int | None = None  # what the limits in force allow
    wait_p95: float = math.nan
    errors: int = 0  # since the run began
    faults: int = 0  # that were injected since the run began
    kept: int = 0  # how often the user exported, or looked at the sessions

    @property
    def room(self) -> str:
        """The limit that lets more connections in; "" if the pool has none."""
        return next((key for key in _ROOM if key in self.pool.limits), "")

    @property
    def wait(self) -> str:
        """The wait's 95th percentile, as text."""
        return "–" if math.isnan(self.wait_p95) else shown_time(float(f"{self.wait_p95:.2g}"))


def observe(controller: Controller, kept: int = 0) -> Observation:
    """Return what a controller shows now; what it shows of an opened session is no run."""
    recorder = controller.recorder
    last = recorder.last if recorder is not None else None
    if recorder is None or last is None or controller.state is not State.RUNNING:
        return Observation(controller.pool, kept=kept)
    recent = recorder.recent(_RECENT)
    return Observation(
        pool=controller.pool,
        ran=recorder.began.scenario.pool if recorder.began is not None else "",
        running=True,
        seconds=last.t,
        operations=recent.operations,
        used=last.used.last,
        pending=last.pending.last,
        clients=last.clients,
        capacity=last.capacity,
        wait_p95=recent.wait_p95,
        errors=sum(kind.count for kind in recorder.error_details()),
        faults=sum(mark.kind is MarkKind.FAULT for mark in recorder.marks),
        kept=kept,
    )
