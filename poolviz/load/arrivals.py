"""When clients are at work, and when requests are due: the shape of the load over time."""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil
from time import perf_counter_ns

from poolviz.load.arrival_schedule import ArrivalSchedule, arrival_parameters
from poolviz.load.shapes import same_shape, shape_of, shape_parameters
from poolviz.model.parameters import Value

_KEYS = tuple(p.key for p in (*arrival_parameters(), *shape_parameters()))


class Arrivals:
    """The shape of the load, which begins now unless it is the one of `before`, and in open load
    the schedule of requests."""

    def __init__(
        self, settings: Mapping[str, Value], seed: int, before: Arrivals | None = None
    ) -> None:
        now = perf_counter_ns()
        self._settings: dict[str, Value] = {key: settings[key] for key in _KEYS}
        self.shape = shape_of(settings)
        going_on = before is not None and same_shape(before._settings, settings)
        self._began: int = before._began if before is not None and going_on else now
        self.schedule: ArrivalSchedule | None = None
        earlier = before.schedule if before is not None else None
        if settings["arrivals"] == "open":
            self.schedule = ArrivalSchedule(settings, seed, now, earlier)
        elif earlier is not None:
            earlier.abandon(now)

    def following(self, settings: Mapping[str, Value], seed: int) -> Arrivals:
        """What `settings` ask for: this, going on, where they say the same."""
        if all(settings[key] == value for key, value in self._settings.items()):
            return self
        return Arrivals(settings, seed, self)

    @property
    def varies(self) -> bool:
        """The number of clients at work changes by itself."""
        return self.schedule is None and self.shape.changes

    def most(self, clients: int) -> int:
        """How many of `clients` are at work at the most; more of them where a shape says so."""
        return ceil(clients * self.shape.highest) if self.varies else clients

    def at_work(self, clients: int) -> int:
        """How many of `clients` are at work now."""
        if not self.varies:
            return clients
        return round(clients * self.shape.factor((perf_counter_ns() - self._began) * 1e-9))
