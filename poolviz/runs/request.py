"""A request for a run: a draft that has been checked, and the files to write at its end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from poolviz.language import tr
from poolviz.model.dialect import POSTGRESQL, dialect_of
from poolviz.model.errors import InputError
from poolviz.model.scenario import Scenario
from poolviz.pools.registry import check_server, pool_class
from poolviz.runs.exports import check_exports
from poolviz.scenarios.check import complete_draft
from poolviz.scenarios.connect import split_dsn
from poolviz.scenarios.draft import Draft
from poolviz.servers.dispatch import pooler_console_of
from poolviz.sessions.derived import EVERYTHING, Scope
from poolviz.sessions.export.exporter import Exporter
from poolviz.sessions.folder import is_session_file
from poolviz.sessions.thresholds import Threshold
from poolviz.system.files import is_same_file

_USUAL_DURATION = 20.0  # seconds, where the scenario has no duration
_AFTER_LAST_CHANGE = 5.0


@dataclass(frozen=True)
class RunRequest:
    """What to run, where, and what to write. Everything in it was checked.

    Without a `dsn` the run goes to the embedded server. `pooler` is the DSN of the console of a
    pooler in between. `session` is written while the run goes
    on, so that a kill leaves it; the files of `exports` are written at the end, with what `scope`
    says.
    """

    scenario: Scenario
    dsn: str | None = field(default=None, repr=False)
    pooler: str | None = field(default=None, repr=False)
    session: Path | None = None
    exports: Mapping[Path, Exporter] = field(default_factory=dict)
    scope: Scope = EVERYTHING

    @classmethod
    def of(cls, draft: Draft, out: Sequence[Path] = (), *, anonymous: bool = False) -> RunRequest:
        """Check a draft for a run that ends by itself, and that `out` can be written.

        InputError holds every mistake in the draft, or says why a file can't be written or the
        pool doesn't run on the server.
        """
        draft = _with_dsn_split(draft)
        scenario = with_duration(check_draft(draft))
        check_server(pool_class(scenario.pool), draft.dsn)
        check_pooler(draft)
        exports = check_exports(out)
        for path in out:
            if draft.source is not None and is_same_file(path, draft.source.path):
                raise InputError(
                    tr("--out {path} is the scenario itself: choose another name.", path=path)
                )
        session = next((path for path in out if is_session_file(path)), None)
        if anonymous:
            session = None  # what is recorded while the run goes on isn't
        if session is not None:
            del exports[session]
        scope = Scope(anonymous=anonymous)
        return cls(scenario, draft.dsn, draft.pooler, session, exports, scope)


def check_pooler(draft: Draft) -> None:
    """Raise InputError where a draft's pooler has no console that can be meant, or no server."""
    if draft.pooler is None:
        return
    pooler_console_of(draft.pooler)
    if draft.dsn is None or dialect_of(draft.dsn.strip()) != POSTGRESQL:
        raise InputError(
            tr(
                "--pooler names the console of a pooler, and the run doesn't go through one: name "
                "the pooler's own address with --dsn, such as "
                "postgresql://user@host:6432/database."
            )
        )


def _with_dsn_split(draft: Draft) -> Draft:
    """Return `draft` with those options of its DSN among its connect arguments that belong there,
    unless they were given as such."""
    try:
        pool = pool_class(draft.pool)
    except InputError:
        return draft  # which is found when the draft is checked
    if draft.dsn is None:
        return draft
    check_server(pool, draft.dsn)
    dsn, taken = split_dsn(pool, draft.dsn)
    if dsn == draft.dsn:
        return draft
    return draft.with_fields(dsn=dsn).with_values(connect={**taken, **draft.connect})


def check_draft(draft: Draft) -> Scenario:
    """Return the scenario that `draft` means, conditions of `fail_if` included; InputError holds
    every mistake. A duration that isn't given stays open."""
    return complete_draft(draft, Threshold.parse)


def with_duration(scenario: Scenario) -> Scenario:
    """Return `scenario` with an end: 20 s, or 5 s after its last change if that is later."""
    if scenario.duration is not None:
        return scenario
    last = max((change.at for change in scenario.changes), default=0.0)
    usual = max(_USUAL_DURATION, last + _AFTER_LAST_CHANGE if last else 0.0)
    return msgspec.structs.replace(scenario, duration=usual)
