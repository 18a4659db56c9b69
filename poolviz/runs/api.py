"""`poolviz.run` and `poolviz.open_session`."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from os import PathLike
from pathlib import Path

import msgspec

from poolviz.model.messages import ChangeRefused, ProblemReported, Report
from poolviz.runs.arguments import Arguments, ScenarioLike
from poolviz.runs.request import RunRequest
from poolviz.runs.result import Result, RunFailed
from poolviz.runs.run import Run
from poolviz.runs.runner import Runner, kept_session
from poolviz.runs.warnings import RunWarning
from poolviz.sessions.session import Session

_LOOK = 0.5  # seconds
_logger = logging.getLogger(__name__)


def run(
    scenario_or_path: ScenarioLike = None,
    *,
    pool: str | None = None,
    own_pool: Mapping[str, str] | None = None,
    limits: Mapping[str, object] | None = None,
    load: Mapping[str, object] | None = None,
    connect: Mapping[str, object] | None = None,
    changes: Iterable[Mapping[str, object]] | None = None,
    duration: float | str | None = None,
    dsn: str | None = None,
    pooler: str | None = None,
    seed: int | None = None,
    processes: int | None = None,
    create_tables: bool = False,
    keep: bool = False,
) -> Result:
    """Run a load on a pool, wait for its end, and return what was measured.

    `scenario_or_path` is the path of a scenario file, the name of a preset, a mapping with the
    keys of a scenario file, or a `Scenario`; without it, poolviz' defaults are run. A `Session`, or
    the path of a session file (.poolviz), is run again: the same load and seed, with every change
    and fault at its time. On another `pool` what that doesn't have is left out, and said in
    `Result.warnings`; one that was recorded on a server of yours needs a `dsn`. The other
    arguments take precedence over it: `pool` is an id of `poolviz pools` or `file.py:Class`,
    `own_pool` says how the latter is used, such as `{"acquire": "get_connection"}`, `limits`,
    `load` and `connect` hold parameters by their names, and each of `changes` is a mapping such as
    `{"at": 3, "maxconn": 8}`. With `processes` the load runs in so many processes, each with a pool
    and clients of its own; what is measured is their sum, and `Result.session.member` has each.
    Times are in seconds, or text with a unit ("50ms"). Without a
    `dsn` the run goes to a PostgreSQL that poolviz starts and ends. `pooler` is the DSN of the
    console of a pooler that `dsn` leads through, such as PgBouncer's. On a server of yours, the
    tables of the statements read and read_write are created in a schema `poolviz` only with
    `create_tables`. With `keep` the session goes into the sessions folder, as those of the
    window and of `poolviz run` do, and `Result.session.path` is its file; without it, it is a
    temporary file.

    The load runs in a process of its own, which never imports the caller's main module. Warnings
    are logged, and in `Result.warnings`. Raises `poolviz.PoolvizError`: InputError for mistakes in
    the request, ServerError where there is no server, RunFailed where the run ended early: that has
    the figures up to then as its `result`.
    """
    given = {
        "pool": pool,
        "own_pool": own_pool,
        "dsn": dsn,
        "pooler": pooler,
        "duration": duration,
        "seed": seed,
        "limits": limits,
        "load": load,
        "connect": connect,
        "changes": changes,
        "fleet": None if processes is None else {"processes": processes},
    }
    with Runner() as runner:
        draft, notes = Arguments(scenario_or_path, given).draft(runner)
        request = RunRequest.of(draft)
        runner.warm_up()
        target = runner.reach(request.dsn, _logger.info, pooler=request.pooler)
        started = Run(request.scenario, target, _Log(), may_create_tables=create_tables)
        for note in notes:
            started.warn(RunWarning("replay", note))
        runner.begin(started, keep_at=kept_session(started) if keep else None)
        if started.not_kept:
            _logger.warning("This run's session is not kept: %s", started.not_kept)
        try:
            while not runner.wait(
                started, _LOOK
            ):  # with an end, so that Ctrl+C is heard on every system
                pass
            runner.end_run()
            if keep and started.recorder is not None:
                started.recorder.close()  # so that whoever opens the file now finds it whole
        except BaseException:
            runner.end_run()
            assert started.recorder is not None
            started.recorder.close()
            raise
    return _result(started)


def open_session(path: str | PathLike[str]) -> Session:
    """Open a recorded session to read it. InputError where `path` isn't one, or is damaged."""
    return Session.open(Path(path))


class _Log:
    """Hears of a run (a `RunListener`) and logs it."""

    def progressed(self, sentence: str) -> None:
        _logger.info("%s", sentence)

    def warned(self, warning: RunWarning) -> None:
        _logger.warning("%s", warning.sentence)

    def reported(self, run: Run, report: Report) -> None:  # noqa: ARG002 - there is one run
        if isinstance(report, ProblemReported) and report.sentence:
            _logger.warning("%s", report.sentence)
        elif isinstance(report, ChangeRefused):
            _logger.warning("%s", report.reason)


def _result(run: Run) -> Result:
    """Return what came of a run. RunFailed where it ended early."""
    assert run.ended is not None and run.recorder is not None
    result = None
    if run.recorder.began is None:
        run.recorder.close()
    else:
        figures = msgspec.structs.asdict(run.recorder.summary())
        result = Result(**figures, session=Session(run.recorder), warnings=tuple(run.warnings))
    if run.ended.failure or result is None:
        raise RunFailed(run.ended, result)
    return result
