"""Convert between the values of a parameter and the positions of its slider."""

from __future__ import annotations

import math

from poolviz.model.parameters import Numeric


class SliderScale:
    """The positions of one parameter's slider, from 0 to `last`, which special values take."""

    def __init__(self, parameter: Numeric) -> None:
        self._parameter = parameter
        self.low, self.high = parameter.slider
        self._log = parameter.log_slider
        self.last = parameter.slider_positions
        # The least value of the logarithmic part.
        self._first = self.low if self.low > 0 else parameter.slider_least

    def position(self, value: float) -> int:
        """Return the position nearest to `value`."""
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
        """Return the round value at a position."""
        if not self._log:
            exact = self.low + (self.high - self.low) * position / self.last
        elif position == 0:
            return self.low
        else:
            begin = 0 if self.low > 0 else 1
            share = (position - begin) / (self.last - begin)
            exact = self._first * (self.high / self._first) ** share
        return self._parameter.rounded(exact)
