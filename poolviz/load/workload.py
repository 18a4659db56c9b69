"""The settings of the load in the form that clients use."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

from poolviz.load.arrivals import Arrivals
from poolviz.load.counter import Counter
from poolviz.load.distributions import draw_of
from poolviz.load.statements import statement_class, statement_of
from poolviz.model.dialect import POSTGRESQL, sleep_statement
from poolviz.model.parameters import Value
from poolviz.model.use import POOL, Use, use_of


class Workload:
    """What clients do in each operation. Immutable: a change of the settings makes a new one,
    which every client picks up before its next operation.

    `fixed_sql` are the statements if they are the same in every operation, else empty: then `sql`
    makes them. `use` names the use of the pool. `transaction` says how a connection is prepared:
    True for one transaction, False for autocommit, None to leave it as it is. `before_hold` and
    `after_hold` are "commit", "rollback" or "", what a client does then; if it does neither, the
    pool ends the transaction. If `rolls_back`, a client does that after an error. `adds_row` is
    "before_hold" or "after_hold" if each operation has committed a row of history by then, which
    clients count in `rows`; a following workload goes on with the same counter. A `cancel_share` of
    the operations is cancelled, in the place that `cancel_in` names; see `cancellation`. A load is
    `plain` if clients of their own accord get one connection, execute statements, end the
    transaction and give it back.
    """

    __slots__ = (
        "_retry_backoff", "adds_row", "after_hold", "arrivals", "before_hold", "cancel_in",
        "cancel_share", "checkouts", "clients", "dialect", "error_pause", "fixed_sql", "goes_on",
        "hold", "plain", "retries", "rolls_back", "rows", "sleep", "sql", "think", "transaction",
        "use",
    )  # fmt: skip

    def __init__(
        self,
        settings: Mapping[str, Value],
        dialect: str = POSTGRESQL,
        *,
        seed: int = 1,
        before: Workload | None = None,
        transactional: bool = True,
        uses: Sequence[Use] = (POOL,),
    ) -> None:
        self.clients = int(settings["clients"])
        statement = statement_of(settings, dialect)
        self.sql, self.fixed_sql = statement.sql, statement.fixed
        self.sleep = sleep_statement(dialect)
        self.hold = draw_of("hold", settings)
        self.think = draw_of("think", settings)
        self.checkouts = int(settings["checkouts"])
        self.retries = settings["on_exhausted"] == "retry"
        self._retry_backoff = float(settings["retry_backoff"])
        self.error_pause = float(settings["error_pause"])
        self.cancel_share = float(settings["cancel_share"])
        self.cancel_in = str(settings["cancel_in"])
        self.dialect = dialect
        arrivals = Arrivals if before is None else before.arrivals.following
        self.arrivals: Arrivals = arrivals(settings, seed)
        use = use_of(settings, uses)
        self.use = use.name
        way = str(settings["transaction"])
        if way == "default":
            way = statement_class(settings).ends
        self.rolls_back = bool(use.ends)
        self.before_hold, self.after_hold = _ends(way, use, str(settings["transaction_ends"]))
        self.adds_row = ""
        if statement_class(settings).adds_row:
            if way == "autocommit" or self.before_hold == "commit":
                self.adds_row = "before_hold"
            elif not self.before_hold and self.after_hold == "commit":
                self.adds_row = "after_hold"
        # Whether an operation does more than its statements before the hold is over.
        self.goes_on = bool(
            self.before_hold
            or self.adds_row == "before_hold"
            or self.hold is not None
            or self.checkouts > 1
        )
        self.transaction: bool | None = way != "autocommit"
        if way == "default":
            # Left as it is, unless an earlier setting has changed it.
            untouched = before is None or before.transaction is None
            self.transaction = None if untouched else transactional
        self.rows: Counter = Counter() if before is None else before.rows
        self.plain = not (
            self.goes_on
            or self.cancel_share
            or self.transaction is not None
            or self.arrivals.schedule is not None
        )

    def backoff(self, refusals: int, rng: random.Random) -> float:
        """Return the pause in seconds after `refusals` in a row: doubling, bounded, with jitter."""
        longest = self._retry_backoff * float(2 ** min(refusals - 1, 6))
        return longest * (0.5 + 0.5 * rng.random())


def _ends(way: str, use: Use, when: str) -> tuple[str, str]:
    """Return what a client does before and after its hold to end a transaction: as the settings
    say, or else as the use does it."""
    explicit = way if way in ("commit", "rollback") else ""
    if explicit and (when == "after_hold" or use.gives_back):
        return "", explicit
    return explicit, use.ends if use.always or way == "default" else ""
