"""The tables that some statements work on: pgbench's, in a schema of our own, made and dropped.

Nothing but the schema `poolviz` is ever touched, and that only where we made what is in it: the
table `made` in it says so, by its comment, and what scale the others have. On MySQL and MariaDB
the schema is a database.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from poolviz.load.statements import ACCOUNTS, SCHEMA
from poolviz.model.dialect import MYSQL, SQLITE, dialect_of
from poolviz.model.errors import InputError, ServerError

Progress = Callable[[str], None]

NOTE = "made"
MARK = "made by poolviz, which drops it on request"
# The columns of each table; {key} is how its first column is told to be the key.
COLUMNS = {
    "branches": "bid int NOT NULL{key}, bbalance int NOT NULL, filler char(88) NOT NULL",
    "tellers": "tid int NOT NULL{key}, bid int NOT NULL, tbalance int NOT NULL,"
    " filler char(84) NOT NULL",
    "accounts": "aid int NOT NULL{key}, bid int NOT NULL, abalance int NOT NULL,"
    " filler char(84) NOT NULL",
    "history": "tid int NOT NULL, bid int NOT NULL, aid int NOT NULL, delta int NOT NULL,"
    " mtime timestamp NOT NULL, filler char(22)",
}
KEYS = {"branches": "bid", "tellers": "tid", "accounts": "aid"}
ALL = ", ".join(f"{SCHEMA}.{table}" for table in COLUMNS)
# What the statements do, done to no row: whether this user may.
TRIALS = (
    *(
        f"UPDATE {SCHEMA}.{table} SET filler = filler WHERE {key} = 0"
        for table, key in KEYS.items()
    ),
    f"INSERT INTO {SCHEMA}.history SELECT * FROM {SCHEMA}.history WHERE 1 = 0",
)
LOCK_LIMIT = 30  # seconds to wait for whoever uses the tables, or makes them
BATCH = 10_000  # accounts written at once


@dataclass(frozen=True)
class Found:
    """What there is of our schema on a server."""

    schema: bool = False  # it is there,
    ours: bool = False  # we made what is in it,
    ours_alone: bool = True  # and we made the schema itself, or would
    scale: int = 0  # of the tables; 0 where they aren't all there and whole
    others: tuple[str, ...] = ()  # what is in it that we didn't make


class Tables(ABC):
    """Our tables on one server, over one connection. Each raises ServerError in one sentence."""

    @abstractmethod
    def find(self) -> Found:
        """What is there. From now on nobody else of us makes or drops anything."""

    @abstractmethod
    def try_out(self) -> None:
        """Make sure that this user may do with the tables what the statements do."""

    @abstractmethod
    def make(self, scale: int, found: Found, tell: Callable[[float], None]) -> None:
        """Make the tables, in place of those that are there; `tell` hears of the share done."""

    @abstractmethod
    def empty_history(self) -> None:
        """Forget what earlier runs did, unless somebody else is at it."""

    @abstractmethod
    def drop(self, found: Found) -> bool:
        """Drop all that we made; False where the schema stays, since it isn't ours alone."""


def prepare(conninfo: str, scale: int, progress: Progress = lambda _: None) -> bool:
    """See to it that the tables are there, of `scale` at least; whether they had to be made.

    `progress` is told in words what goes on. InputError on SQLite; ServerError, in one sentence
    that says what to do, where the schema holds what isn't ours, or this user lacks a right. Where
    it fails, or is interrupted, what was there before is there again, or nothing.
    """
    with _tables(conninfo) as tables:
        found = tables.find()
        _refuse_others(found)
        if found.scale >= scale:
            tables.try_out()
            tables.empty_history()
            return False
        size = f"tables of scale {scale} with {scale * ACCOUNTS:,} accounts"
        if found.scale:
            progress(f"Making {size} in schema {SCHEMA}, in place of those of scale {found.scale}")
        else:
            progress(f"Creating schema {SCHEMA}: {size}")
        tables.make(scale, found, _by_tenths(progress))
    return True


def drop(conninfo: str, progress: Progress = lambda _: None) -> bool:
    """Drop all that `prepare` made, and nothing else; False where there was nothing of it."""
    with _tables(conninfo) as tables:
        found = tables.find()
        _refuse_others(found)
        if not found.ours:
            return False
        if not tables.drop(found):
            progress(f"Schema {SCHEMA} stays: it isn't poolviz' alone")
    return True


@contextmanager
def _tables(conninfo: str) -> Iterator[Tables]:
    dialect = dialect_of(conninfo)
    if dialect == SQLITE:
        raise InputError(
            "The tables are made on PostgreSQL, MySQL and MariaDB, not on SQLite: give the --dsn "
            "of such a server."
        )
    if dialect == MYSQL:
        from poolviz.servers.mysql.tables import opened  # noqa: PLC0415 - an extra
    else:
        from poolviz.servers.postgres.tables import opened  # noqa: PLC0415 - needs this module
    with opened(conninfo) as tables:
        yield tables


def _refuse_others(found: Found) -> None:
    if found.ours or not found.others:
        return
    names = ", ".join(found.others[:3]) + (" and more" if len(found.others) > 3 else "")
    raise ServerError(
        f"The server has a schema {SCHEMA} that poolviz didn't make, with {names} in it, and it "
        "stays as it is: rename it, or use another database or server."
    )


def _by_tenths(progress: Progress) -> Callable[[float], None]:
    """What tells of the share done, in words, each tenth once."""
    told = 0

    def tell(share: float) -> None:
        nonlocal told
        if int(share * 10) > told:
            told = int(share * 10)
            progress(f"{told * 10} % of the accounts are there")

    return tell


def in_use() -> ServerError:
    """The tables can't be had, since somebody else has them."""
    return ServerError(
        f"The tables in schema {SCHEMA} are in use, or being made, by somebody else for more than "
        f"{LOCK_LIMIT} s: try again when that is over."
    )
