"""Whether other programs leave the server enough connections for the pool."""

from __future__ import annotations

from collections.abc import Callable

from poolviz.language import trn
from poolviz.model.sample import Sample

_CALM = 5  # of the server's views, a second each, after which a lack is over


class ServerRoom:
    """Follows the samples of a run. `on_problem` is called with a sentence when the pool may open
    more connections than others leave it, and with an empty one once that is over."""

    def __init__(self, on_problem: Callable[[str], None]) -> None:
        self._on_problem = on_problem
        self._warned = False
        self._calm = 0  # views since the last one that showed a lack

    def see(self, sample: Sample) -> None:
        """Take the next sample. Called by the sampler."""
        view = sample.server
        if view is None or view.free is None or not view.others:
            return
        most = sample.clients * int(sample.load.get("checkouts", 1))
        if sample.capacity is not None:
            most = min(most, sample.capacity)
        more = most - view.total
        self._calm = 0 if more > view.free else self._calm + 1
        if more > view.free and not self._warned:
            self._warned = True
            self._on_problem(
                trn(
                    "Other programs hold {n} connection of the server: {free} more can be opened, "
                    "and the pool may want {more}.",
                    "Other programs hold {n} connections of the server: {free} more can be opened, "
                    "and the pool may want {more}.",
                    view.others,
                    free=view.free,
                    more=more,
                )
            )
        elif self._warned and self._calm >= _CALM:
            self._warned = False
            self._on_problem("")
