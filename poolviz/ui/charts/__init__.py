"""The charts: connections, wait to acquire, throughput, and the overview of the whole session."""

from __future__ import annotations

from poolviz.ui.charts.charts_widget import ChartsWidget

__all__ = ["ChartsWidget"]
