"""How many processes a run has, declared once for the window, the command line and scenarios."""

from __future__ import annotations

from collections.abc import Mapping

from poolviz.model.parameters import Count, Parameters, Value

PROCESSES = "processes"  # the key of their number
MOST_PROCESSES = 64
FLEET = Parameters(
    "setting of the processes",
    Count(
        key=PROCESSES,
        group="more",
        default=1,
        minimum=1,
        maximum=MOST_PROCESSES,
        slider=(1, 16),
        help="How many processes the application has, as the workers of a web server: each has a "
        "pool of its own, and clients of its own. The server sees the connections of all of them.",
    ),
)


def processes_of(fleet: Mapping[str, Value]) -> int:
    """Return how many processes a run begins with; `fleet` is empty for one without others."""
    return int(fleet.get(PROCESSES, 1))
