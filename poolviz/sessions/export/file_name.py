"""Names for files that are exported from a run."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from poolviz.model.scenario import Scenario
from poolviz.sessions.recorder import Recorder

_LONGEST = 200  # characters, without the suffix


def suggested_name(recorder: Recorder, suffix: str) -> str:
    """Return a file name, without spaces, that says what was run and when, such as
    `poolviz_2026-05-11T143105Z_QueuePool_pool_size5+max_overflow10_c40.png`.

    It has the limits that are whole numbers, as they were when the run started, and the number of
    clients.
    """
    if recorder.began is None:
        return f"poolviz{suffix}"
    return run_name(recorder.began.scenario, recorder.began.started) + suffix


def run_name(scenario: Scenario, started: float) -> str:
    """Return the name, without a suffix, of a run of `scenario` that started at the Unix time
    `started`."""
    moment = datetime.fromtimestamp(started, UTC).strftime("%Y-%m-%dT%H%M%SZ")
    pool = re.split(r"[.:/\\]", scenario.pool)[-1]
    limits = "+".join(
        f"{key}{value}" for key, value in scenario.limits.items() if type(value) is int
    )
    clients = f"c{scenario.load['clients']}" if "clients" in scenario.load else ""
    parts = ("poolviz", moment, pool, limits, clients)
    return "_".join(re.sub(r"[^\w+-]+", "-", part, flags=re.ASCII) for part in parts if part)[
        :_LONGEST
    ]
