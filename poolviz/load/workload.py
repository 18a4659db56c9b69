"""What a client does in one operation, and for how long: drawn from the settings of the load."""

from __future__ import annotations

import random
from collections.abc import Mapping

from poolviz.load.arrivals import Arrivals
from poolviz.load.counter import Counter
from poolviz.load.distributions import draw_of
from poolviz.load.statements import statement_kind, statement_of
from poolviz.model.dialect import POSTGRESQL, sleep_statement
from poolviz.model.parameters import Value


class Workload:
    """The settings of the load, made ready for the clients. Never altered: a change of the
    settings makes a new one, which every client picks up before its next operation.

    `transaction` says how a connection is prepared: its statements in one transaction or each by
    itself; None leaves it as its driver has it. `ends` is "commit" or "rollback", or None where
    the transaction is left to the pool. Where it `adds_row`, each operation that went through
    commits a row of history, which clients add to `rows`; that counts on from one to the next.
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
            way = statement_kind(settings).ends
        self.ends = way if way in ("commit", "rollback") else None
        self.transaction: bool | None = way != "autocommit"
        if way == "default":
            # Left alone, unless an earlier setting has changed it.
            untouched = before is None or before.transaction is None
            self.transaction = None if untouched else transactional
        self.adds_row = statement_kind(settings).adds_row and way in ("autocommit", "commit")
        self.rows: Counter = Counter() if before is None else before.rows

    def backoff(self, refusals: int, rng: random.Random) -> float:
        """Seconds to pause after so many refusals in a row: doubling, with jitter, bounded."""
        longest = self._retry_backoff * float(2 ** min(refusals - 1, 6))
        return longest * (0.5 + 0.5 * rng.random())
