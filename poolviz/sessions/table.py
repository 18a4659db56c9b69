"""All samples of a session as one table, for analysis: a row for each sample, a column for each
figure.

Times are in seconds. A figure that was not measured, or for which nothing was counted, is NaN.
Percentiles are those of one sample: don't average them, take them from `summary()`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from operator import attrgetter
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from poolviz.sessions.bins import LEVELS
from poolviz.sessions.file.columns import Columns, missing
from poolviz.sessions.file.stored_bins import percentiles

Column: TypeAlias = NDArray[np.float64] | NDArray[np.int64]
Table: TypeAlias = dict[str, Column]

# What an hour of takes no more room than a spreadsheet opens; all figures are in the tidy CSV.
COLUMNS = (
    *("t_s", "segment", "clients", "capacity"),
    *("open", "used", "used_high", "used_mean", "idle", "overflow"),
    *("pending", "pending_high", "pending_mean", "retrying", "backlog"),
    *("opened", "closed", "operations", "throughput_per_s", "timeouts", "errors"),
    *("wait_time_count", "wait_time_mean_s", "wait_time_p50_s", "wait_time_p95_s"),
    *("wait_time_p99_s", "wait_time_max_s"),
    *("use_time_count", "use_time_mean_s", "use_time_p95_s"),
    *("create_time_count", "create_time_mean_s"),
    *("server_active", "server_idle", "server_idle_in_transaction", "server_other"),
    *("server_others", "load_generator_strained"),
    *("pooler_cl_active", "pooler_cl_waiting", "pooler_sv_active", "pooler_sv_idle"),
    "pooler_maxwait_s",
)
_TIMES = ("wait", "use", "create", "retry")
_REPORTED = ("open", "used", "pending")
_POOLER = ("cl_active", "cl_waiting", "sv_active", "sv_idle", "sv_other")
_SERVER = ("active", "idle", "idle_in_transaction", "other", "total", "others")


def table_of(parts: Iterable[Columns]) -> Table:
    """Return every figure of the samples by its name, in the order of their times.

    A count such as `used` is that at the end of a sample, with `used_low`, `used_high` and the
    time-weighted `used_mean` within it. Segments are numbered from 1.
    """
    tables = [dict(_figures(part)) for part in parts]
    names = tables[0] if tables else ()
    return {name: np.concatenate([table[name] for table in tables]) for name in names}


def unit_of(name: str) -> str:
    """Return the unit of a column; "" for a number of things that its name says."""
    if name.endswith("_per_s"):
        return "1/s"
    return "s" if name.endswith("_s") else ""


def _figures(part: Columns) -> Iterator[tuple[str, Column]]:
    yield "t_s", part["t"]
    yield "span_s", part["span"]
    yield "segment", part["segment"] + 1
    yield "clients", part["clients"]
    for name in LEVELS:
        yield name, part[f"{name}.last"]
        for statistic in ("low", "high", "mean"):
            yield f"{name}_{statistic}", part[f"{name}.{statistic}"]
    yield "capacity", _or_nan(part["capacity"])
    yield "opened", part["opened"]
    yield "closed", part["closed"]
    yield "operations", part["operations"]
    yield "throughput_per_s", _over(part["operations"], part["span"])
    yield "timeouts", part["timeouts"]
    yield "errors", _rare(part, "errors", lambda errors: sum(errors.values()), 0).astype(np.int64)
    for name in _TIMES:
        yield from _durations(part, name)
    for name in _REPORTED:
        reported = _or_nan(part[f"reported.{name}"])
        for number, odd in part.rare.get("reported_counts", {}).items():
            reported[number] = math.nan if getattr(odd, name) is None else getattr(odd, name)
        yield f"reported_{name}", reported
    for name in _SERVER:
        yield f"server_{name}", _rare(part, "server", attrgetter(name), math.nan)
    for name in _POOLER:
        yield f"pooler_{name}", _rare(part, "pooler", attrgetter(name), math.nan)
    yield "pooler_maxwait_s", _rare(part, "pooler", attrgetter("maxwait"), math.nan)
    yield "load_generator_cpu", part["cpu"]
    yield "load_generator_lag_p99_s", part["lag"]
    yield "load_generator_strained", part["overloaded"]
    yield "ending", part["ending"]


def _durations(part: Columns, name: str) -> Iterator[tuple[str, Column]]:
    count = part[f"{name}.count"]
    yield f"{name}_time_count", count
    yield f"{name}_time_mean_s", _over(part[f"{name}.total"], count)
    shares = percentiles(part, np.arange(part.count), name)
    for share, row in zip(("p50", "p95", "p99"), shares, strict=True):
        yield f"{name}_time_{share}_s", row
    yield f"{name}_time_max_s", np.where(count > 0, part[f"{name}.high"], math.nan)


def _rare(part: Columns, name: str, figure: Callable[[Any], Any], default: float) -> Column:
    """Return a figure of what few samples have."""
    column = np.full(part.count, default)
    for number, value in part.rare.get(name, {}).items():
        found = figure(value)
        column[number] = math.nan if found is None else found
    return column


def _or_nan(column: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.where(missing(column), math.nan, column)


def _over(total: Column, by: Column) -> NDArray[np.float64]:
    """Return one column over another; NaN where that is zero."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(by > 0, total / by, math.nan)
