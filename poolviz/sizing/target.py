"""The condition that a size has to meet, such as `wait_p95 < 20ms`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from poolviz.language import tr
from poolviz.model.errors import ParameterError
from poolviz.model.parameters import suggest
from poolviz.sessions.thresholds import Threshold
from poolviz.sizing.points import Point

FIGURES: dict[str, Callable[[Point], float | None]] = {
    "throughput": lambda point: point.throughput_per_s.value,
    "wait_mean": lambda point: point.wait_mean_s.value,
    "wait_p50": lambda point: point.wait_p50_s.value,
    "wait_p95": lambda point: point.wait_p95_s.value,
    "wait_p99": lambda point: point.wait_p99_s.value,
    "use_mean": lambda point: point.use_mean_s,
    "used_mean": lambda point: point.used_mean,
    "open_mean": lambda point: point.open_mean,
    "timeouts": lambda point: point.timeouts,
    "errors": lambda point: point.errors,
}


@dataclass(frozen=True)
class Aim:
    """What every recommended size meets: all of these conditions."""

    conditions: tuple[Threshold, ...] = ()

    @classmethod
    def parse(cls, *texts: str) -> Aim:
        """Return the aim that `texts` say. ParameterError for one that can't be read, or whose
        figure a size doesn't have."""
        found = []
        for text in texts:
            try:
                condition = Threshold.parse(text)
            except ParameterError as error:
                raise ParameterError("--target", error.problem) from None
            if condition.figure not in FIGURES or condition.scope.words:
                raise ParameterError(
                    "--target",
                    tr(
                        "'{text}': it takes a figure of a size, without a scope: {known}.",
                        text=text,
                        known=suggest(condition.figure, FIGURES),
                    ),
                )
            found.append(condition)
        return cls(tuple(found))

    def met_by(self, point: Point) -> bool:
        """Whether every condition is true of a point. What was not counted meets none."""
        for condition in self.conditions:
            value = FIGURES[condition.figure](point)
            if value is None or not condition.holds(value):
                return False
        return True

    def __str__(self) -> str:
        return " and ".join(map(str, self.conditions))
