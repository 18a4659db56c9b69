"""What the server does in one operation of a client.

To add a statement, write one subclass of `Statement` here and name it in `STATEMENTS`. Its name
becomes a choice of the setting `statement`, and its parameters become settings, in the window, on
the command line, and in scenarios and their schema. Test its SQL in
`tests/load/test_statements.py`.
"""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import ClassVar

from poolviz.language import tr, tr_noop
from poolviz.load.distributions import draw_of, time_parameters
from poolviz.load.sql_script import SqlScript
from poolviz.model.dialect import MYSQL, POSTGRESQL, SQLITE, sleep_statement
from poolviz.model.errors import InputError
from poolviz.model.parameters import Choice, Count, Parameter, Text, Value, both, either
from poolviz.model.scenario import Scenario

# The tables are pgbench's, in a schema of their own. These are rows for each unit of scale.
SCHEMA = "poolviz"
ACCOUNTS, TELLERS, BRANCHES = 100_000, 10, 1

_NAMES = {POSTGRESQL: "PostgreSQL", MYSQL: tr_noop("MySQL and MariaDB"), SQLITE: "SQLite"}
_SCALE = Count(
    key="scale",
    default=1,
    minimum=1,
    maximum=10_000,
    slider=(1, 100),
    log_slider=True,
    only_when=("statement", ("read", "read_write")),
    help="The size of the tables in pgbench's unit: 100,000 accounts, 10 tellers and one branch. "
    "poolviz creates them in a schema of its own before the load begins.",
)


class Statement(ABC):
    """The SQL of an operation. Immutable: a change of a setting makes a new one.

    `help` says what it does, as part of a sentence after its `name`. `servers` are the dialects
    that it runs on. `tables` is true if it uses poolviz's own tables, `adds_row` if each operation
    adds a row to the table history. `ends` is what the setting transaction = default means for it.
    `fixed` are the statements that `sql` returns, if these are always the same.
    """

    name: ClassVar[str]
    help: ClassVar[str]
    parameters: ClassVar[tuple[Parameter, ...]] = ()
    servers: ClassVar[tuple[str, ...]] = (POSTGRESQL, MYSQL, SQLITE)
    tables: ClassVar[bool] = False
    adds_row: ClassVar[bool] = False
    ends: ClassVar[str] = "default"
    fixed: Sequence[str] = ()

    @abstractmethod
    def __init__(self, settings: Mapping[str, Value], dialect: str) -> None:
        """Prepare the SQL for a server. Raises InputError if a setting can't be used."""

    @abstractmethod
    def sql(self, rng: random.Random, client: int, operation: int) -> Sequence[str]:
        """Return the statements of one operation, in order. Any thread may call it."""


class Sleep(Statement):
    """The server sleeps for a random time."""

    name = "sleep"
    help = "the server sleeps for statement_time (pg_sleep), or runs SELECT 1 if that is 0"
    parameters = time_parameters(
        "statement",
        0.004,
        "How long the server takes for each statement, on average. At 0 it is SELECT 1.",
        maximum=3600,
        slider=(0, 1),
        only_when=("statement", ("sleep",)),
    )

    def __init__(self, settings: Mapping[str, Value], dialect: str) -> None:
        self._draw = draw_of("statement", settings)
        self._filled = sleep_statement(dialect).format
        if self._draw is None:
            self.fixed = _ONE

    def sql(self, rng: random.Random, client: int, operation: int) -> Sequence[str]:  # noqa: ARG002
        """Return a sleep of a random time, or SELECT 1 if that is always 0."""
        return _ONE if self._draw is None else (self._filled(self._draw(rng)),)


_ONE = ("SELECT 1",)


class SelectOne(Statement):
    """The cheapest statement."""

    name = "select_1"
    help = "SELECT 1, the cheapest statement"
    fixed = _ONE

    def __init__(self, settings: Mapping[str, Value], dialect: str) -> None:
        """There is nothing to set."""

    def sql(self, rng: random.Random, client: int, operation: int) -> Sequence[str]:  # noqa: ARG002
        """Return SELECT 1."""
        return _ONE


class Read(Statement):
    """pgbench's select-only transaction."""

    name = "read"
    help = "read one account by its key, as pgbench -S does"
    parameters = (_SCALE,)
    servers = (POSTGRESQL, MYSQL)
    tables = True

    def __init__(self, settings: Mapping[str, Value], dialect: str) -> None:  # noqa: ARG002
        self._accounts = ACCOUNTS * int(settings["scale"])

    def sql(self, rng: random.Random, client: int, operation: int) -> Sequence[str]:  # noqa: ARG002
        """Return a query for the balance of a random account."""
        account = 1 + int(rng.random() * self._accounts)
        return (f"SELECT abalance FROM {SCHEMA}.accounts WHERE aid = {account}",)


class ReadWrite(Statement):
    """pgbench's TPC-B-like transaction."""

    name = "read_write"
    help = (
        "pgbench's transaction of five statements, which update an account, a teller and a branch "
        "and add a row of history"
    )
    parameters = (_SCALE,)
    servers = (POSTGRESQL, MYSQL)
    tables = True
    ends = "commit"
    adds_row = True

    def __init__(self, settings: Mapping[str, Value], dialect: str) -> None:  # noqa: ARG002
        self._scale = int(settings["scale"])

    def sql(self, rng: random.Random, client: int, operation: int) -> Sequence[str]:  # noqa: ARG002
        """Return the five statements for a random account, teller and branch."""
        account = 1 + int(rng.random() * self._scale * ACCOUNTS)
        teller = 1 + int(rng.random() * self._scale * TELLERS)
        branch = 1 + int(rng.random() * self._scale * BRANCHES)
        delta = int(rng.random() * 10_001) - 5000
        return (
            f"UPDATE {SCHEMA}.accounts SET abalance = abalance + {delta} WHERE aid = {account}",
            f"SELECT abalance FROM {SCHEMA}.accounts WHERE aid = {account}",
            f"UPDATE {SCHEMA}.tellers SET tbalance = tbalance + {delta} WHERE tid = {teller}",
            f"UPDATE {SCHEMA}.branches SET bbalance = bbalance + {delta} WHERE bid = {branch}",
            f"INSERT INTO {SCHEMA}.history (tid, bid, aid, delta, mtime)"
            f" VALUES ({teller}, {branch}, {account}, {delta}, CURRENT_TIMESTAMP)",
        )


class OwnSql(Statement):
    """The user's own SQL."""

    name = "sql"
    help = "your own SQL"
    parameters = (
        Text(
            key="sql",
            default="",
            only_when=("statement", ("sql",)),
            help="The statements of one operation, separated by semicolons. :client is the number "
            "of the client, :n the number of its operation, :random(1,1000) a random whole number.",
        ),
    )

    def __init__(self, settings: Mapping[str, Value], dialect: str) -> None:
        self._script = SqlScript(str(settings["sql"]), dialect)

    def sql(self, rng: random.Random, client: int, operation: int) -> Sequence[str]:
        """Return the user's statements, with values for their parameters."""
        return self._script.filled(rng, client, operation)


STATEMENTS: tuple[type[Statement], ...] = (Sleep, SelectOne, Read, ReadWrite, OwnSql)


def statement_parameters() -> tuple[Parameter, ...]:
    """Return the setting that chooses the statement, and the settings of every statement."""
    described = "; ".join(f"{kind.name}: {kind.help}" for kind in STATEMENTS)
    choice = Choice(
        key="statement",
        default=Sleep.name,
        choices=tuple(kind.name for kind in STATEMENTS),
        help=f"What the server does in each operation. {described}.",
    )
    declared = (parameter for kind in STATEMENTS for parameter in kind.parameters)
    return tuple({parameter.key: parameter for parameter in (choice, *declared)}.values())


def statement_class(settings: Mapping[str, Value]) -> type[Statement]:
    """Return the class of the statement that `settings` choose."""
    return next(kind for kind in STATEMENTS if kind.name == settings["statement"])


def statement_of(settings: Mapping[str, Value], dialect: str) -> Statement:
    """Return the statement that `settings` choose. Raises InputError if one can't be used."""
    return statement_class(settings)(settings, dialect)


def needs_tables(scenario: Scenario) -> int:
    """Return the scale of the tables that a run needs, also after a change; 0 if it needs none.

    `poolviz.servers.tables` creates them.
    """
    settings = [scenario.load]
    for _, changes in groupby(scenario.changes, lambda change: change.at):
        now = {change.key: change.value for change in changes}
        settings.append({key: now.get(key, value) for key, value in settings[-1].items()})
    return max(int(each["scale"]) if statement_class(each).tables else 0 for each in settings)


def check_statement(settings: Mapping[str, Value], dialect: str) -> None:
    """Raise InputError if the statement doesn't run on such a server, or has no SQL."""
    kind = statement_class(settings)
    if dialect not in kind.servers:
        others = either([other.name for other in STATEMENTS if dialect in other.servers], tr)
        raise InputError(
            tr(
                "statement is {name}, which runs on {servers}, but not on {dialect}: use {others}.",
                name=kind.name,
                servers=both([tr(_NAMES[server]) for server in kind.servers]),
                dialect=tr(_NAMES[dialect]),
                others=others,
            )
        )
    kind(settings, dialect)
