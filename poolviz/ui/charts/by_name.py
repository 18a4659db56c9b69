"""The class of each chart, by the name that exports and settings know it by."""

from __future__ import annotations

from collections.abc import Mapping

from poolviz.ui.charts.ages import Ages
from poolviz.ui.charts.chart import Chart
from poolviz.ui.charts.connections import Connections
from poolviz.ui.charts.fairness import Fairness
from poolviz.ui.charts.heatmap import Heatmap
from poolviz.ui.charts.lanes import Lanes
from poolviz.ui.charts.opened import Opened
from poolviz.ui.charts.pooler_counts import PoolerCounts
from poolviz.ui.charts.server_states import ServerStates
from poolviz.ui.charts.throughput import Throughput
from poolviz.ui.charts.wait import Wait

# As in `PICTURE`, from above.
CHARTS: Mapping[str, type[Chart]] = {
    "connections": Connections,
    "wait": Wait,
    "heatmap": Heatmap,
    "throughput": Throughput,
    "opened": Opened,
    "ages": Ages,
    "fairness": Fairness,
    "pooler": PoolerCounts,
    "server": ServerStates,
    "lanes": Lanes,
}
