"""Whether other programs leave the server enough connections for the pool."""

from __future__ import annotations

from collections.abc import Callable

from poolviz.language import trn
from poolviz.model.sample import Sample, ServerView

_CALM = 5  # of the server's views, a second each, after which a lack is over


def most_connections(sample: Sample) -> int:
    """Return how many connections clients and limits lead to together, at most."""
    most = sample.clients * int(sample.load.get("checkouts", 1))
    return most if sample.capacity is None else min(most, sample.capacity)


class ServerRoom:
    """Follows the server's views of a run. `on_problem` is called with a sentence when its pools
    may open more connections than others leave, and with an empty one once that is over."""

    def __init__(self, on_problem: Callable[[str], None]) -> None:
        self._on_problem = on_problem
        self._warned = False
        self._calm = 0  # views since the last one that showed a lack

    def see(self, view: ServerView | None, most: int) -> None:
        """Take the next view, and how many connections the pools may open. Called by one thread."""
        if view is None or view.free is None or not view.others:
            return
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
