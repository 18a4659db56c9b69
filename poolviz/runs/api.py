"""`poolviz.run` and `poolviz.open_session`."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from os import PathLike
from pathlib import Path
from typing import Any, TypeAlias

import msgspec

from poolviz.model.errors import InputError
from poolviz.model.messages import ChangeRefused, ProblemReported, Report, RunStarted
from poolviz.model.scenario import Scenario
from poolviz.runs.repetition import Replay
from poolviz.runs.request import RunRequest
from poolviz.runs.result import Result, RunFailed
from poolviz.runs.runner import Run, Runner, kept_session
from poolviz.runs.warnings import RunWarning
from poolviz.scenarios.draft import Draft
from poolviz.scenarios.presets import open_scenario
from poolviz.scenarios.toml_file import draft_of
from poolviz.sessions.folder import is_session_file
from poolviz.sessions.session import Session

ScenarioLike: TypeAlias = "str | PathLike[str] | Mapping[str, Any] | Scenario | Session | None"
_LOOK = 0.5  # seconds
_SECTIONS = ("limits", "load", "connect", "changes")  # arguments that depend on the pool
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
    seed: int | None = None,
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
    `{"at": 3, "maxconn": 8}`. Times are in seconds, or text with a unit ("50ms"). Without a
    `dsn` the run goes to a PostgreSQL that poolviz starts and ends. On a server of yours, the
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
        "own_pool": None if own_pool is None or pool is None else _plain(own_pool),
        "dsn": dsn,
        "duration": duration,
        "seed": seed,
        "limits": None if limits is None else _plain(limits),
        "load": None if load is None else _plain(load),
        "connect": None if connect is None else _plain(connect),
        "changes": None if changes is None else _plain(changes),
    }
    replay = _replay(scenario_or_path)
    draft = _draft(scenario_or_path) if replay is None else replay.draft
    if own_pool is not None and pool is None:
        used = draft_of({"pool": draft.pool, "own_pool": _plain(own_pool)})
        draft = draft.with_fields(pool=used.pool, mistakes=(*draft.mistakes, *used.mistakes))
    said = {key: each for key, each in given.items() if each is not None}
    of_pool = {key: said.pop(key) for key in tuple(said) if key not in _SECTIONS}
    draft = _with_arguments(draft, of_pool, other_limits=replay is None)
    notes: list[str] = []
    if replay is not None:
        replay.check_server(draft.dsn)
    with Runner() as runner:
        runner.learn(draft.pool)
        if replay is not None:
            draft, notes = replay.fitted(draft)
        draft = _with_arguments(draft, said)
        request = RunRequest.of(draft)
        runner.warm_up()
        target = runner.reach(request.dsn, _logger.info)
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


def _with_arguments(draft: Draft, given: Mapping[str, Any], *, other_limits: bool = True) -> Draft:
    """Return `draft` with what the arguments say, and with the mistakes in them. Another pool comes
    without the draft's limits, unless not `other_limits`."""
    argued = draft_of(given)
    sections = {key: getattr(argued, key) for key in ("limits", "load", "connect")}
    others = (*sections, "own_pool")
    fields = {key: getattr(argued, key) for key in given if key not in others}
    if "pool" in given and other_limits:
        fields |= {"limits": {}, "connect": {}}  # those of the scenario are another pool's
    fields["mistakes"] = (*draft.mistakes, *argued.mistakes)
    return draft.with_fields(**fields).with_values(**sections)


def _plain(given: object) -> object:
    """Return the mappings and sequences of an argument as the dictionaries and lists of a file."""
    if isinstance(given, Mapping):
        return {key: _plain(value) for key, value in given.items()}
    if isinstance(given, Iterable) and not isinstance(given, str | bytes):
        return [_plain(each) for each in given]
    return given


def _replay(scenario: ScenarioLike) -> Replay | None:
    """Return the session to run again; None for a scenario."""
    if isinstance(scenario, Session):
        began = RunStarted(scenario.started.timestamp(), scenario.scenario, scenario.environment)
        name = "a session in memory" if scenario.path is None else scenario.path.name
        return Replay.of(name, began, scenario.marks, scenario.duration_s, scenario.members)
    if isinstance(scenario, str | PathLike) and is_session_file(Path(scenario)):
        return Replay.open(Path(scenario))
    return None


def _draft(scenario: ScenarioLike) -> Draft:
    if scenario is None:
        return Draft()
    if isinstance(scenario, Scenario):
        return Draft(
            pool=scenario.pool,
            limits=dict(scenario.limits),
            load=dict(scenario.load),
            connect=dict(scenario.connect),
            changes=[{"at": each.at, each.key: each.value} for each in scenario.changes],
            duration=scenario.duration,
            seed=scenario.seed,
            title=scenario.title,
            watch=scenario.watch,
            fail_if=list(scenario.fail_if),
            replays=scenario.replays,
        )
    if isinstance(scenario, Mapping):
        return draft_of({key: _plain(value) for key, value in scenario.items()})
    if isinstance(scenario, str | PathLike):
        return open_scenario(Path(scenario))
    raise InputError(
        f"{type(scenario).__name__} is no scenario: give a path, a mapping or a Scenario."
    )


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
