"""What the charts of a sizing show, for the window, the HTML page and pictures alike.

Each chart has the sizes on its x axis. A sweep of two limits has a curve for each value of the
second one. Times are in seconds.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from poolviz.language import tr, tr_noop, trc
from poolviz.sessions.statistics import Interval
from poolviz.sizing.model import Model
from poolviz.sizing.points import Point, ServerShare
from poolviz.sizing.queueing import Equilibrium
from poolviz.sizing.sizing import Sizing
from poolviz.sizing.target import Aim

_MOST_CURVES = 8  # of the values of a second limit
_MOST_STEPS = 40  # of a model's curve


class Kind(StrEnum):
    """What a vertical line says."""

    RECOMMENDED = "recommended"
    RULE = "rule"
    BOUND = "lower_bound"


@dataclass(frozen=True)
class Dot:
    """A figure that was measured, with its 95 % interval if that is known. `point` is its number
    among the points of the sizing."""

    point: int
    x: float
    y: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Curve:
    """A curve and its name. `colour` is that of a `Theme`. What was measured has `dots`, what a
    model says has none; `y` is NaN where nothing is known."""

    name: str
    colour: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    dots: tuple[Dot, ...] = ()
    dashed: bool = False


@dataclass(frozen=True)
class Vertical:
    """A line at a size, with its name. `low` and `high` are the interval of what is recommended."""

    kind: Kind
    name: str
    x: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Level:
    """The value that a target asks for."""

    name: str
    y: float


@dataclass(frozen=True)
class SizeChart:
    """One chart. `unit` is "/s", "s" or empty, `axis` names the limit on the x axis. A chart of
    times has a logarithmic y axis."""

    name: str
    title: str
    unit: str
    axis: str
    curves: tuple[Curve, ...]
    verticals: tuple[Vertical, ...]
    levels: tuple[Level, ...]

    @property
    def logarithmic(self) -> bool:
        """Whether the y axis is logarithmic."""
        return self.unit == "s"

    @property
    def dots(self) -> Iterator[Dot]:
        """Everything that was measured."""
        for curve in self.curves:
            yield from curve.dots


_WAITS = {
    "wait_mean": tr_noop("mean"),
    "wait_p50": tr_noop("p50"),
    "wait_p95": tr_noop("p95"),
    "wait_p99": tr_noop("p99"),
}
_WAIT_COLOURS = {"wait_mean": "wait", "wait_p50": "p50", "wait_p95": "p95", "wait_p99": "p99"}
_SERVER: tuple[tuple[str, str, Callable[[ServerShare], float]], ...] = (
    (tr_noop("working"), "used", lambda server: server.running),
    (tr_noop("waiting for a lock"), "bad", lambda server: server.locked),
    (tr_noop("reading"), "overflow", lambda server: server.reading),
    (tr_noop("sleeping"), "server", lambda server: server.sleeping),
    (tr_noop("waiting otherwise"), "faint", lambda server: server.other),
    (tr_noop("idle in a transaction"), "backlog_name", lambda server: server.in_transaction),
)
# The colours of the values of a second limit.
_FAMILY = (
    *("p50", "used", "p99", "throughput"),
    *("overflow", "wait", "backlog_name", "server"),
)


def size_charts(sizing: Sizing, what_if: Model | None = None) -> tuple[SizeChart, ...]:
    """Return the charts of throughput, wait and server activity over size. `what_if` is the model
    of another load, whose curves are drawn too. Takes some milliseconds."""
    axes = _Axes(sizing)
    models = _models(sizing, what_if)
    aim = Aim.parse(*filter(None, sizing.target.split(" and ")))
    wanted = [each.figure for each in aim.conditions]
    waits = [name for name in _WAITS if name == "wait_p95" or (name in wanted and not axes.second)]
    throughput = _chart(
        axes,
        "throughput",
        (tr("Throughput"), "/s"),
        [
            *axes.measured(lambda point: point.throughput_per_s, trc("figure", "measured"),
                           "throughput"),
            *axes.predicted(models, lambda said: said.throughput, tr("model")),
        ],
    )  # fmt: skip
    curves: list[Curve] = []
    for name in waits:
        said = tr(_WAITS[name])
        curves += axes.measured(_interval_of(name), said, _WAIT_COLOURS[name])
        if name in ("wait_mean", "wait_p95"):
            label = tr("{figure}, model", figure=said) if len(waits) > 1 else tr("model")
            curves += axes.predicted(models, _prediction_of(name), label)
    title = tr("Wait to acquire") if len(waits) > 1 else tr("Wait to acquire, p95")
    charts = [throughput, _chart(axes, "wait", (title, "s"), curves)]
    if activity := _activity(axes):
        charts.append(_chart(axes, "server", (tr("Server activity, connections"), ""), activity))
    levels = {
        "throughput": [each for each in aim.conditions if each.figure == "throughput"],
        "wait": [each for each in aim.conditions if each.figure in waits],
        "server": [each for each in aim.conditions if each.figure == "used_mean"],
    }
    return tuple(
        replace(
            chart,
            levels=tuple(Level(str(each), each.limit) for each in levels[chart.name]),
        )
        for chart in charts
    )


class _Axes:
    """What of the points is on which axis."""

    def __init__(self, sizing: Sizing) -> None:
        self.sizing = sizing
        self.second = sizing.limits[1] if len(sizing.limits) > 1 else ""
        values = sorted({each.sizes[1] for each in sizing.points}) if self.second else []
        self.values = _picked(values, sizing.recommendation.sizes)

    def row(self, value: int | None) -> list[tuple[int, Point]]:
        """Return the numbers and points that have this value of the second limit."""
        return [
            (number, point)
            for number, point in enumerate(self.sizing.points)
            if value is None or point.sizes[1] == value
        ]

    def measured(
        self, figure: Callable[[Point], Interval | float | None], name: str, colour: str
    ) -> Iterator[Curve]:
        """Yield the curves of a figure: one, or one for each value of the second limit."""
        for place, value in enumerate(self.values or [None]):
            dots = tuple(_dots(self.row(value), figure))
            if not dots:
                continue
            if value is not None:
                name, colour = f"{self.second} {value}", _FAMILY[place]
            yield Curve(
                name, colour, tuple(dot.x for dot in dots), tuple(dot.y for dot in dots), dots
            )

    def predicted(
        self,
        models: Sequence[tuple[Model, str, str]],
        figure: Callable[[Equilibrium], float],
        name: str,
    ) -> Iterator[Curve]:
        """Yield the curves of what models say; none for a second limit, whose sizes have dots by
        the number of connections already."""
        steps = [] if self.second else _steps(self.sizing.points)
        for model, more, colour in models if steps else ():
            said = [figure(each) for each in model.at_each([size for _, size in steps])]
            yield Curve(
                more or name,
                colour,
                tuple(x for x, _ in steps),
                tuple(each if math.isfinite(each) else math.nan for each in said),
                dashed=True,
            )


def _models(sizing: Sizing, what_if: Model | None) -> list[tuple[Model, str, str]]:
    """Return the models to draw, each with a name of its own, if it has one, and its colour."""
    try:
        found = [(sizing.model, "", "muted")]
    except ValueError:
        found = []
    if what_if is not None:
        found.append((what_if, tr("what if"), "accent"))
    return found


def _chart(axes: _Axes, name: str, title: tuple[str, str], curves: Sequence[Curve]) -> SizeChart:
    first = axes.sizing.limits[0]
    return SizeChart(name, *title, first, tuple(curves), tuple(_verticals(axes.sizing)), ())


def _dots(
    row: Sequence[tuple[int, Point]], figure: Callable[[Point], Interval | float | None]
) -> Iterator[Dot]:
    for number, point in row:
        found = figure(point)
        if isinstance(found, Interval):
            if found.value is not None:
                yield Dot(number, float(point.sizes[0]), found.value, found.low, found.high)
        elif found is not None:
            yield Dot(number, float(point.sizes[0]), found)


def _interval_of(name: str) -> Callable[[Point], Interval]:
    def figure(point: Point) -> Interval:
        found: Interval = getattr(point, f"{name}_s")
        return found

    return figure


def _prediction_of(name: str) -> Callable[[Equilibrium], float]:
    def figure(said: Equilibrium) -> float:
        found: float = getattr(said, name)
        return found

    return figure


def _activity(axes: _Axes) -> list[Curve]:
    """Return the curves of what the server's connections did: those that are ever more than a
    twentieth of what was in use. For a second limit, of all that worked."""

    def of(figure: Callable[[ServerShare], float]) -> Callable[[Point], float | None]:
        return lambda point: None if point.server is None else figure(point.server)

    if axes.second:
        return list(axes.measured(of(lambda server: server.active), "", ""))
    seen = [each for each in axes.sizing.points if each.server is not None]
    if not seen:
        return []
    curves = list(axes.measured(lambda point: point.used_mean, tr("in use"), "idle_name"))
    most = max(each.used_mean for each in seen)
    for name, colour, figure in _SERVER:
        curve = next(axes.measured(of(figure), tr(name), colour))
        if max(curve.y) > most / 20:
            curves.append(curve)
    return curves


def _verticals(sizing: Sizing) -> Iterator[Vertical]:
    found = sizing.recommendation
    if found.sizes is not None:
        low, high = (found.low, found.high) if len(found.sizes) == 1 else (None, None)
        name = tr("recommended: {size}", size=" × ".join(map(str, found.sizes)))
        yield Vertical(Kind.RECOMMENDED, name, float(found.sizes[0]), low, high)
    for rule in sizing.rules:
        x = _size_with(sizing.points, rule.size)
        if x is not None:
            yield Vertical(Kind.RULE, rule.name, x)
    if sizing.lower_bound > 1:
        x = _size_with(sizing.points, sizing.lower_bound)
        if x is not None:
            yield Vertical(Kind.BOUND, tr("deadlocks below"), x)


def _size_with(points: Sequence[Point], connections: int) -> float | None:
    """Return the value of the swept limit with which the pool has so many connections; None if it
    isn't known, as in a sweep of two limits."""
    sizes = [each.sizes for each in points]
    more = {each.connections - each.sizes[0] for each in points}
    if any(len(each) > 1 for each in sizes) or len(more) > 1:
        return None
    return float(connections - more.pop())


def _steps(points: Sequence[Point]) -> list[tuple[float, int]]:
    """Return the sizes at which a model is asked, and the connections that the pool has there."""
    sizes = [each.sizes[0] for each in points]
    capacities = [each.connections for each in points]
    low, high = min(sizes), max(sizes)
    between = np.round(np.geomspace(low + 1, high + 1, _MOST_STEPS)) - 1
    asked = np.unique(np.concatenate((between, sizes)))
    return [
        (float(size), max(round(float(np.interp(size, sizes, capacities))), 1)) for size in asked
    ]


def _picked(values: Sequence[int], recommended: tuple[int, ...] | None) -> list[int]:
    """Return so many of the second limit's values as a chart can show, what is recommended among
    them."""
    if len(values) <= _MOST_CURVES:
        return list(values)
    places = np.linspace(0, len(values) - 1, _MOST_CURVES).round().astype(int)
    kept = [values[place] for place in places]
    if recommended is not None and recommended[1] not in kept:
        nearest = min(range(len(kept)), key=lambda place: abs(kept[place] - recommended[1]))
        kept[nearest] = recommended[1]
    return kept
