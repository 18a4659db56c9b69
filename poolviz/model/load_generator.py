"""When the load generator itself is the limit, so that its figures may not be the pool's."""

from __future__ import annotations

from poolviz.language import tr

LAG_LIMIT = 0.005  # seconds that the 99th of 100 timers may be late
CPU_LIMIT = 0.9  # of one core


def is_overloaded(cpu: float, lag: float) -> bool:
    """Whether the load generator is over one of its limits; `cpu` in cores, `lag` in seconds."""
    return cpu > CPU_LIMIT or lag > LAG_LIMIT


def limits_crossed(cpu: float, lag: float) -> str:
    """Return which limits the load generator is over and by how much; "" where it is over none."""
    crossed = []
    if lag > LAG_LIMIT:
        crossed.append(
            tr("timers {lag:.1f} ms late, limit {limit:g} ms", lag=lag * 1e3, limit=LAG_LIMIT * 1e3)
        )
    if cpu > CPU_LIMIT:
        crossed.append(
            tr("{cpu:.0f} % of a core, limit {limit:g} %", cpu=cpu * 100, limit=CPU_LIMIT * 100)
        )
    return tr(" and ").join(crossed)
