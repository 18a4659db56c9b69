"""What a client has the server do in one operation.

To add a kind, write one class here and name it in `STATEMENTS`: its parameters become sliders,
options and keys of scenarios by themselves.
"""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import ClassVar

from poolviz.load.distributions import draw_of, time_parameters
from poolviz.load.sql_script import SqlScript
from poolviz.model.dialect import MYSQL, POSTGRESQL, SQLITE, sleep_statement
from poolviz.model.errors import InputError
from poolviz.model.parameters import Choice, Count, Parameter, Text, Value
from poolviz.model.scenario import Scenario

# The tables are pgbench's, in a schema of our own: so many rows for each unit of scale.
SCHEMA = "poolviz"
ACCOUNTS, TELLERS, BRANCHES = 100_000, 10, 1

_NAMES = {POSTGRESQL: "PostgreSQL", MYSQL: "MySQL and MariaDB", SQLITE: "SQLite"}
_SCALE = Count(
    key="scale",
    default=1,
    minimum=1,
    maximum=10_000,
    slider=(1, 100),
    log_slider=True,
    only_when=("statement", ("read", "read_write")),
    help="How large the tables are, as pgbench counts: 100,000 accounts, 10 tellers and one branch "
    "for each unit. poolviz makes them, in a schema of its own, before the load begins.",
)


class Statement(ABC):
    """One kind of work for the server. Made anew where a setting of it changes; its `sql` is
    called by every client, from any thread."""

    name: ClassVar[str]
    help: ClassVar[str]
    parameters: ClassVar[tuple[Parameter, ...]] = ()
    servers: ClassVar[tuple[str, ...]] = (POSTGRESQL, MYSQL, SQLITE)  # see `dialect_of`
    tables: ClassVar[bool] = False  # it works on poolviz' own tables
    ends: ClassVar[str] = "default"  # what `transaction` = default means with it
    adds_row: ClassVar[bool] = False  # each operation adds a row of history

    @abstractmethod
    def __init__(self, settings: Mapping[str, Value], dialect: str) -> None:
        """For a server of that kind; InputError where a setting of it can't be used."""

    @abstractmethod
    def sql(self, rng: random.Random, client: int, operation: int) -> Sequence[str]:
        """The statements of one operation, in order."""


class Sleep(Statement):
    """The server is busy for a drawn time and does nothing."""

    name = "sleep"
    help = "the server waits for a drawn time (pg_sleep); at 0 it is SELECT 1"
    parameters = time_parameters(
        "statement",
        0.004,
        "How long the server works on each statement, on average. At 0 it is SELECT 1.",
        maximum=3600,
        slider=(0, 1),
        only_when=("statement", ("sleep",)),
    )

    def __init__(self, settings: Mapping[str, Value], dialect: str) -> None:
        self._draw = draw_of("statement", settings)
        self._filled = sleep_statement(dialect).format

    def sql(self, rng: random.Random, client: int, operation: int) -> Sequence[str]:  # noqa: ARG002
        """A sleep of the drawn time; SELECT 1 where that is always 0."""
        return _ONE if self._draw is None else (self._filled(self._draw(rng)),)


_ONE = ("SELECT 1",)


class SelectOne(Statement):
    """The least that a server can be asked."""

    name = "select_1"
    help = "SELECT 1, the least there is"

    def __init__(self, settings: Mapping[str, Value], dialect: str) -> None:
        """Nothing of it can be set."""

    def sql(self, rng: random.Random, client: int, operation: int) -> Sequence[str]:  # noqa: ARG002
        """SELECT 1."""
        return _ONE


class Read(Statement):
    """pgbench's select-only transaction."""

    name = "read"
    help = "one account is read by its key, as by pgbench -S"
    parameters = (_SCALE,)
    servers = (POSTGRESQL, MYSQL)
    tables = True

    def __init__(self, settings: Mapping[str, Value], dialect: str) -> None:  # noqa: ARG002
        self._accounts = ACCOUNTS * int(settings["scale"])

    def sql(self, rng: random.Random, client: int, operation: int) -> Sequence[str]:  # noqa: ARG002
        """The balance of an account drawn at random."""
        account = 1 + int(rng.random() * self._accounts)
        return (f"SELECT abalance FROM {SCHEMA}.accounts WHERE aid = {account}",)


class ReadWrite(Statement):
    """pgbench's TPC-B-like transaction."""

    name = "read_write"
    help = (
        "a transaction of five statements as by pgbench: an account, a teller and a branch are "
        "updated, and a line of history is added"
    )
    parameters = (_SCALE,)
    servers = (POSTGRESQL, MYSQL)
    tables = True
    ends = "commit"
    adds_row = True

    def __init__(self, settings: Mapping[str, Value], dialect: str) -> None:  # noqa: ARG002
        self._scale = int(settings["scale"])

    def sql(self, rng: random.Random, client: int, operation: int) -> Sequence[str]:  # noqa: ARG002
        """The five statements, for an account, a teller and a branch drawn at random."""
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


class OwnSQL(Statement):
    """Whatever the user writes."""

    name = "sql"
    help = "your own SQL"
    parameters = (
        Text(
            key="sql",
            default="",
            only_when=("statement", ("sql",)),
            help="The statements of one operation, parted by semicolons. :client is the client's "
            "number, :n the number of its operation, :random(1,1000) a whole number drawn anew.",
        ),
    )

    def __init__(self, settings: Mapping[str, Value], dialect: str) -> None:
        self._script = SqlScript(str(settings["sql"]), dialect)

    def sql(self, rng: random.Random, client: int, operation: int) -> Sequence[str]:
        """The user's statements, with numbers for their parameters."""
        return self._script.filled(rng, client, operation)


STATEMENTS: tuple[type[Statement], ...] = (Sleep, SelectOne, Read, ReadWrite, OwnSQL)


def statement_parameters() -> tuple[Parameter, ...]:
    """The choice of the statement first, then what each kind declares, each once."""
    choice = Choice(
        key="statement",
        default=Sleep.name,
        choices=tuple(kind.name for kind in STATEMENTS),
        help="What the server does in each operation. "
        + "; ".join(f"{kind.name}: {kind.help}" for kind in STATEMENTS)
        + ".",
    )
    declared = (parameter for kind in STATEMENTS for parameter in kind.parameters)
    return tuple({parameter.key: parameter for parameter in (choice, *declared)}.values())


def statement_kind(settings: Mapping[str, Value]) -> type[Statement]:
    """The kind of statement that the settings choose."""
    return next(kind for kind in STATEMENTS if kind.name == settings["statement"])


def statement_of(settings: Mapping[str, Value], dialect: str) -> Statement:
    """The statement that the settings choose; InputError where one of them can't be used."""
    return statement_kind(settings)(settings, dialect)


def needs_tables(scenario: Scenario) -> int:
    """The scale of the tables that a run works on, at first or after a change; 0 where it works
    on none. `poolviz.servers.tables` makes them."""
    settings = [scenario.load]
    for _, changes in groupby(scenario.changes, lambda change: change.at):
        now = {change.key: change.value for change in changes}
        settings.append({key: now.get(key, value) for key, value in settings[-1].items()})
    return max(int(each["scale"]) if statement_kind(each).tables else 0 for each in settings)


def check_statement(settings: Mapping[str, Value], dialect: str) -> None:
    """InputError where the statement doesn't run on a server of that kind, or says nothing."""
    kind = statement_kind(settings)
    if dialect not in kind.servers:
        others = [other.name for other in STATEMENTS if dialect in other.servers]
        raise InputError(
            f"statement is {kind.name}, which runs on "
            f"{' and on '.join(_NAMES[server] for server in kind.servers)} and not on "
            f"{_NAMES[dialect]}: take {', '.join(others[:-1])} or {others[-1]}."
        )
    kind(settings, dialect)
