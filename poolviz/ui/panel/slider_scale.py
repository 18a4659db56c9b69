"""Where a value stands on a slider, and which round value stands where a slider is."""

from __future__ import annotations

import math

from poolviz.model.parameters import Kind, Parameter

_FINE = 1000  # positions of a slider that isn't counted one by one
# Stepping up from zero comes here, and stepping down from the smallest value ends at the minimum.
_FROM_ZERO = {Kind.SECONDS: 0.001, Kind.NUMBER: 0.1}
_SMALLEST = {Kind.SECONDS: 1e-4, Kind.NUMBER: 0.01}
_DECADES = 4  # of a logarithmic slider that begins at zero


class SliderScale:
    """The positions, from 0 to `last`, of one parameter's slider. Special values stand last."""

    def __init__(self, parameter: Parameter) -> None:
        self._parameter = parameter
        self.low, self.high = parameter.slider
        self._log = parameter.log_slider
        counted = parameter.kind is Kind.COUNT and not self._log
        self.last = round(self.high - self.low) if counted else _FINE
        # The least value of the logarithmic part.
        least = 1.0 if parameter.kind is Kind.COUNT else self.high / 10**_DECADES
        self._first = self.low if self.low > 0 else least

    def position(self, value: float) -> int:
        """The position nearest to `value`."""
        if value in self._parameter.special and not self.low <= value <= self.high:
            return self.last
        inside = min(max(value, self.low), self.high)
        if not self._log:
            return round((inside - self.low) / (self.high - self.low) * self.last)
        if inside < self._first:
            return 0
        share = math.log(inside / self._first) / math.log(self.high / self._first)
        begin = 0 if self.low > 0 else 1
        return begin + round(share * (self.last - begin))

    def value(self, position: int) -> float:
        """The round value at a position: whole for counts, two digits for others."""
        if not self._log:
            exact = self.low + (self.high - self.low) * position / self.last
        elif position == 0:
            return self.low
        else:
            begin = 0 if self.low > 0 else 1
            share = (position - begin) / (self.last - begin)
            exact = self._first * (self.high / self._first) ** share
        if self._parameter.kind is Kind.COUNT:
            return round(exact)
        return _two_digits(exact)


def step(parameter: Parameter, value: float, steps: int) -> float:
    """The value that many steps on: whole ones for counts, about a tenth for others.

    Going down from the least value reaches the special ones below it ("no limit"), and back.
    """
    below = sorted(special for special in parameter.special if special < parameter.minimum)
    for _ in range(abs(steps)):
        if steps > 0:
            value = parameter.minimum if value in below else value + _stride(parameter, value, 1)
        elif value <= parameter.minimum:
            return below[-1] if below else parameter.minimum
        else:
            value = max(value - _stride(parameter, value, -1), parameter.minimum)
            if value < _SMALLEST.get(parameter.kind, 0):
                value = parameter.minimum
    return min(value, parameter.maximum)


def _stride(parameter: Parameter, value: float, direction: int) -> float:
    if parameter.kind is Kind.COUNT:
        return 1
    if value <= 0:
        return _FROM_ZERO[parameter.kind]
    power = math.floor(math.log10(value) + 1e-9)
    unit = 10.0**power
    lead = value / unit
    if direction < 0 and lead <= 1 + 1e-9:
        unit, lead = unit / 10, 10
    stride = unit / 10 if lead < 2 or (direction < 0 and lead <= 2 + 1e-9) else unit / 2
    # Land on the grid of strides, so that 8.3 ms goes to 8.5 ms and not to 8.8 ms.
    place = value / stride
    target = math.floor(place + 1e-6) + 1 if direction > 0 else math.ceil(place - 1e-6) - 1
    return abs(round(target * stride, 9) - value)


def _two_digits(value: float) -> float:
    return float(f"{value:.2g}") if value else 0.0
