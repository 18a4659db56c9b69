"""What makes a run fail: `wait_p95 > 50ms`, held against its summary."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable
from dataclasses import dataclass

from poolviz.model.errors import InputError
from poolviz.model.parameters import parse_seconds, show_seconds, suggest
from poolviz.sessions.summary import RunSummary

_OPERATORS: dict[str, Callable[[float, float], bool]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
    "==": operator.eq,
    "!=": operator.ne,
}
_FORM = re.compile(r"\s*(\w+)\s*(>=|<=|==|!=|>|<)\s*(.*?)\s*")
_TIMES = ("wait", "use", "create", "retry")
_SHARES = ("mean", "p50", "p95", "p99", "max")
_CONNECTIONS = (
    "used_max",
    "used_mean",
    "open_max",
    "overflow_max",
    "pending_max",
    "retrying_max",
    "backlog_max",
    "open_at_end",
)


def _of_time(time: str, share: str) -> Callable[[RunSummary], float | None]:
    def figure(summary: RunSummary) -> float | None:
        value: float | None = getattr(getattr(summary, f"{time}_time_s"), share)
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
    **{name: _of_connections(name) for name in _CONNECTIONS},
    **{f"{time}_{share}": _of_time(time, share) for time in _TIMES for share in _SHARES},
}


@dataclass(frozen=True)
class Threshold:
    """A condition that a run fails by. `limit` is in seconds where the figure is a time."""

    figure: str
    comparison: str
    limit: float

    @classmethod
    def parse(cls, text: str) -> Threshold:
        """The threshold that `FIGURE OP VALUE` says; InputError names what is allowed."""
        match = _FORM.fullmatch(text)
        if match is None:
            raise InputError(
                f"--fail-if '{text}': it takes FIGURE OP VALUE, such as 'wait_p95 > 50ms', "
                f"with one of {' '.join(_OPERATORS)}."
            )
        figure, comparison, value = match.groups()
        if figure not in FIGURES:
            raise InputError(
                f"--fail-if '{text}': {figure} is no figure of a run: {suggest(figure, FIGURES)}."
            )
        try:
            limit = parse_seconds(value) if _is_time(figure) else float(value)
        except ValueError:
            limit = math.nan
        if not math.isfinite(limit):
            what = "a time, such as 50ms or 2min" if _is_time(figure) else "a number"
            raise InputError(f"--fail-if '{text}': {figure} is held against {what}.")
        return cls(figure, comparison, limit)

    def crossed(self, summary: RunSummary) -> str | None:
        """The sentence that says so where the run fails by it; None where it doesn't.

        A figure that nothing was counted for fails too: a check that measured nothing is no pass.
        """
        value = FIGURES[self.figure](summary)
        if value is None:
            return f"'{self}' can't be told: nothing was counted for {self.figure}."
        if not _OPERATORS[self.comparison](value, self.limit):
            return None
        return f"'{self}' came true: {self.figure} was {self._show(value)}."

    def __str__(self) -> str:
        return f"{self.figure} {self.comparison} {self._show(self.limit)}"

    def _show(self, value: float) -> str:
        return show_seconds(value) if _is_time(self.figure) else f"{value:.6g}"


def _is_time(figure: str) -> bool:
    return figure.partition("_")[0] in _TIMES
