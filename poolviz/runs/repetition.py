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

from poolviz.language import tr
from poolviz.load.faults import FAULTS, FaultConditions
from poolviz.model.dialect import POSTGRESQL
from poolviz.model.errors import InputError, ParameterError
from poolviz.model.messages import RunStarted
from poolviz.model.parameters import Parameters, Value, shown_time
from poolviz.model.sample import Mark
from poolviz.model.server_name import EMBEDDED, server_in_words
from poolviz.model.text import on_one_line, shortened
from poolviz.pools.base import Pool
from poolviz.pools.connections.network import over_network
from poolviz.pools.registry import is_built_in, pool_class
from poolviz.scenarios.check import Declared, declared, server_of
from poolviz.scenarios.draft import Draft, seconds_of
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
                raise InputError(tr("{path} holds no run that could be run again.", path=path))
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
        if members and not began.scenario.fleet:
            raise InputError(
                tr(
                    "{shown} holds several pools ({listed}): only a session of one pool can "
                    "be run again.",
                    shown=_shown(name),
                    listed=_listed(members),
                )
            )
        if duration <= 0:
            raise InputError(
                tr(
                    "{shown} can't be run again: it ended before its first sample.",
                    shown=_shown(name),
                )
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
        where = tr(" on {server}", server=server_in_words(self.server)) if self.server else ""
        lasted = shown_time(float(f"{self.duration:.3g}"))
        return tr(
            "This replays {name}: {shown}{where}, {lasted}.",
            name=self.name,
            shown=_shown(self.draft.pool),
            where=where,
            lasted=lasted,
        )

    def check_server(self, dsn: str | None) -> None:
        """Raise InputError where `dsn` names no server and the session had another than the
        embedded one: its password isn't known."""
        if dsn is None and self.server not in ("", EMBEDDED):
            raise InputError(
                tr(
                    "{name} was recorded on {server}, and a session holds no password: name "
                    "that server, or another, with --dsn URL.",
                    name=self.name,
                    server=self.server,
                )
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
            of_which = tr("these are") if len(unknown) > 1 else tr("it is")
            self._say(
                tr(
                    "{id} has no {listed}: {of_which} left out.",
                    id=self._pool.id,
                    listed=_listed(unknown),
                    of_which=of_which,
                )
            )
        kept = {key: value for key, value in given.items() if key not in unknown}
        for key, value in tuple(kept.items()):
            if self._other and key in known and not known[key].takes(value):
                shown, allowed = _shown(str(value)), known[key].allowed(tr)
                self._say(
                    tr(
                        "{key} was {shown}, and takes {allowed} here: its default is used.",
                        key=key,
                        shown=shown,
                        allowed=allowed,
                    )
                )
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
            self._say(tr("Left out at {shown}: {why}", shown=shown, why=why))
        if late and end is not None:
            self._say(
                tr(
                    "{late:,} of its changes come after the end at {time}: left out.",
                    late=late,
                    time=shown_time(end),
                )
            )
        return kept

    def _why_not(self, key: str, value: object, load: Mapping[str, object]) -> str:
        """Return why a change is left out; "" if it stays, be it as a mistake."""
        known = self._known.get(key)
        if known is None:
            gone = key in self._recorded_limits
            return tr("{key}, which {id} doesn't have.", key=key, id=self._pool.id) if gone else ""
        if not known.takes(value):
            return (
                tr(
                    "{key} = {shown}: it takes {allowed}.",
                    key=key,
                    shown=_shown(str(value)),
                    allowed=known.allowed(tr),
                )
                if self._other
                else ""
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
        network, processes = over_network(dsn or ""), bool(self._draft.fleet)
        return FaultConditions(dialect, ours, self._pool, plain, network, processes)

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
                self._say(
                    tr(
                        "The condition '{shown}' is left out: {after} isn't changed.",
                        shown=_shown(text),
                        after=after,
                    )
                )
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
            yield tr("{number:,} more", number=len(words) - _FEW)

    *first, last = shown()
    return tr("{first} and {last}", first=", ".join(first), last=last) if first else last


def _shown(text: str, longest: int = _LONGEST) -> str:
    """Return text from a session on one line, and not without end."""
    return shortened(on_one_line(text), longest)
