"""Ticks, ranges and labels of the axes, without Qt."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from poolviz.language import number, tr
from poolviz.ui.style.units import decade

Floats = NDArray[np.float64]
MINUS = "\N{MINUS SIGN}"

_TOPS = (1.0, 1.2, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0)
_TIME_STEPS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 180, 300, 600, 900, 1800, 3600, 7200)
_REST = 2.0  # seconds that a range stays too wide before it shrinks
LEFT, RIGHT, TOP, BOTTOM, TIME_AXIS = 44.0, 86.0, 28.0, 9.0, 22.0


@dataclass(frozen=True)
class Frame:
    """The part of the session that is shown, in seconds since its start.

    `live`: its end is now, and the axis counts back from there.
    """

    start: float
    end: float
    live: bool

    @property
    def span(self) -> float:
        """How much is shown, in seconds."""
        return self.end - self.start


@dataclass(frozen=True)
class Tick:
    """A position on an axis, and its label."""

    at: float
    text: str


def bridged(times: Floats, values: Floats, longest: float) -> Floats:
    """Return values with straight lines over gaps (NaN) that take at most `longest` seconds from
    one known value to the next."""
    known = np.flatnonzero(~np.isnan(values))
    if len(known) < 2 or len(known) == len(values):
        return values
    missing = np.flatnonzero(np.isnan(values))
    after = np.searchsorted(known, missing)
    inside = (after > 0) & (after < len(known))
    missing, after = missing[inside], after[inside]
    short = times[known[after]] - times[known[after - 1]] <= longest
    filled = values.copy()
    filled[missing[short]] = np.interp(times[missing[short]], times[known], values[known])
    return filled


def nice_step(span: float, most: int, whole: bool = False) -> float:
    """Return the smallest step of 1, 2 or 5 × 10ⁿ that goes at most `most` times into `span`."""
    rough = max(span, 1e-12) / max(most, 1)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(n * power for n in (1, 2, 5, 10) if n * power >= rough * (1 - 1e-9))
    return max(step, 1.0) if whole else step


def nice_top(need: float) -> float:
    """Return a round number equal to `need` or a little above it."""
    if need <= 0:
        return 0.0
    power = 10.0 ** math.floor(math.log10(need))
    return next(n * power for n in _TOPS if n * power >= need * (1 - 1e-9))


def ticks_up(top: float, most: int, whole: bool = False) -> list[Tick]:
    """Return at most `most` ticks above 0, up to `top`."""
    step = nice_step(top, most, whole)
    count = math.floor(top / step + 1e-9)
    return [Tick(index * step, plain(index * step)) for index in range(count + 1)]


def decades(low: float, high: float) -> list[Tick]:
    """Return a tick at each power of ten between `low` and `high`, exponents of milliseconds."""
    first, last = math.ceil(low - 1e-9), math.floor(high + 1e-9)
    return [Tick(power, decade(power)) for power in range(first, last + 1)]


def with_room(ticks: Sequence[Tick], place_of: Callable[[float], float], gap: float) -> list[Tick]:
    """Return the ticks that can be placed at least `gap` apart, those nearest 0 first."""
    kept: list[Tick] = []
    for tick in sorted(ticks, key=lambda tick: abs(tick.at)):
        if all(abs(place_of(tick.at) - place_of(other.at)) >= gap for other in kept):
            kept.append(tick)
    return kept


def time_step(span: float, most: int) -> float:
    """Return a step usual for times that fits at most `most` times into `span`."""
    rough = span / max(most, 1)
    hours = max(math.ceil(rough / 3600), 1)
    return next((float(step) for step in _TIME_STEPS if step >= rough - 1e-9), hours * 3600.0)


def time_ticks(frame: Frame, most: int) -> list[Tick]:
    """Return the ticks of the time axis, relative to the frame's end."""
    step = time_step(frame.span, most)
    if frame.live:
        count = math.floor(frame.span / step + 1e-9)
        return [Tick(-n * step, ago(n * step, step)) for n in range(count, -1, -1)]
    first = math.ceil(max(frame.start, 0.0) / step - 1e-9)
    last = math.floor(frame.end / step + 1e-9)
    return [Tick(n * step - frame.end, clock(n * step, step)) for n in range(first, last + 1)]


def ago(seconds: float, step: float = 1.0) -> str:
    """Return a time before now as text: `now`, `−20 s`, `−4 min`."""
    if seconds < 1e-9:
        return tr("now")
    if step >= 60 and step % 60 == 0:
        return f"{MINUS}{seconds / 60:.0f} min"
    return f"{MINUS}{plain(round(seconds, 3))} s"


def clock(seconds: float, step: float = 1.0) -> str:
    """Return a time since the start: `0:07`, `2:31`, `1:02:31`, with tenths if `step` has them."""
    tenths = round(seconds * 10)
    minutes, tenths = divmod(tenths, 600)
    hours, minutes = divmod(minutes, 60)
    tail = number(tenths / 10, "04.1f") if step < 1 else f"{tenths // 10:02d}"
    return f"{hours}:{minutes:02d}:{tail}" if hours else f"{minutes}:{tail}"


def lasting(seconds: float) -> str:
    """Return a duration as text: `12 s`, `3 min 12 s`, `1 h 4 min`."""
    whole = int(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def plain(value: float) -> str:
    """Return a number as a short text: `0`, `0.5`, `1000`, `25k`, `1.2M`."""
    for size, unit in ((1e6, "M"), (1e4, "k")):
        if abs(value) >= size:
            return f"{number(value / (1e6 if unit == 'M' else 1e3), '.4g')}{unit}"
    return number(value, ".10g" if value == int(value) else ".4g")


class CalmRange:
    """A range that grows at once, and shrinks only after it has been too wide for a while."""

    def __init__(self, low: float, high: float) -> None:
        self.low, self.high = low, high
        self._too_wide_since: float | None = None

    def fit(self, low: float, high: float, t: float, *, calm: bool) -> None:
        """Cover `low` to `high` at `t` seconds of the session; shrink at once unless `calm`."""
        since = self._too_wide_since
        if not calm:
            self._set(low, high)
        elif low < self.low or high > self.high:
            self._set(min(low, self.low), max(high, self.high))
        elif (low, high) == (self.low, self.high):
            self._too_wide_since = None
        elif since is None or t < since:
            self._too_wide_since = t
        elif t - since >= _REST:
            self._set(low, high)

    def _set(self, low: float, high: float) -> None:
        self.low, self.high, self._too_wide_since = low, high, None


def highest(values: Floats, default: float = 0.0) -> float:
    """Return the highest of `values` that isn't NaN."""
    known = values[np.isfinite(values)]
    return float(known.max()) if len(known) else default


def lowest(values: Floats, default: float = 0.0) -> float:
    """Return the lowest of `values` that isn't NaN."""
    known = values[np.isfinite(values)]
    return float(known.min()) if len(known) else default


def latest(values: Floats, count: int = 1) -> float:
    """Return the mean of the last `count` values without NaN; NaN if the last one is NaN."""
    tail = values[-count:]
    known = tail[np.isfinite(tail)]
    return float(known.mean()) if len(known) else math.nan


def steps(x: Floats, values: Floats) -> tuple[Floats, Floats]:
    """Return a curve that holds each value until the next one, with as few points as possible.

    Where the values are NaN the curve has a gap.
    """
    if len(x) < 2:
        return x, values
    same = (values[1:] == values[:-1]) | (np.isnan(values[1:]) & np.isnan(values[:-1]))
    turns = np.flatnonzero(~same) + 1
    starts = np.concatenate(([0], turns))
    ends = np.concatenate((turns, [len(x) - 1]))
    corners = np.empty((2, 2 * len(starts)))
    corners[0, 0::2], corners[0, 1::2] = x[starts], x[ends]
    corners[1, 0::2] = corners[1, 1::2] = values[starts]
    return corners[0], corners[1]


def spread(wanted: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Return positions in [low, high], at least `gap` apart and as near to `wanted` as possible.

    What is wanted higher (smaller) stays higher; equals keep their order.
    """
    order = sorted(range(len(wanted)), key=lambda index: wanted[index])
    blocks: list[
        tuple[float, int]
    ] = []  # (sum of the positions wanted for its first member, members)
    for rank, index in enumerate(order):
        total, clients = wanted[index] - rank * gap, 1
        while blocks and blocks[-1][0] / blocks[-1][1] > total / clients:
            before, count = blocks.pop()
            total, clients = total + before, clients + count
        blocks.append((total, clients))
    room = high - low - gap * (len(wanted) - 1)
    places = [total / clients for total, clients in blocks for _ in range(clients)]
    found = [0.0] * len(wanted)
    for rank, index in enumerate(order):
        found[index] = min(max(places[rank], low), low + max(room, 0.0)) + rank * gap
    return found


def snapped(pixel: float) -> float:
    """Return the centre of the pixel, where a line of one pixel is sharp."""
    return math.floor(pixel) + 0.5
