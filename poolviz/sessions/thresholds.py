"""Conditions that make a run fail, such as `wait_p95 > 50ms`, checked against its summary."""

from __future__ import annotations

import math
import operator
import re
import textwrap
from collections.abc import Callable
from dataclasses import dataclass

from poolviz.model.errors import ParameterError
from poolviz.model.parameters import parse_seconds, show_seconds, suggest
from poolviz.model.text import shortened
from poolviz.sessions.summary import RunSummary

_OPERATORS: dict[str, Callable[[float, float], bool]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
    "==": operator.eq,
    "!=": operator.ne,
}
_FORM = re.compile(r"\s*(\w+)\s*([^\w\s.+-]+)\s*(.*?)\s*")
_SEVERAL = re.compile(r"\s(and|or)\s|&&|\|\||[,;]", re.IGNORECASE)
_LONGEST = 200  # characters of a condition; a pattern's time grows with the square of their number
_TIMES = ("wait", "use", "create", "retry")
_STATISTICS = ("mean", "p50", "p95", "p99", "max")
_CONNECTIONS = (
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


def _of_time(time: str, statistic: str) -> Callable[[RunSummary], float | None]:
    def figure(summary: RunSummary) -> float | None:
        value: float | None = getattr(getattr(summary, f"{time}_time_s"), statistic)
        return value

    return figure


def _of_connections(name: str) -> Callable[[RunSummary], float | None]:
    def figure(summary: RunSummary) -> float | None:
        value: float | None = getattr(summary.connections, name)
        return value

    return figure


FIGURES: dict[str, Callable[[RunSummary], float | None]] = {
    "throughput": lambda summary: summary.throughput_per_s,
    "operations": lambda summary: summary.operations,
    "timeouts": lambda summary: summary.timeouts,
    "errors": lambda summary: sum(summary.errors.values()),
    "server_backends_max": lambda summary: summary.server_backends_max,
    "server_backends_mean": lambda summary: summary.server_backends_mean,
    "server_backends_at_end": lambda summary: summary.server_backends_at_end,
    **{name: _of_connections(name) for name in _CONNECTIONS},
    **{f"{time}_{each}": _of_time(time, each) for time in _TIMES for each in _STATISTICS},
}


def help_text() -> str:
    """Return the help on conditions: every figure and operator, for a terminal of 80 columns."""
    plain = [figure for figure in FIGURES if not _is_time(figure)]
    return f"""\
A condition is FIGURE OPERATOR VALUE, such as 'wait_p95 > 50ms'. It is checked
against the whole run when that has ended; if it is true, or if nothing was
counted for its figure, poolviz says so and exits with status 99. Give --fail-if
once for each condition: any of them that is true fails the run. In a scenario:
fail_if = ["wait_p95 > 50ms", "errors > 0"].

operators  {" ".join(_OPERATORS)}

times      {", ".join(f"{time}_…" for time in _TIMES)}
           each with one of {", ".join(_STATISTICS)}: wait_p95, use_mean, …
           The value is in seconds or has a unit: 50ms, 2min.

numbers    {textwrap.fill(", ".join(plain), 69, subsequent_indent=" " * 11)}
           throughput is in operations per second, means are weighted by time;
           errors counts every kind of error, timeouts not included;
           open_at_end is counted when the load ends, open_after_close when
           the pool is closed: what is open then has leaked."""


@dataclass(frozen=True)
class Threshold:
    """A condition that fails a run when it is true; `limit` is in seconds for times."""

    figure: str
    comparison: str
    limit: float

    @classmethod
    def parse(cls, text: str) -> Threshold:
        """Return the threshold that `FIGURE OPERATOR VALUE` describes.

        Raises ParameterError, which says what is allowed.
        """
        if _SEVERAL.search(text):
            raise _refused(
                text,
                "it takes one condition. Give one for each: a run fails if any of them is true.",
            )
        match = _FORM.fullmatch(text) if len(text) <= _LONGEST else None
        if match is None:
            raise _refused(
                text,
                "it takes FIGURE OPERATOR VALUE, such as 'wait_p95 > 50ms', "
                f"with one of {' '.join(_OPERATORS)}.",
            )
        figure, comparison, value = match.groups()
        if figure not in FIGURES:
            raise _refused(text, f"{figure} is no figure of a run: {suggest(figure, FIGURES)}.")
        if comparison not in _OPERATORS:
            raise _refused(text, f"{comparison} is no operator: use one of {' '.join(_OPERATORS)}.")
        try:
            limit = parse_seconds(value) if _is_time(figure) else float(value)
        except ValueError:
            limit = math.nan
        if not math.isfinite(limit):
            what = "a time, such as 50ms or 2min" if _is_time(figure) else "a number"
            raise _refused(text, f"{figure} is compared with {what}.")
        return cls(figure, comparison, limit)

    def crossed(self, summary: RunSummary) -> str | None:
        """Return a sentence if the condition is true of a run, else None.

        A figure that nothing was counted for fails the run too: no measurement is no pass.
        """
        value = FIGURES[self.figure](summary)
        if value is None:
            return f"'{self}' can't be checked: nothing was counted for {self.figure}."
        if not _OPERATORS[self.comparison](value, self.limit):
            return None
        return f"'{self}' is true: {self.figure} was {self._show(value)}."

    def __str__(self) -> str:
        return f"{self.figure} {self.comparison} {self._show(self.limit)}"

    def _show(self, value: float) -> str:
        return show_seconds(value) if _is_time(self.figure) else f"{value:.6g}"


def _refused(text: str, reason: str) -> ParameterError:
    return ParameterError("--fail-if", f"'{shortened(text, _LONGEST)}': {reason}")


def _is_time(figure: str) -> bool:
    return figure.partition("_")[0] in _TIMES
