"""The answer of a sweep: the size to choose, what was measured, and the model of it."""

from __future__ import annotations

import pkgutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from poolviz.language import tr, tr_noop
from poolviz.load.fleet import processes_of
from poolviz.model.errors import InputError, ParameterError, PoolvizError
from poolviz.model.parameters import Value
from poolviz.model.scenario import Scenario
from poolviz.pools.registry import pool_class
from poolviz.sessions.recorder import Recorder
from poolviz.sessions.sweep_record import KeptNote, SweepRecord
from poolviz.sizing.advice import Bottleneck, Recommendation, Verdict, bottleneck, recommend
from poolviz.sizing.model import FOR_EVER, Exhausted, Model, Queue, fitted
from poolviz.sizing.notes import sentence
from poolviz.sizing.points import MeasuredPoint, Point, measured_points
from poolviz.sizing.simulation import EXPONENTIAL, Times
from poolviz.sizing.target import Aim
from poolviz.sizing.variation import times_measured

_WAITED = 0.5  # clients on average
_HELD_OUT = 3  # every third size is predicted by a model of the others


class Budget(msgspec.Struct, frozen=True, kw_only=True):
    """How many such pools the server takes: `processes` of the recommended size, of the connections
    that were `free` of `max_connections`; None where the server has no limit. All processes that
    were measured at once have `together` connections at most."""

    connections: int
    together: int
    free: int | None
    max_connections: int | None
    processes: int | None


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """A rule of the field and the size that it gives for this machine."""

    name: str
    size: int


class Predicted(msgspec.Struct, frozen=True, kw_only=True):
    """What the model says of a size. `held_out` ones were predicted by a model that was fitted to
    the others. `model` is the queue that it is. Times are in seconds; None for one without an end.
    Waits are of all who get a connection or give up, the `served` ones of those who get one, and
    `lost_share` is the share that gives up or is refused."""

    sizes: tuple[int, ...]
    connections: int
    held_out: bool
    throughput_per_s: float
    wait_mean_s: float | None
    wait_p95_s: float | None
    model: Queue
    lost_share: float
    served_wait_mean_s: float | None
    served_wait_p95_s: float | None


class Sizing(msgspec.Struct, frozen=True, kw_only=True):
    """What a sweep found. `limits` names the limits that were swept, `recommended` the values of
    these to choose. `points` has what was measured, the smallest size first, and `predictions` what
    the model says of the same sizes. `exhausted` is what happens when all connections are in use.
    `remarks` are what `notes` says. `session` is the file that was recorded. So many `processes`
    were measured at once, each with a pool of its own: points and predictions are of one of them.
    The model of a `quick` one answers by formulas, which takes no time from a sweep that goes on.
    """

    pool: str
    server: str
    limits: tuple[str, ...]
    target: str
    recommendation: Recommendation
    bottleneck: Bottleneck
    points: list[Point]
    predictions: list[Predicted]
    rules: list[Rule]
    budget: Budget | None
    lower_bound: int
    remarks: tuple[KeptNote, ...]
    complete: bool
    session: str | None
    load: dict[str, Value]
    exhausted: Exhausted = FOR_EVER
    processes: int = 1
    use_times: Times = EXPONENTIAL
    quick: bool = False

    @property
    def sentence(self) -> str:
        """The answer, in the language in use."""
        found, points = self.recommendation, self.points
        best = max(points, key=lambda each: each.throughput_per_s.value or 0.0)
        chosen = next((each for each in points if each.sizes == found.sizes), best)
        said = [_answer(found, self.limits, self.target, chosen)]
        if self.processes > 1 and self.budget is not None:
            said.append(_of_all(self.budget, self.processes))
        return " ".join([*said, tr(_WHY[self.bottleneck])])

    @property
    def notes(self) -> list[str]:
        """Sentences on what was left out or isn't known, in the language in use."""
        said = [said for each in self.remarks if (said := sentence(each)) is not None]
        if self.processes > 1:
            said.append(
                tr(
                    "{n} processes of each size were measured at once: connections, throughput and "
                    "the model are those of one of them.",
                    n=self.processes,
                )
            )
        queues = {each.model for each in self.predictions}
        models = [tr(_MODELS[queue]) for queue in sorted(queues)]
        return [*said, *models, *([tr(_TIMES)] if models and not self.quick else [])]

    @property
    def recommended(self) -> dict[str, int] | None:
        """The values of the swept limits to choose; None where there are none."""
        sizes = self.recommendation.sizes
        return None if sizes is None else dict(zip(self.limits, sizes, strict=True))

    @property
    def model(self) -> Model:
        """The model that is fitted to all points. ValueError if nothing was measured."""
        return fitted(
            *(self.points, self.load, self.exhausted, self.use_times), simulates=not self.quick
        )

    def to_png(self) -> bytes:
        """Return answer and charts as a PNG image. PoolvizError if Qt can't be loaded."""
        png: bytes = pkgutil.resolve_name("poolviz.ui.sizing.image:png")(self)
        return png

    def export(self, path: str | Path) -> None:
        """Write it in the format of the suffix of `path`: .html .png .svg .pdf .csv .json or .md.
        InputError if the suffix isn't one of these or the file can't be written."""
        pkgutil.resolve_name("poolviz.sizing.files:write_file")(self, Path(path))

    def _repr_png_(self) -> bytes | None:
        """Return answer and charts for a notebook; None where they can't be drawn."""
        try:
            return self.to_png()
        except PoolvizError:
            return None

    def _repr_html_(self) -> str:
        """Return answer, points and charts for a notebook."""
        html: str = pkgutil.resolve_name("poolviz.sizing.answer:as_html")(self, self._repr_png_())
        return html

    def as_object(self) -> dict[str, Any]:
        """Return all of it as one JSON object, its sentences in the language in use."""
        found: dict[str, Any] = msgspec.to_builtins(self)
        del found["remarks"], found["use_times"], found["quick"]
        return {
            "recommended": self.recommended,
            "sentence": self.sentence,
            **found,
            "notes": self.notes,
        }


def sizing_of(recorder: Recorder, *, aim: Aim | None = None, quick: bool = False) -> Sizing | None:
    """Return the answer of the sweep that a recorder has, with another `aim` if that is given; None
    if it has none, or nothing was measured. Reads every sample. InputError for a session that says
    of its sweep what no sweep does."""
    kept, began = recorder.sweep, recorder.began
    if kept is None or began is None or not kept.visits:
        return None
    try:
        aim = Aim.parse(*kept.targets) if aim is None else aim
        points = measured_points(recorder, kept.visits, kept.observations)
        return conclude(
            points,
            aim,
            kept,
            pool=began.scenario.pool,
            server=began.environment.get("server", ""),
            load=began.scenario.load,
            session=None if recorder.path is None else str(recorder.path.absolute()),
            exhausted=_exhausted(began.scenario, points),
            processes=processes_of(began.scenario.fleet),
            quick=quick,
        )
    except (ParameterError, LookupError, ValueError, ArithmeticError):
        raise InputError(
            tr("What {path} says of its sweep is not what was written.", path=recorder.path)
        ) from None


def conclude(
    measured: Sequence[MeasuredPoint],
    aim: Aim,
    kept: SweepRecord,
    *,
    pool: str,
    server: str,
    load: Mapping[str, Value],
    session: str | None,
    exhausted: Exhausted = FOR_EVER,
    processes: int = 1,
    quick: bool = False,
) -> Sizing:
    """Return what follows from what was measured, which is at least one size."""
    points = [each.point for each in measured]
    found = recommend(measured, aim.met_by)
    place = next((n for n, each in enumerate(points) if each.sizes == found.sizes), None)
    best = max(points, key=lambda each: each.throughput_per_s.value or 0.0)
    chosen = best if place is None else points[place]
    budget = None
    if place is not None:
        budget = Budget(
            connections=chosen.connections,
            together=processes * chosen.connections,
            free=kept.free,
            max_connections=kept.max_connections,
            processes=None if kept.free is None else kept.free // chosen.connections,
        )
    return Sizing(
        pool=pool,
        server=server,
        limits=tuple(key for key, _, _ in kept.ranges),
        target=str(aim),
        recommendation=found,
        bottleneck=bottleneck(points, chosen),
        points=points,
        predictions=predictions(measured, load, exhausted, simulates=not quick),
        rules=[Rule(name=tr(name), size=size) for name, size in kept.rules],
        budget=budget,
        lower_bound=kept.lower_bound,
        remarks=kept.notes,
        complete=kept.complete,
        session=session,
        load=dict(load),
        exhausted=exhausted,
        processes=processes,
        use_times=times_measured([each.uses for each in measured]),
        quick=quick,
    )


def _of_all(budget: Budget, processes: int) -> str:
    """Return what all processes need of what the server has, as a sentence."""
    if budget.free is None:
        return tr(
            "That is {each} connections each and {together} together, in {n} processes.",
            each=budget.connections,
            together=budget.together,
            n=processes,
        )
    return tr(
        "That is {each} connections each and {together} together, in {n} processes, of {free} that "
        "are free.",
        each=budget.connections,
        together=budget.together,
        n=processes,
        free=budget.free,
    )


def _exhausted(scenario: Scenario, measured: Sequence[MeasuredPoint]) -> Exhausted:
    """Return what happens when all connections are in use, of a run whose pool may be the user's
    own and not be here. One of whose callers many waited doesn't refuse them, whatever is known of
    it."""
    try:
        found = Exhausted.of(pool_class(scenario.pool), scenario.limits, scenario.load)
    except (InputError, LookupError, TypeError, ValueError):
        return FOR_EVER
    refuses = found.patience == 0 and found.backoff is None
    waited = any(each.point.pending_mean > _WAITED for each in measured)
    return FOR_EVER if refuses and waited else found


def predictions(
    measured: Sequence[MeasuredPoint],
    load: Mapping[str, Value],
    exhausted: Exhausted = FOR_EVER,
    *,
    simulates: bool = True,
) -> list[Predicted]:
    """Return what the model says of each size that was measured: of every third one, but for the
    smallest and the largest, by a model that didn't see it."""
    out = {
        place
        for place in range(1, len(measured) - 1)
        if place % _HELD_OUT == _HELD_OUT - 1 and len(measured) > _HELD_OUT
    }
    groups = measured, [each for place, each in enumerate(measured) if place not in out]
    try:
        all_of_them, without = (
            fitted(
                [each.point for each in group],
                load,
                exhausted,
                times_measured([each.uses for each in group]),
                simulates=simulates,
            )
            for group in groups
        )
    except ValueError:
        return []
    sizes = [each.point.connections for each in measured]
    said_of_all, said_without = all_of_them.at_each(sizes), without.at_each(sizes)
    found = []
    for place, point in enumerate(each.point for each in measured):
        model = without if place in out else all_of_them
        said = (said_without if place in out else said_of_all)[place]
        served = said.served_wait_mean, said.served_wait_p95
        mean, p95 = (
            own if own is not None else one
            for own, one in zip(served, (said.wait_mean, said.wait_p95), strict=True)
        )
        found.append(
            Predicted(
                sizes=point.sizes,
                connections=point.connections,
                held_out=place in out,
                throughput_per_s=said.throughput,
                wait_mean_s=_finite(said.wait_mean),
                wait_p95_s=_finite(said.wait_p95),
                model=model.queue,
                lost_share=said.lost_share,
                served_wait_mean_s=_finite(mean),
                served_wait_p95_s=_finite(p95),
            )
        )
    return found


def _finite(seconds: float) -> float | None:
    return seconds if seconds < float("inf") else None


_MODELS = {
    Queue.CLOSED: tr_noop(
        "The model is a closed queue: clients come back after they have thought, and wait for as "
        "long as it takes."
    ),
    Queue.CLOSED_GIVING_UP: tr_noop(
        "The model is a closed queue whose clients give up after the pool's timeout."
    ),
    Queue.CLOSED_REFUSING: tr_noop(
        "The model is a closed system whose full pool refuses clients at once."
    ),
    Queue.OPEN: tr_noop(
        "The model is an open queue: requests arrive at a rate, and wait for as long as it takes."
    ),
    Queue.OPEN_GIVING_UP: tr_noop(
        "The model is an open queue whose requests give up after the pool's timeout."
    ),
    Queue.OPEN_REFUSING: tr_noop(
        "The model is an open system whose full pool refuses requests at once."
    ),
    Queue.CLOSED_BOUNDED: tr_noop(
        "The model is a closed queue in which max_waiting clients wait at most; others are refused."
    ),
    Queue.OPEN_BOUNDED: tr_noop(
        "The model is an open queue in which max_waiting requests wait at most; others are refused."
    ),
}
_TIMES = tr_noop(
    "Its clients are simulated: operations take as long as was measured, and vary as much."
)
_WHY = {
    Bottleneck.POOL: tr_noop(
        "The pool is what limits the throughput: with more connections it grows on."
    ),
    Bottleneck.CPU: tr_noop(
        "The processors are what limits the throughput: more connections don't help."
    ),
    Bottleneck.LOCKS: tr_noop(
        "Locks are what limits the throughput: statements wait for one another, and more "
        "connections make more of them wait."
    ),
    Bottleneck.HOLD: tr_noop(
        "Connections are held without work for most of the time that they are in use: holding "
        "them for less would do as much with fewer."
    ),
    Bottleneck.GENERATOR: tr_noop(
        "The load generator was at its own limit, so that the server and the pool may take more "
        "than was measured: take fewer clients, or a statement that takes longer."
    ),
    Bottleneck.CLIENTS: tr_noop(
        "The clients are what limits the throughput: they don't ask for more."
    ),
    Bottleneck.NOT_KNOWN: tr_noop("What limits the throughput isn't known."),
}


def _answer(found: Recommendation, limits: Sequence[str], target: str, chosen: Point) -> str:
    """Return the answer as a sentence; `chosen` is the best size where none is recommended."""
    if found.sizes is None:
        best = _named(limits, chosen.sizes)
        if target:
            return tr(
                "No size meets {target}. The best throughput was that of {sizes}.",
                target=target,
                sizes=best,
            )
        return tr(
            "No size was without failures. The best throughput was that of {sizes}.", sizes=best
        )
    sizes = _named(limits, found.sizes)
    if len(limits) == 1 and (found.low, found.high) != (found.sizes[0],) * 2:
        sizes = tr("{size} ({low} to {high})", size=sizes, low=found.low, high=found.high)
    if target:
        said = tr(
            "{sizes} is the smallest size with 95 % of the best throughput that meets {target}.",
            sizes=sizes,
            target=target,
        )
    else:
        said = tr("{sizes} is the smallest size with 95 % of the best throughput.", sizes=sizes)
    if found.verdict is Verdict.TOO_NOISY:
        return tr("Too noisy to be sure: {answer}", answer=said)
    return said


def _named(limits: Sequence[str], sizes: Sequence[int]) -> str:
    return ", ".join(f"{key} = {size}" for key, size in zip(limits, sizes, strict=True))
