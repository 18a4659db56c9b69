"""What was measured at each size of a sweep."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import msgspec
import numpy as np
from numpy.typing import NDArray

from poolviz.load.fleet import processes_of
from poolviz.model.histogram import BUCKETS
from poolviz.servers.activity import Activity
from poolviz.sessions.batches import Batches, steps_of
from poolviz.sessions.bins import Numbers
from poolviz.sessions.differences import Measured
from poolviz.sessions.recorder import Recorder
from poolviz.sessions.statistics import Interval
from poolviz.sessions.sweep_record import KeptObservation, KeptVisit


class ServerShare(msgspec.Struct, frozen=True, kw_only=True):
    """What the server's backends did on average, as numbers of backends; `cpu` is the share of all
    cores of the machine that was busy, None for a server elsewhere."""

    running: float
    locked: float
    reading: float
    sleeping: float
    other: float
    in_transaction: float
    cpu: float | None

    @property
    def active(self) -> float:
        """How many executed a statement."""
        return self.running + self.locked + self.reading + self.sleeping + self.other


class Point(msgspec.Struct, frozen=True, kw_only=True):
    """The figures at one size, of all visits together, without settling times.

    Times are in seconds; counts are means over time. `sizes` are the values of the swept limits,
    `connections` how many these allow. `visits` are the parts of the session, from and to which
    second. `overloaded_share` is the share of the samples in which the load generator was at its
    limit, `generator_cpu` what it used of one core. Of several processes that were measured at once
    all figures are those of one, besides `operations`, `timeouts` and `errors`, which are of all.
    """

    sizes: tuple[int, ...]
    connections: int
    visits: list[tuple[float, float]]
    seconds: float
    operations: int
    throughput_per_s: Interval
    wait_mean_s: Interval
    wait_p50_s: Interval
    wait_p95_s: Interval
    wait_p99_s: Interval
    use_mean_s: float
    used_mean: float
    pending_mean: float
    open_mean: float
    timeouts: int
    errors: int
    overloaded_share: float
    generator_cpu: float
    server: ServerShare | None

    @property
    def utilisation(self) -> float:
        """Which share of the connections that are allowed was in use."""
        return self.used_mean / self.connections

    @property
    def failures(self) -> int:
        """How many operations failed."""
        return self.timeouts + self.errors


@dataclass(frozen=True)
class MeasuredPoint:
    """A point, the replicates of its bootstrap by figure, None for too few samples, and how many
    operations took how long, by the buckets of a histogram."""

    point: Point
    replicates: dict[str, Numbers | None]
    uses: Numbers = field(default_factory=lambda: np.zeros(BUCKETS))


def measured_points(
    recorder: Recorder,
    visits: Sequence[KeptVisit],
    observations: Sequence[KeptObservation],
) -> list[MeasuredPoint]:
    """Return what was measured at each size, the smallest first. Reads every sample."""
    bounds: list[float] = []
    for visit in visits:
        bounds += [visit.begin, visit.end]
    if not bounds:
        return []
    connections = {visit.sizes: visit.connections for visit in visits}
    processes = 1 if recorder.began is None else processes_of(recorder.began.scenario.fleet)
    # Every other segment lies before or between visits.
    steps = list(steps_of(recorder.columns(), bounds))[1::2]
    generator = _generator(recorder)
    parts: dict[tuple[int, ...], list[Batches]] = {}
    spans: dict[tuple[int, ...], list[tuple[float, float]]] = {}
    for visit, each in zip(visits, steps, strict=True):
        first = each.settled()
        parts.setdefault(visit.sizes, []).append(each.batches(first))
        spans.setdefault(visit.sizes, []).append((float(each.begins[first]), visit.end))
    found, uses = [], _uses(recorder, spans)
    for number, sizes in enumerate(sorted(parts)):
        times = spans[sizes]
        batches = Batches.joined(parts[sizes])
        measured = Measured(batches, times[0][0], times[-1][1], 0.0, (number,))
        seen = [each for each in observations if _inside(each.at, times)]
        point = msgspec.structs.replace(
            _point(sizes, connections[sizes], measured, times, processes),
            overloaded_share=_mean(generator["overloaded"], generator["t"], times),
            generator_cpu=_mean(generator["cpu"], generator["t"], times),
            server=_server_share(seen, processes),
        )
        found.append(MeasuredPoint(point, measured.replicates, uses[sizes]))
    return found


def _point(
    sizes: tuple[int, ...],
    connections: int,
    measured: Measured,
    times: list[tuple[float, float]],
    processes: int,
) -> Point:
    """Return the point without what the load generator and the server did."""
    figures, batches = measured.figures, measured.batches
    rate, each_second = figures["throughput_per_s"], processes * max(measured.seconds, 1e-9)
    return Point(
        sizes=sizes,
        connections=connections,
        visits=times,
        seconds=measured.seconds,
        operations=measured.part.operations,
        throughput_per_s=Interval(
            *(
                None if each is None else each / processes
                for each in (rate.value, rate.low, rate.high)
            )
        ),
        wait_mean_s=figures["wait_mean_s"],
        wait_p50_s=figures["wait_p50_s"],
        wait_p95_s=figures["wait_p95_s"],
        wait_p99_s=figures["wait_p99_s"],
        use_mean_s=figures["use_mean_s"].value or 0.0,
        used_mean=batches.total("used") / each_second,
        pending_mean=batches.total("pending") / each_second,
        open_mean=batches.total("open") / each_second,
        timeouts=measured.part.timeouts,
        errors=measured.part.errors,
        overloaded_share=0.0,
        generator_cpu=0.0,
        server=None,
    )


def _uses(
    recorder: Recorder, spans: Mapping[tuple[int, ...], Sequence[tuple[float, float]]]
) -> dict[tuple[int, ...], Numbers]:
    """Return how many operations took how long in the `spans` of each size."""
    found = {sizes: np.zeros(BUCKETS) for sizes in spans}
    for part in recorder.columns():
        cells, at = part["use.cells"], np.repeat(part["t"], part["use.filled"])
        for sizes, times in spans.items():
            inside = _within(at, times)
            found[sizes] += np.bincount(
                cells["bucket"][inside], cells["count"][inside].astype(np.float64), BUCKETS
            )
    return found


def _generator(recorder: Recorder) -> dict[str, Numbers]:
    """Return when each sample was taken, and how busy the load generator was."""
    parts = list(recorder.columns())
    return {
        name: np.concatenate([np.zeros(0), *(np.asarray(part[name], float) for part in parts)])
        for name in ("t", "overloaded", "cpu")
    }


def _mean(values: Numbers, at: Numbers, times: Sequence[tuple[float, float]]) -> float:
    """Return the mean of those `values` that were sampled within `times`; 0 if none was."""
    inside = _within(at, times)
    return float(values[inside].mean()) if inside.any() else 0.0


def _within(at: Numbers, times: Sequence[tuple[float, float]]) -> NDArray[np.bool_]:
    inside = np.zeros(len(at), dtype=bool)
    for begin, end in times:
        inside |= (at > begin) & (at <= end)
    return inside


def _server_share(seen: Sequence[KeptObservation], processes: int) -> ServerShare | None:
    known = [each.activity for each in seen if each.activity is not None]
    if not known:
        return None
    means = np.mean(known, axis=0) / processes
    loads = [each.cpu for each in seen if each.cpu is not None]
    shares = dict(zip(Activity._fields, means.tolist(), strict=True))
    return ServerShare(**shares, cpu=sum(loads) / len(loads) if loads else None)


def _inside(at: float, times: Sequence[tuple[float, float]]) -> bool:
    return any(begin <= at <= end for begin, end in times)
