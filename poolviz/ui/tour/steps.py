"""The steps of the tour: what to do, how it is recognised, and what it has shown.

To add a step, add one to STEPS, with a target that the window knows (`Window.tour_target`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from poolviz.language import tr, tr_noop
from poolviz.ui.tour.observation import Observation

Judge: TypeAlias = Callable[[Observation, Observation], bool]
Say: TypeAlias = Callable[[Observation, Observation], str]

START, POOL, EXPORT = "start", "pool", "export"  # targets other than keys of rows and of faults
ACTIVE = "active"
_FAULT = "kill_all_backends"
_MANY = 30  # clients


@dataclass(frozen=True)
class Step:
    """One step. Its functions get what there was when it began and what there is now.

    Once it is `done`, its effect is seen for `dwell` seconds. `ask` says what to do,
    `shown` what there was to see once it is done, and `target` names what to use for it.
    """

    name: str
    title: str
    ask: Callable[[Observation], str]
    done: Judge
    shown: Say
    target: Callable[[Observation], str]
    dwell: float = 2.0
    needs_run: bool = True
    needs_limit: bool = False  # the pool must have one that lets more connections in


def _watch(_now: Observation) -> str:
    return tr(
        "Each client acquires a connection, works with it, and gives it back. Watch the blue area "
        "in Connections: what is in use, of what the dashed limit allows."
    )


def _watched(_before: Observation, now: Observation) -> str:
    return tr(
        "{used} of {capacity} connections are in use by {clients} clients; wait p95 is {wait}.",
        used=now.used,
        capacity=now.capacity,
        clients=now.clients,
        wait=now.wait,
    )


def _crowd(_now: Observation) -> str:
    return tr(
        "Drag clients to 40. They want more connections than the pool may open: watch what grows "
        "below zero, and the wait."
    )


def _crowded(before: Observation, now: Observation) -> str:
    if now.pool.waits:
        return tr(
            "{pending} callers wait for one of {capacity} connections; wait p95 is {wait}.",
            pending=now.pending,
            capacity=now.capacity,
            wait=now.wait,
        )
    return tr(
        "This pool lets nobody wait: {errors} callers got an error instead.",
        errors=now.errors - before.errors,
    )


def _raise(now: Observation) -> str:
    return tr(
        "Raise {limit} until nobody waits, or nearly. The change takes effect at once, and is a "
        "mark on the timeline.",
        limit=now.room,
    )


def _raised(before: Observation, now: Observation) -> str:
    return tr(
        "The limit went from {old} to {new} connections, and wait p95 from {before} to {after}.",
        old=before.capacity,
        new=now.capacity,
        before=before.wait,
        after=now.wait,
    )


def _switch(_now: Observation) -> str:
    return tr(
        "Choose another pool for the same load, such as psycopg2 ThreadedConnectionPool: pools "
        "differ most in what they do when they are exhausted."
    )


def _switched(_before: Observation, now: Observation) -> str:
    return tr("{pool}: {about}", pool=now.pool.title, about=tr(now.pool.about))


def _break(_now: Observation) -> str:
    return tr(
        "Let something go wrong: under Faults press Kill all backends, which ends every connection "
        "on the server, as a failover does. Watch the red bars."
    )


def _broke(before: Observation, now: Observation) -> str:
    return tr(
        "Errors since then: {errors}. A pool finds out that a connection is dead when a client "
        "uses it, unless it tests connections before it lends them.",
        errors=max(now.errors - before.errors, 0),
    )


def _keep(_now: Observation) -> str:
    return tr(
        "Every run is kept: press Ctrl+L to find this one, or Export for pictures, figures or a "
        "report to send to others."
    )


def _kept(_before: Observation, _now: Observation) -> str:
    return tr("You know now where each run is found again.")


STEPS = (
    Step(
        "watch",
        tr_noop("Watch a pool work"),
        _watch,
        lambda _before, now: now.operations > 0 and now.seconds >= 3,
        _watched,
        lambda _now: ACTIVE,
        dwell=4.0,
    ),
    Step(
        "wait",
        tr_noop("Let callers wait"),
        _crowd,
        lambda before, now: (
            now.clients >= _MANY and (now.pending > 0 or now.errors > before.errors)
        ),
        _crowded,
        lambda _now: "clients",
        dwell=3.0,
        needs_limit=True,
    ),
    Step(
        "room",
        tr_noop("Give them room"),
        _raise,
        lambda before, now: (now.capacity or 0) > (before.capacity or 0),
        _raised,
        lambda now: now.room,
        dwell=4.0,
        needs_limit=True,
    ),
    Step(
        "fault",
        tr_noop("Break it"),
        _break,
        lambda before, now: now.faults > before.faults,
        _broke,
        lambda _now: _FAULT,
        dwell=3.0,
    ),
    Step(
        "pool",
        tr_noop("Compare with another pool"),
        _switch,
        lambda before, now: now.ran != before.ran and now.seconds >= 2,
        _switched,
        lambda _now: POOL,
    ),
    Step(
        "keep",
        tr_noop("Keep what you saw"),
        _keep,
        lambda before, now: now.kept > before.kept,
        _kept,
        lambda _now: EXPORT,
        dwell=0.0,
        needs_run=False,
    ),
)
