"""Conditions that make a run fail, such as `wait_p95 > 50ms`, checked against its figures.

A condition is of the whole run, or of those of its segments that its scope names. A figure for
which nothing was counted fails a run too: no measurement is no pass.
"""

from __future__ import annotations

import math
import operator
import re
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import msgspec

from poolviz.language import in_users_notation, tr, tr_noop, trn
from poolviz.model.errors import ParameterError
from poolviz.model.figures import FIGURES as DECLARED
from poolviz.model.mark_text import mark_in_words
from poolviz.model.parameters import parse_seconds, show_seconds, shown_time, suggest
from poolviz.model.sample import TICK, Mark
from poolviz.model.text import shortened
from poolviz.sessions.recorder import Recorder
from poolviz.sessions.summary import RunSummary, SegmentSummary
from poolviz.sessions.totals import Figures

_OPERATORS: dict[str, Callable[[float, float], bool]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
    "==": operator.eq,
    "!=": operator.ne,
}
_FORM = re.compile(r"\s*(\w+)\s*([^\w\s.+-]+)\s*(.*?)\s*")
_SCOPED = re.compile(r"(.*?)\s+((?:in|after|during)\b.*)", re.IGNORECASE)
_SCOPE = re.compile(
    r"in\s+(?:segment\s+(\d{1,6})|((?:any|every)\s+segment))|(after|during)\s+(\w+)", re.IGNORECASE
)
_SEVERAL = re.compile(r"\s(and|or)\s|&&|\|\||[,;]", re.IGNORECASE)
_LONGEST = 200  # characters of a condition; a pattern's time grows with the square of their number
_MOST_NAMED = 10  # segments in a sentence
_OF_THE_RUN = ("open_after_close",)  # figures that segments don't have
_TIMES = tuple(figure.key for figure in DECLARED.values() if figure.is_time)
_STATISTICS = ("mean", "p50", "p95", "p99", "max")
_POOLER = ("cl_waiting_max", "cl_waiting_mean", "sv_active_max", "sv_active_mean")
_CONNECTIONS = (
    "opened",
    "closed",
    "used_max",
    "used_mean",
    "open_max",
    "open_mean",
    "overflow_max",
    "pending_max",
    "retrying_max",
    "backlog_max",
    "open_at_end",
    "open_after_close",
)


def _of_time(time: str, statistic: str) -> Callable[[Figures], float | None]:
    def figure(summary: Figures) -> float | None:
        value: float | None = getattr(getattr(summary, f"{time}_time_s"), statistic)
        return value

    return figure


def _of_connections(name: str) -> Callable[[Figures], float | None]:
    def figure(summary: Figures) -> float | None:
        value: float | None = getattr(summary.connections, name)
        return value

    return figure


def _of_pooler(name: str) -> Callable[[Figures], float | None]:
    def figure(summary: Figures) -> float | None:
        value: float | None = getattr(summary.pooler, name) if summary.pooler else None
        return value

    return figure


_HELP = tr_noop("""\
A condition is FIGURE OPERATOR VALUE, such as 'wait_p95 > 50ms', and may end
with a SCOPE, such as 'in segment 2'. It is checked when the run has ended; if
it is true, or if nothing was counted for its figure, poolviz says so and exits
with status 99. Give --fail-if once for each condition: any of them that is true
fails the run. In a scenario: fail_if = ["wait_p95 > 50ms", "errors > 0"].

operators  {operators}

times      {times}
           each with one of {statistics}: wait_p95, use_mean, …
           The value is in seconds or has a unit: 50ms, 2min.

numbers    {numbers}
           throughput is in operations per second, means are weighted by time;
           errors counts every kind of error, timeouts not included;
           open_at_end is counted when the load ends, open_after_close when
           the pool is closed: what is open then has leaked.

scopes     without one, the whole run
           in segment N       the Nth part of the run between two changes or
                              faults; segment 1 is the one before the first
           in any segment     it is true of at least one segment
           in every segment   it is true of each of them
           after KEY          it is true of a segment that began with a change
                              of that limit or setting, with that fault, or,
                              if it lasts for a time, with its end
           during FAULT       it is true of a segment in which a fault that
                              lasts, such as lock_table, was in force""")

FIGURES: dict[str, Callable[[Figures], float | None]] = {
    "throughput": lambda summary: summary.throughput_per_s,
    "operations": lambda summary: summary.operations,
    "timeouts": lambda summary: summary.timeouts,
    "errors": lambda summary: sum(summary.errors.values()),
    "server_backends_max": lambda summary: summary.server_backends_max,
    "server_backends_mean": lambda summary: summary.server_backends_mean,
    "server_backends_at_end": lambda summary: summary.server_backends_at_end,
    **{f"pooler_{name}": _of_pooler(name) for name in _POOLER},
    **{name: _of_connections(name) for name in _CONNECTIONS},
    **{f"{time}_{each}": _of_time(time, each) for time in _TIMES for each in _STATISTICS},
}


def help_text() -> str:
    """Return the help on conditions: every figure, operator and scope, for a terminal of 80
    columns."""
    plain = [figure for figure in FIGURES if not _is_time(figure)]
    return tr(
        _HELP,
        operators=" ".join(_OPERATORS),
        times=", ".join(f"{time}_…" for time in _TIMES),
        statistics=", ".join(_STATISTICS),
        numbers=textwrap.fill(", ".join(plain), 69, subsequent_indent=" " * 11),
    )


class Outcome(StrEnum):
    """What became of a condition: it was not true, it was true, or there was nothing to compare."""

    PASSED = "passed"
    CROSSED = "crossed"
    NOT_MEASURED = "not_measured"


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one condition, which `sentence` says to people.

    `value` is the figure that decided, in seconds for times, of the segment with the number
    `segment` if the condition is of segments; None where there was none.
    """

    condition: str
    outcome: Outcome
    figure: str
    value: float | None
    segment: int | None
    sentence: str

    @property
    def passed(self) -> bool:
        """The condition was checked, and isn't true."""
        return self.outcome is Outcome.PASSED


def verdicts(recorder: Recorder) -> tuple[Verdict, ...]:
    """Return what became of each condition of the run that is recorded, by its figures so far."""
    if recorder.began is None:
        return ()
    conditions = recorder.began.scenario.fail_if
    if not conditions:
        return ()
    summary, marks = recorder.summary(), recorder.marks
    return tuple(_verdict_on(text, summary, marks) for text in conditions)


def _verdict_on(text: str, summary: RunSummary, marks: Sequence[Mark]) -> Verdict:
    try:
        threshold = Threshold.parse(text)
    except ParameterError as error:  # a session file is data from anywhere
        return Verdict(
            condition=shortened(text, _LONGEST),
            outcome=Outcome.NOT_MEASURED,
            figure="",
            value=None,
            segment=None,
            sentence=f"A condition of the session can't be read: {error.problem}",
        )
    return threshold.verdict(summary, marks)


@dataclass(frozen=True)
class Scope:
    """Which part of a run a condition is of: the whole run, the segment `number`, those segments
    that began with a change or a fault of `after` or its end, those in which the fault `during` was
    in force, or all of them. It must be true of any of them, or of `every` one."""

    words: str = ""
    number: int | None = None
    after: str | None = None
    during: str | None = None
    every: bool = False

    @classmethod
    def parse(cls, text: str) -> Scope | None:
        """Return the scope that `text` names; None if it names none."""
        match = _SCOPE.fullmatch(" ".join(text.split()))
        if match is None:
            return None
        number, quantity, when, key = match.groups()
        if number is not None:
            return cls(f"in segment {int(number)}", number=int(number)) if int(number) else None
        if quantity is not None:
            every = quantity.lower().startswith("every")
            return cls(f"in {'every' if every else 'any'} segment", every=every)
        if when.lower() == "during":
            return cls(f"during {key}", during=key)
        return cls(f"after {key}", after=key)

    def segments(self, summary: RunSummary, marks: Sequence[Mark]) -> Mapping[int, SegmentSummary]:
        """Return the segments that are compared, by their numbers, which begin at 1. Those that are
        shorter than a sample are left out, unless they are named by their number."""
        numbered = dict(enumerate(summary.segments, 1))
        if self.number is not None:
            return {self.number: numbered[self.number]} if self.number in numbered else {}
        long = {number: each for number, each in numbered.items() if each.duration_s >= TICK}
        if self.during is not None:
            return {number: each for number, each in long.items() if each.faults.get(self.during)}
        if self.after is None:
            return long
        moments = {mark.t for mark in marks if mark.key == self.after}
        return {
            number: each
            for number, each in long.items()
            if each.from_s in moments and not each.faults.get(self.after)  # a fault that isn't over
        }

    def missing(self, summary: RunSummary) -> str:
        """Return why there is no such segment."""
        if self.after is not None:
            return tr("no segment of the run is after {key}", key=self.after)
        if self.during is not None:
            return tr("{fault} was never in force", fault=self.during)
        if self.number is None:
            shortest = shown_time(TICK)
            return tr("no segment of the run was as long as a sample, {time}", time=shortest)
        count = len(summary.segments)
        return trn("the run had one segment", "the run had {n} segments", count)


@dataclass(frozen=True)
class Threshold:
    """A condition that fails a run when it is true; `limit` is in seconds for times."""

    figure: str
    comparison: str
    limit: float
    scope: Scope = Scope()

    @classmethod
    def parse(cls, text: str) -> Threshold:
        """Return the threshold that `FIGURE OPERATOR VALUE [SCOPE]` describes.

        Raises ParameterError, which says what is allowed.
        """
        if _SEVERAL.search(text):
            raise _refused(
                text,
                tr(
                    "it takes one condition. Give one for each: a run fails if any of them is true."
                ),
            )
        match = _FORM.fullmatch(text) if len(text) <= _LONGEST else None
        if match is None:
            raise _refused(
                text,
                tr(
                    "it takes FIGURE OPERATOR VALUE, such as 'wait_p95 > 50ms', with one of "
                    "{operators}.",
                    operators=" ".join(_OPERATORS),
                ),
            )
        figure, comparison, value = match.groups()
        if figure not in FIGURES:
            near = suggest(figure, FIGURES)
            unknown = tr("{figure} is no figure of a run: {near}.", figure=figure, near=near)
            raise _refused(text, unknown)
        if comparison not in _OPERATORS:
            known = " ".join(_OPERATORS)
            unknown = tr("{word} is no operator: use one of {known}.", word=comparison, known=known)
            raise _refused(text, unknown)
        scoped = _SCOPED.fullmatch(value)
        scope: Scope | None = Scope()
        if scoped is not None:
            value, words = scoped.groups()
            scope = Scope.parse(words)
        try:
            limit = parse_seconds(value) if _is_time(figure) else float(value)
        except ValueError:
            limit = math.nan
        if not math.isfinite(limit):
            what = tr("a time, such as 50ms or 2min") if _is_time(figure) else tr("a number")
            mistake = tr("{figure} is compared with {what}.", figure=figure, what=what)
            raise _refused(text, mistake)
        if scope is None:
            raise _refused(
                text,
                tr(
                    "'{words}' names no part of a run: give 'in segment 2' (counted from 1), "
                    "'in any segment', 'in every segment', 'after KEY', 'during FAULT', or nothing "
                    "for the whole run.",
                    words=words,
                ),
            )
        if scope.words and figure in _OF_THE_RUN:
            raise _refused(
                text,
                tr(
                    "{figure} is counted once, when the run is over: leave '{words}' away.",
                    figure=figure,
                    words=scope.words,
                ),
            )
        return cls(figure, comparison, limit, scope)

    @property
    def after(self) -> str | None:
        """The limit, setting or fault after whose change this is checked; None for any time."""
        return self.scope.after

    @property
    def during(self) -> str | None:
        """The fault while which this is checked; None for any time."""
        return self.scope.during

    def verdict(self, summary: RunSummary, marks: Sequence[Mark] = ()) -> Verdict:
        """Return whether the condition is true of a run with these figures and marks."""
        if not self.scope.words:
            return self._decided({None: FIGURES[self.figure](summary)}, summary)
        segments = self.scope.segments(summary, marks)
        if not segments:
            return self._verdict(
                Outcome.NOT_MEASURED,
                None,
                None,
                tr("can't be checked: {why}.", why=self.scope.missing(summary)),
            )
        values: dict[int | None, float | None] = {
            number: FIGURES[self.figure](each) for number, each in segments.items()
        }
        return self._decided(values, summary)

    def _decided(self, values: Mapping[int | None, float | None], summary: RunSummary) -> Verdict:
        """Return the verdict on the figures of the run (None) or of segments, by their numbers."""
        known = {number: value for number, value in values.items() if value is not None}
        true = {number: value for number, value in known.items() if self.holds(value)}
        false = {number: value for number, value in known.items() if number not in true}
        decisive = false if self.scope.every else true
        if not decisive and len(known) < len(values):
            unknown = next(number for number in values if number not in known)
            said = tr(
                "can't be checked: nothing was counted for {figure}{where}.",
                figure=self.figure,
                where=_where(unknown, summary),
            )
            return self._verdict(Outcome.NOT_MEASURED, None, unknown, said)
        crossed = bool(decisive) != self.scope.every
        number, value = self._extreme(true if crossed else false)
        text = (
            tr_noop("is true: {figure} was {value}{where}{also}.")
            if crossed
            else tr_noop("is not true: {figure} was {value}{where}{also}.")
        )
        said = tr(
            text,
            figure=self.figure,
            value=in_users_notation(self._show(value)),
            where=_where(number, summary),
            also=_also(true, number) if crossed else "",
        )
        return self._verdict(Outcome.CROSSED if crossed else Outcome.PASSED, value, number, said)

    def holds(self, value: float) -> bool:
        """Return whether the condition is true of a figure, which is in seconds for times."""
        return _OPERATORS[self.comparison](value, self.limit)

    def _extreme(self, values: Mapping[int | None, float]) -> tuple[int | None, float]:
        """Return the number and the value that goes furthest in the operator's direction."""
        if self.comparison.startswith(">"):
            return max(values.items(), key=lambda item: item[1])
        if self.comparison.startswith("<"):
            return min(values.items(), key=lambda item: item[1])
        return next(iter(values.items()))

    def _verdict(
        self, outcome: Outcome, value: float | None, segment: int | None, said: str
    ) -> Verdict:
        return Verdict(
            condition=str(self),
            outcome=outcome,
            figure=self.figure,
            value=value,
            segment=segment,
            sentence=f"'{self}' {said}",
        )

    def __str__(self) -> str:
        condition = f"{self.figure} {self.comparison} {self._show(self.limit)}"
        return f"{condition} {self.scope.words}" if self.scope.words else condition

    def _show(self, value: float) -> str:
        return show_seconds(value) if _is_time(self.figure) else f"{value:.6g}"


def _where(number: int | None, summary: RunSummary) -> str:
    """Return where a figure is from, for the end of a clause: "" for the whole run."""
    if number is None:
        return ""
    segment = summary.segments[number - 1]
    begun = "".join(f", {mark_in_words(text)}" for text in segment.began_with)
    return tr(
        " in segment {number} ({start:.1f} to {end:.1f} s{begun})",
        number=number,
        start=segment.from_s,
        end=segment.to_s,
        begun=begun,
    )


def _also(true: Mapping[int | None, float], shown: int | None) -> str:
    """Return in which other segments a condition is true, for the end of a clause."""
    others = [f"{number}" for number in true if number != shown]
    if not others:
        return ""
    named = ", ".join(others[:_MOST_NAMED]) + (", …" if len(others) > _MOST_NAMED else "")
    return trn(
        "; it is true in segment {named} too",
        "; it is true in segments {named} too",
        len(others),
        named=named,
    )


def _refused(text: str, reason: str) -> ParameterError:
    return ParameterError("--fail-if", f"'{shortened(text, _LONGEST)}': {reason}")


def _is_time(figure: str) -> bool:
    return figure.partition("_")[0] in _TIMES
