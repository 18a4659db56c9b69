"""Running a recorded session again: the same load, and the changes and faults at their times, on
the same pool or another, and on a server that may be another.

A session holds no password of its server, and may come from anywhere: whatever is in it is checked
as a scenario is, before a run. What another pool or server doesn't have is left out, in sentences.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from poolviz.load.faults import FAULTS, FaultConditions
from poolviz.model.dialect import POSTGRESQL
from poolviz.model.errors import InputError, ParameterError
from poolviz.model.messages import RunStarted
from poolviz.model.parameters import Parameters, Value, show_seconds
from poolviz.model.sample import Mark
from poolviz.model.text import on_one_line, shortened
from poolviz.pools.base import Pool
from poolviz.pools.connections.network import over_network
from poolviz.pools.registry import is_built_in, pool_class
from poolviz.scenarios.check import Declared, declared, server_of
from poolviz.scenarios.draft import Draft, seconds_of
from poolviz.servers.target import EMBEDDED
from poolviz.sessions.recorder import Recorder
from poolviz.sessions.thresholds import Threshold
from poolviz.sessions.to_scenario import to_draft

_FEW, _LONGEST = 5, 80  # things that a sentence names, and characters of one
_LONGEST_TITLE = 200  # characters


@dataclass(frozen=True)
class Replay:
    """A session as the draft that runs it again, which names no server. `server` is the one it ran
    on, without its password; "" if the session doesn't say."""

    name: str  # of its file
    draft: Draft
    began: RunStarted
    duration: float  # seconds that were recorded

    @classmethod
    def open(cls, path: Path) -> Replay:
        """Read the session at `path`. InputError where it isn't one, is damaged, or holds no run.
        Nothing that it names is imported or reached."""
        with Recorder.open(path) as recorder:
            if recorder.began is None:
                raise InputError(f"{path} holds no run that could be run again.")
            return cls.of(
                path.name, recorder.began, recorder.marks, recorder.duration, recorder.members
            )

    @classmethod
    def of(
        cls,
        name: str,
        began: RunStarted,
        marks: Sequence[Mark],
        duration: float,
        members: Sequence[str] = (),
    ) -> Replay:
        """Return what runs a session of `duration` seconds again, which is called `name`.
        InputError where it has a mark that can't be repeated, or `members`, which are several
        pools."""
        if members:
            raise InputError(
                f"{_shown(name)} holds several pools ({_listed(members)}): only a session of one "
                "pool can be run again."
            )
        if duration <= 0:
            raise InputError(
                f"{_shown(name)} can't be run again: it ended before its first sample."
            )
        draft = to_draft(began, marks, duration)
        draft = draft.with_fields(
            title=_shown(draft.title, _LONGEST_TITLE),
            watch={language: on_one_line(text) for language, text in draft.watch.items()},
            replays=_shown(name, _LONGEST_TITLE),
        )
        return cls(_shown(name), draft, began, duration)

    @property
    def server(self) -> str:
        """The server that it ran on, without its password; "" if the session doesn't say."""
        return _shown(self.began.environment.get("server", ""))

    @property
    def sentence(self) -> str:
        """What is run again."""
        where = f" on {self.server}" if self.server else ""
        lasted = show_seconds(float(f"{self.duration:.3g}"))
        return f"This replays {self.name}: {_shown(self.draft.pool)}{where}, {lasted}."

    def check_server(self, dsn: str | None) -> None:
        """Raise InputError where `dsn` names no server and the session had another than the
        embedded one: its password isn't known."""
        if dsn is None and self.server not in ("", EMBEDDED):
            raise InputError(
                f"{self.name} was recorded on {self.server}, and a session holds no password: name "
                "that server, or another, with --dsn URL."
            )

    def fitted(self, draft: Draft) -> tuple[Draft, list[str]]:
        """Return `draft`, which is that of the session with perhaps another pool, server, or
        duration, without what these don't have, and sentences that say what is left out.

        Limits and arguments that the other pool has under the same name are kept. What even the
        session's own pool can't have had stays a mistake of the draft. The pool is known (see
        `Runner.learn`) or a mistake too.
        """
        try:
            pool = pool_class(draft.pool)
            known = declared(draft.pool, draft.dsn)
        except (InputError, OSError, ValueError):
            return draft, []  # checking the draft says what is wrong with the pool
        return _Fitting(self, draft, pool, known).fit()


class _Fitting:
    """Fits one draft of a session to a pool and a server."""

    def __init__(self, replay: Replay, draft: Draft, pool: type[Pool], known: Declared) -> None:
        self._replay, self._draft = replay, draft
        self._pool, self._known = pool, known
        scenario = replay.began.scenario
        # Limits of a user's own pool are those that its file has now.
        self._other = pool.id != scenario.pool or not is_built_in(pool.id)
        self._recorded_limits = scenario.limits.keys() if self._other else frozenset()
        self._sentences: list[str] = []

    def fit(self) -> tuple[Draft, list[str]]:
        """Return the draft without what doesn't fit, and the sentences that say so."""
        draft, known = self._draft, self._known
        fields = {
            "limits": self._section(draft.limits, known.limits, self._recorded_limits),
            "load": self._section(draft.load, known.load, frozenset()),
            "connect": self._section(draft.connect, known.connect, draft.connect.keys()),
            "changes": self._changes(),
            "fail_if": self._conditions(),
        }
        return draft.with_fields(**fields), self._sentences

    def _section(
        self, given: Mapping[str, object], known: Parameters, leave_out: Collection[str]
    ) -> dict[str, object]:
        """Return the values of a section that the pool takes; those of `leave_out` that it doesn't
        know are left out, and others stay, as mistakes."""
        unknown = [key for key in given if key not in known and key in leave_out]
        if unknown:
            of_which = "these are" if len(unknown) > 1 else "it is"
            self._say(f"{self._pool.id} has no {_listed(unknown)}: {of_which} left out.")
        kept = {key: value for key, value in given.items() if key not in unknown}
        for key, value in tuple(kept.items()):
            if self._other and key in known and not known[key].takes(value):
                shown, allowed = _shown(str(value)), known[key].allowed()
                self._say(f"{key} was {shown}, and takes {allowed} here: its default is used.")
                del kept[key]
        return kept

    def _changes(self) -> list[dict[str, object]]:
        """Return the changes and faults that can be made here, within the duration."""
        left_out: dict[str, list[object]] = {}  # the moments, by why
        kept: list[dict[str, object]] = []
        end, late = self._end(), 0
        load = {**self._known.load.defaults(), **self._draft.load}
        for written in self._draft.changes:
            at = written["at"]
            if end is not None and isinstance(at, float) and at >= end:
                late += 1
                continue
            change = {key: value for key, value in written.items() if key != "at"}
            load |= {key: value for key, value in change.items() if key in self._known.load}
            for key in tuple(change):
                why = self._why_not(key, change[key], load)
                if why:
                    left_out.setdefault(why, []).append(at)
                    del change[key]
            if change or len(written) == 1:
                kept.append({"at": at, **change})
        for why, moments in left_out.items():
            shown = _listed([f"{at:g} s" for at in moments if isinstance(at, float)])
            self._say(f"Left out at {shown}: {why}")
        if late and end is not None:
            self._say(
                f"{late:,} of its changes come after the end at {show_seconds(end)}: left out."
            )
        return kept

    def _why_not(self, key: str, value: object, load: Mapping[str, object]) -> str:
        """Return why a change is left out; "" if it stays, be it as a mistake."""
        known = self._known.get(key)
        if known is None:
            gone = key in self._recorded_limits
            return f"{key}, which {self._pool.id} doesn't have." if gone else ""
        if not known.takes(value):
            return (
                f"{key} = {_shown(str(value))}: it takes {known.allowed()}." if self._other else ""
            )
        if key in FAULTS and value != known.default:
            reason = FAULTS[key].reason(self._conditions_of_faults(load))
            return f"{key}. {reason}" if reason else ""
        return ""

    def _conditions_of_faults(self, load: Mapping[str, object]) -> FaultConditions:
        dsn = self._draft.dsn
        dialect = server_of(self._pool, dsn)
        ours = dsn is None and dialect == POSTGRESQL
        plain: dict[str, Value] = {
            key: value for key, value in load.items() if isinstance(value, bool | int | float | str)
        }
        return FaultConditions(dialect, ours, self._pool, plain, over_network(dsn or ""))

    def _end(self) -> float | None:
        """Return when the run ends if that is asked for to be sooner; None if it isn't."""
        asked = self._draft.duration
        if asked == self._replay.draft.duration:
            return None
        with suppress(ValueError):
            return seconds_of(asked, positive=True)
        return None  # a mistake that checking the draft says

    def _conditions(self) -> list[str]:
        """Return the conditions of `fail_if` but those after a change that can't be made."""
        kept = []
        for text in self._draft.fail_if:
            after = None
            with suppress(ParameterError):
                after = Threshold.parse(text).after
            if after and after in self._recorded_limits and self._known.get(after) is None:
                self._say(f"The condition '{_shown(text)}' is left out: {after} isn't changed.")
            else:
                kept.append(text)
        return kept

    def _say(self, sentence: str) -> None:
        self._sentences.append(sentence)


def _listed(words: Sequence[str]) -> str:
    """Return some words for a sentence: not all of many."""

    def shown() -> Iterator[str]:
        yield from (_shown(word) for word in words[:_FEW])
        if len(words) > _FEW:
            yield f"{len(words) - _FEW:,} more"

    *first, last = shown()
    return f"{', '.join(first)} and {last}" if first else last


def _shown(text: str, longest: int = _LONGEST) -> str:
    """Return text from a session on one line, and not without end."""
    return shortened(on_one_line(text), longest)
