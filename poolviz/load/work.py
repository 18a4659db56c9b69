"""What a client does in one operation, and for how long: drawn from the settings of the load."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping

from poolviz.model.dialect import POSTGRESQL, sleep_statement
from poolviz.model.parameters import Value

Draw = Callable[[random.Random], float]


class Work:
    """The settings of the load, made ready for the clients. Never altered: a change of the
    settings makes a new one, which every client picks up before its next operation."""

    __slots__ = ("clients", "error_pause", "hold", "retries", "retry_backoff", "statement", "think")

    def __init__(self, settings: Mapping[str, Value], dialect: str = POSTGRESQL) -> None:
        varies = settings["distribution"] == "exponential"
        self.clients = int(settings["clients"])
        self.statement = _statement(
            _draw(settings["statement_time"], varies), sleep_statement(dialect)
        )
        self.hold = _draw(settings["hold_time"], varies)
        self.think = _draw(settings["think_time"], varies)
        self.retries = settings["on_exhausted"] == "retry"
        self.retry_backoff = float(settings["retry_backoff"])
        self.error_pause = float(settings["error_pause"])

    def backoff(self, refusals: int, rng: random.Random) -> float:
        """Seconds to pause after so many refusals in a row: doubling, with jitter, bounded."""
        longest = self.retry_backoff * float(2 ** min(refusals - 1, 6))
        return longest * (0.5 + 0.5 * rng.random())


def _draw(mean: Value, varies: bool) -> Draw | None:
    """How to draw a time around `mean` seconds; None where it is no time at all."""
    seconds = float(mean)
    if seconds == 0:
        return None
    if varies:
        return lambda rng: rng.expovariate(1.0 / seconds)
    return lambda rng: seconds  # noqa: ARG005


def _statement(sleep: Draw | None, statement: str) -> Callable[[random.Random], str]:
    """The SQL of one operation: the server sleeps for the drawn time, or answers at once."""
    if sleep is None:
        return lambda rng: "SELECT 1"  # noqa: ARG005
    return lambda rng: statement.format(sleep(rng))
