"""Where values are painted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PySide6.QtCore import QRectF

from poolviz.ui.charts.axes import Floats


@dataclass(frozen=True)
class PlotArea:
    """The rectangle of a chart's curves, which shows `span` seconds up to 0 and the values from
    `low` to `high`, with `ratio` device pixels a pixel."""

    rect: QRectF
    span: float
    low: float
    high: float
    ratio: float

    def x_of(self, times: Floats) -> Floats:
        """Return the pixels of times relative to the end."""
        return self.rect.right() + times * (self.rect.width() / self.span)

    def y_of(self, values: Floats) -> Floats:
        """Return the pixels of values."""
        per_unit = self.rect.height() / (self.high - self.low)
        return self.rect.bottom() - (values - self.low) * per_unit

    @property
    def zero(self) -> float:
        """The pixel of 0, or of the value nearest to it that is shown."""
        return float(self.y_of(np.array(min(max(0.0, self.low), self.high))))
