"""What an export says about its run, so that its figures can be judged and had again.

What only the engine could know (versions of the libraries, the machine, the server, the DSN
without its password) comes from the environment that it began with.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

import msgspec

import poolviz
from poolviz.model.messages import RunStarted
from poolviz.model.sample import TICK, Mark
from poolviz.model.scenario import Scenario
from poolviz.sessions.recorder import Recorder

_LOOPS = {
    "closed": "Closed loop: each client begins its next operation when the last one and its pause "
    "are over.",
    "open": "Open loop: requests come due at their own times, and the first free client serves "
    "each.",
}
WAIT_FROM = {"closed": "the call of acquire", "open": "the moment a request was due"}
_LATENCY_FROM = (
    "wait: from {} to acquire's return, or to its failure; use: from there to the "
    "return of the connection; create: the connect itself; retry: a client's own back-offs."
)
PERCENTILES = (
    "Read from merged histograms whose buckets are 2 % wide: within 1 % of the true value. "
    "Count, mean and max are exact."
)


class Sampling(msgspec.Struct, frozen=True):
    """How the run was sampled. `dropped` ticks came too late; their events are in the next."""

    per_second: float
    samples: int
    dropped: int


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """A run and how it was measured. `scenario` is what was begun, `marks` is what was changed
    and noted while it ran; `loops` has "closed", "open" or both, as the load was."""

    exported_by: str
    started_utc: str
    duration_s: float
    environment: dict[str, str] = msgspec.field(name="facts")
    scenario: Scenario
    marks: tuple[Mark, ...]
    loops: tuple[str, ...]
    load_model: str
    latency_from: str
    percentiles: str = PERCENTILES
    sampling: Sampling
    failure: str


def manifest(recorder: Recorder, began: RunStarted) -> Manifest:
    """The manifest of what is recorded so far."""
    summary = recorder.summary()
    loops = _loops(began.scenario, recorder.marks)
    return Manifest(
        exported_by=f"poolviz {poolviz.__version__}",
        started_utc=utc(began.started),
        duration_s=summary.duration_s,
        environment=began.environment,
        scenario=began.scenario,
        marks=recorder.marks,
        loops=loops,
        load_model=" ".join(_LOOPS[loop] for loop in loops),
        latency_from=_LATENCY_FROM.format(" or ".join(WAIT_FROM[loop] for loop in loops)),
        sampling=Sampling(1 / TICK, summary.samples, summary.samples_dropped),
        failure="" if recorder.ended is None else recorder.ended.failure,
    )


def _loops(scenario: Scenario, marks: tuple[Mark, ...]) -> tuple[str, ...]:
    """The kinds of load that the run had, at its beginning or after a change."""
    had: set[object] = {scenario.load.get("arrivals", "closed")}
    had.update(mark.new for mark in marks if mark.key == "arrivals")
    return tuple(loop for loop in _LOOPS if loop in had)


def began_of(recorder: Recorder) -> RunStarted:
    """How the run began; RuntimeError where it never did, which an exporter rules out."""
    if recorder.began is None:
        raise RuntimeError("The run never began.")
    return recorder.began


def utc(seconds: float) -> str:
    """Unix time as ISO 8601 with microseconds: `2026-05-11T14:31:05.000000Z`."""
    moment = datetime.fromtimestamp(seconds, UTC)
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")


def as_json(value: Any) -> bytes:
    """`value` as JSON to read: indented, NaN as null."""
    return msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n"


def suggested_name(recorder: Recorder, suffix: str) -> str:
    """A name that says what was run, without spaces, such as
    `poolviz_2026-05-11T143105Z_QueuePool_pool_size5+max_overflow10_c40.png`.

    It gives the limits that are whole numbers, as the run began, and the number of clients.
    """
    if recorder.began is None:
        return f"poolviz{suffix}"
    return run_name(recorder.began.scenario, recorder.began.started) + suffix


def run_name(scenario: Scenario, started: float) -> str:
    """The name of a run of `scenario` that began at the Unix time `started`, without a suffix."""
    moment = datetime.fromtimestamp(started, UTC).strftime("%Y-%m-%dT%H%M%SZ")
    pool = re.split(r"[.:/\\]", scenario.pool)[-1]
    limits = "+".join(
        f"{key}{value}" for key, value in scenario.limits.items() if type(value) is int
    )
    clients = f"c{scenario.load['clients']}" if "clients" in scenario.load else ""
    parts = ("poolviz", moment, pool, limits, clients)
    return "_".join(re.sub(r"[^\w+-]+", "-", part) for part in parts if part)[:200]
