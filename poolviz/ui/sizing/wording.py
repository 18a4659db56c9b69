"""What the window says of a sizing, beside the sentences that the answer has itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from poolviz.language import number, tr, trn
from poolviz.sessions.statistics import Interval
from poolviz.sizing.points import Point
from poolviz.sizing.sizing import Sizing
from poolviz.ui.sizing.size_scales import shown_value


def size_of(point: Point) -> str:
    """Return the values of the swept limits."""
    return " × ".join(map(str, point.sizes))


def chosen(sizing: Sizing) -> Point | None:
    """Return the point that is recommended; None where none is."""
    sizes = sizing.recommendation.sizes
    return next((each for each in sizing.points if each.sizes == sizes), None)


def facts(sizing: Sizing, processes: int) -> Iterator[str]:
    """Yield the sentences below the answer: neighbours, bound, connections of so many processes,
    rules of the field, and what was left out."""
    best = chosen(sizing)
    if best is not None:
        yield from neighbours(sizing, best)
    if sizing.lower_bound > 1:
        yield tr(
            "With fewer than {bound} connections, clients that hold one and wait for another can "
            "all wait for one another.",
            bound=sizing.lower_bound,
        )
    if best is not None and sizing.budget is not None:
        yield budget(sizing, best, processes)
    yield from sizing.notes


def neighbours(sizing: Sizing, best: Point) -> Iterator[str]:
    """Yield what the next smaller and the next larger size cost and gain."""
    place = sizing.points.index(best)
    for near in sizing.points[max(place - 1, 0) : place] + sizing.points[place + 1 : place + 2]:
        first, other = best.throughput_per_s.value, near.throughput_per_s.value
        if first and other is not None:
            change = round((other / first - 1) * 100)
            words = {
                "size": f"{' × '.join(sizing.limits)} {size_of(near)}",
                "change": number(change, "+d"),
                "wait": shown_value(near.wait_p95_s.value, "s"),
                "before": shown_value(best.wait_p95_s.value, "s"),
                "more": number(near.connections - best.connections, "+d"),
            }
            if change:
                yield tr(
                    "{size} instead: {change} % throughput, wait p95 {wait} instead of {before}, "
                    "{more} connections.",
                    **words,
                )
            else:
                yield tr(
                    "{size} instead: as much throughput, wait p95 {wait} instead of {before}, "
                    "{more} connections.",
                    **words,
                )


def budget(sizing: Sizing, best: Point, processes: int) -> str:
    """Return what so many processes with the recommended size need of what the server has."""
    assert sizing.budget is not None
    needed, free = processes * best.connections, sizing.budget.free
    said = trn(
        "{n} process with up to {each} connections needs {needed}.",
        "{n} processes with up to {each} connections each need {needed}.",
        processes,
        each=best.connections,
        needed=number(needed),
    )
    if free is None:
        return said
    if needed <= free:
        more = tr("The server had {free} free: they fit.", free=number(free))
    else:
        more = tr(
            "The server had {free} free: they don't fit. It takes {most} such processes.",
            free=number(free),
            most=free // best.connections,
        )
    return f"{said} {more}"


def heads(sizing: Sizing) -> Sequence[str]:
    """Return the heads of the table of points."""
    return (
        *(" × ".join(sizing.limits), tr("Connections"), tr("Throughput"), tr("Wait p95")),
        *(tr("Model: throughput"), tr("Model: wait p95"), tr("In use"), tr("Failures")),
    )


def rows(sizing: Sizing) -> Iterator[tuple[str, ...]]:
    """Yield the cells of each point."""
    said = {each.sizes: each for each in sizing.predictions}
    for point in sizing.points:
        model = said.get(point.sizes)
        yield (
            size_of(point),
            number(point.connections),
            _with_interval(point.throughput_per_s, "/s"),
            _with_interval(point.wait_p95_s, "s"),
            shown_value(None if model is None else model.throughput_per_s, "/s"),
            shown_value(None if model is None else model.wait_p95_s, "s"),
            number(point.used_mean, ".1f"),
            number(point.failures),
        )


def _with_interval(figure: Interval, unit: str) -> str:
    shown = shown_value(figure.value, unit)
    if figure.low is None or figure.high is None:
        return shown
    if unit == "s":
        return f"{shown} ({shown_value(figure.low, unit)} – {shown_value(figure.high, unit)})"
    return f"{shown} ({number(figure.low, ',.0f')} – {number(figure.high, ',.0f')})"
