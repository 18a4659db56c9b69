"""The manifest of an export: what was run, where and how it was measured, so that others can judge
its figures and repeat the run.

The environment (versions of the libraries, the machine, the server, the DSN without its password)
is what the engine reported when the run started.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec

from poolviz.model.messages import RunStarted
from poolviz.model.sample import TICK, Mark
from poolviz.model.scenario import Scenario
from poolviz.model.version import VERSION
from poolviz.sessions.recorder import Recorder

_LOOPS = {
    "closed": "Closed loop: each client begins its next operation when its last one and the pause "
    "after it are over.",
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
    """How the run was sampled. `dropped` counts ticks that were skipped; their events are in the
    next sample."""

    per_second: float
    samples: int
    dropped: int


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """A run and how it was measured.

    `scenario` is what the run started with and `marks` what was changed, injected and noted while
    it ran. `loops` holds "closed", "open" or both, in the order of `WAIT_FROM`.
    """

    exported_by: str
    started_utc: str
    duration_s: float
    environment: dict[str, str] = msgspec.field(name="facts")  # the name that exports have had
    scenario: Scenario
    marks: tuple[Mark, ...]
    loops: tuple[str, ...]
    load_model: str
    latency_from: str
    percentiles: str = PERCENTILES
    sampling: Sampling
    failure: str
    complete: bool
    incomplete_reason: str | None


def manifest(recorder: Recorder) -> Manifest:
    """Return the manifest of what is recorded so far."""
    began = run_started(recorder)
    summary = recorder.summary()
    loops = _loops(began.scenario, recorder.marks)
    return Manifest(
        exported_by=f"poolviz {VERSION}",
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
        complete=summary.complete,
        incomplete_reason=summary.incomplete_reason,
    )


def _loops(scenario: Scenario, marks: tuple[Mark, ...]) -> tuple[str, ...]:
    """The kinds of load that the run had, at its start or after a change."""
    had: set[object] = {scenario.load.get("arrivals", "closed")}
    had.update(mark.new for mark in marks if mark.key == "arrivals")
    return tuple(loop for loop in _LOOPS if loop in had)


def run_started(recorder: Recorder) -> RunStarted:
    """Return how the run started. An exporter is never called for a run that didn't start."""
    if recorder.began is None:
        raise RuntimeError("The run never started.")
    return recorder.began


def utc(seconds: float) -> str:
    """Return a Unix time as ISO 8601 with microseconds: `2026-05-11T14:31:05.000000Z`."""
    moment = datetime.fromtimestamp(seconds, UTC)
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")


def as_json(value: Any) -> bytes:
    """Return `value` as indented JSON; NaN becomes null."""
    return msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n"
