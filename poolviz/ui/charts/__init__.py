"""The charts: connections, wait to acquire, throughput, and the strip of the whole session."""

from __future__ import annotations

from poolviz.ui.charts.charts_widget import ChartStack

__all__ = ["ChartStack"]
