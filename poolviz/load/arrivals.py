"""When clients work and when requests are due: the shape of the load, and its schedule if open."""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil
from time import perf_counter_ns

from poolviz.load.arrival_schedule import ArrivalSchedule
from poolviz.load.shapes import same_shape, shape_of, shape_parameters
from poolviz.load.spacings import arrival_parameters
from poolviz.model.parameters import Value

_KEYS = tuple(p.key for p in (*arrival_parameters(), *shape_parameters()))


class Arrivals:
    """The shape of the load and, if arrivals are open, the schedule of its requests.

    The shape begins now, unless `before` already has the same one, which then goes on. Used by the
    control thread; `shape` and `schedule` by any.
    """

    def __init__(
        self, settings: Mapping[str, Value], seed: int, before: Arrivals | None = None
    ) -> None:
        now = perf_counter_ns()
        self._settings: dict[str, Value] = {key: settings[key] for key in _KEYS}
        self.shape = shape_of(settings)
        goes_on = before is not None and same_shape(before._settings, settings)
        self._began: int = before._began if before is not None and goes_on else now
        self.schedule: ArrivalSchedule | None = None
        earlier = before.schedule if before is not None else None
        if settings["arrivals"] == "open":
            self.schedule = ArrivalSchedule(settings, seed, now, earlier)
        elif earlier is not None:
            earlier.abandon(now)

    def following(self, settings: Mapping[str, Value], seed: int) -> Arrivals:
        """Return the arrivals of other `settings`: these, if nothing of theirs has changed."""
        if all(settings[key] == value for key, value in self._settings.items()):
            return self
        return Arrivals(settings, seed, self)

    @property
    def varies(self) -> bool:
        """Whether the shape changes the number of clients that work."""
        return self.schedule is None and self.shape.changes

    def most(self, clients: int) -> int:
        """Return the greatest number that will work if the setting is `clients`."""
        return ceil(clients * self.shape.highest) if self.varies else clients

    def at_work(self, clients: int) -> int:
        """Return the number that work now if the setting is `clients`."""
        if not self.varies:
            return clients
        return round(clients * self.shape.factor((perf_counter_ns() - self._began) * 1e-9))
