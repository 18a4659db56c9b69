"""The settings of the load in the form that clients use."""

from __future__ import annotations

import random
from collections.abc import Mapping

from poolviz.load.arrivals import Arrivals
from poolviz.load.counter import Counter
from poolviz.load.distributions import draw_of
from poolviz.load.statements import statement_class, statement_of
from poolviz.model.dialect import POSTGRESQL, sleep_statement
from poolviz.model.parameters import Value


class Workload:
    """What clients do in each operation. Immutable: a change of the settings makes a new one,
    which every client picks up before its next operation.

    `transaction` says how a connection is prepared: True for one transaction, False for autocommit,
    None to leave it as it is. `ends` is "commit", "rollback", or None if the pool ends the
    transaction. If `adds_row`, each successful operation commits a row of history, which clients
    count in `rows`; a following workload goes on with the same counter.
    """

    __slots__ = (
        "_retry_backoff", "adds_row", "arrivals", "checkouts", "clients", "ends", "error_pause",
        "hold", "retries", "rows", "sleep", "sql", "think", "transaction",
    )  # fmt: skip

    def __init__(
        self,
        settings: Mapping[str, Value],
        dialect: str = POSTGRESQL,
        *,
        seed: int = 1,
        before: Workload | None = None,
        transactional: bool = True,
    ) -> None:
        self.clients = int(settings["clients"])
        self.sql = statement_of(settings, dialect).sql
        self.sleep = sleep_statement(dialect)
        self.hold = draw_of("hold", settings)
        self.think = draw_of("think", settings)
        self.checkouts = int(settings["checkouts"])
        self.retries = settings["on_exhausted"] == "retry"
        self._retry_backoff = float(settings["retry_backoff"])
        self.error_pause = float(settings["error_pause"])
        arrivals = Arrivals if before is None else before.arrivals.following
        self.arrivals: Arrivals = arrivals(settings, seed)
        way = str(settings["transaction"])
        if way == "default":
            way = statement_class(settings).ends
        self.ends = way if way in ("commit", "rollback") else None
        self.transaction: bool | None = way != "autocommit"
        if way == "default":
            # Left as it is, unless an earlier setting has changed it.
            untouched = before is None or before.transaction is None
            self.transaction = None if untouched else transactional
        self.adds_row = statement_class(settings).adds_row and way in ("autocommit", "commit")
        self.rows: Counter = Counter() if before is None else before.rows

    def backoff(self, refusals: int, rng: random.Random) -> float:
        """Return the pause in seconds after `refusals` in a row: doubling, bounded, with jitter."""
        longest = self._retry_backoff * float(2 ** min(refusals - 1, 6))
        return longest * (0.5 + 0.5 * rng.random())
