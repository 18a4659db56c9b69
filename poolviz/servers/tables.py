"""The tables that some statements work on: those of pgbench, in a schema of poolviz' own.

Nothing outside the schema `poolviz` is touched, and that only if poolviz created what is in it:
the comment of the table `made` says so, and its row holds the scale of the others. On MySQL and
MariaDB the schema is a database.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

from poolviz.language import tr
from poolviz.load.statements import ACCOUNTS, SCHEMA
from poolviz.model.errors import PoolvizError, ServerError

NOTE = "made"
MARK = "made by poolviz, which drops it on request"  # the comment that marks a table as ours
# The columns of each table; {key} is what declares the first one the primary key.
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
# The kinds of statement that a load executes, on no rows: whether this user has the privileges.
TRIALS = (
    *(
        f"UPDATE {SCHEMA}.{table} SET filler = filler WHERE {key} = 0"
        for table, key in KEYS.items()
    ),
    f"INSERT INTO {SCHEMA}.history SELECT * FROM {SCHEMA}.history WHERE 1 = 0",
)
COUNT_HISTORY = f"SELECT count(*) FROM {SCHEMA}.history"
LOCK_LIMIT = 30  # seconds to wait for others that use the tables or create them
BATCH = 10_000  # accounts inserted by one statement


@dataclass(frozen=True)
class Found:
    """What there is of the schema on a server."""

    schema: bool = False  # it exists,
    ours: bool = False  # poolviz created the tables in it,
    ours_alone: bool = True  # and the schema itself, or would create it
    scale: int = 0  # of the tables; 0 if some are missing or incomplete
    others: tuple[str, ...] = ()  # what is in it that poolviz didn't create


class TablesMissing(PoolvizError):
    """The tables aren't there, and weren't created because that isn't allowed. `scale` is that of
    smaller ones that are; 0 without any."""

    def __init__(self, scale: int) -> None:
        super().__init__(
            tr("The tables in schema {schema} are missing or too small.", schema=SCHEMA)
        )
        self.scale = scale


class Tables(ABC):
    """The tables on one server, over one connection. Used by one thread. Everything raises
    ServerError in one sentence."""

    def prepare(self, scale: int, progress: Callable[[str], None], *, create: bool) -> bool:
        """See `dispatch.prepare_tables`."""
        found = self._find()
        _refuse_foreign(found)
        if found.scale >= scale:
            self._check_privileges()
            self._empty_history()
            return False
        if not create:
            raise TablesMissing(found.scale)
        tables = tr(
            "tables of scale {scale} with {scale2:,} accounts", scale=scale, scale2=scale * ACCOUNTS
        )
        if found.scale:
            progress(
                tr(
                    "Replacing the tables of scale {scale} in schema {schema}: {tables}",
                    scale=found.scale,
                    schema=SCHEMA,
                    tables=tables,
                )
            )
        else:
            progress(tr("Creating schema {schema}: {tables}", schema=SCHEMA, tables=tables))
        self._create(scale, found, _in_tenths(progress))
        return True

    def drop(self, progress: Callable[[str], None]) -> bool:
        """See `dispatch.drop_tables`."""
        found = self._find()
        _refuse_foreign(found)
        if not found.ours:
            return False
        if not self._drop(found):
            progress(tr("Schema {schema} was kept, because it isn't poolviz' alone", schema=SCHEMA))
        return True

    @abstractmethod
    def _find(self) -> Found:
        """Return what is there. From now on no other poolviz creates or drops any of it."""

    @abstractmethod
    def _check_privileges(self) -> None:
        """Raise ServerError unless this user may execute what the statements do."""

    @abstractmethod
    def _create(self, scale: int, found: Found, report: Callable[[float], None]) -> None:
        """Create the tables in place of existing ones. `report` gets the share that is done."""

    @abstractmethod
    def _empty_history(self) -> None:
        """Delete the rows of earlier runs, unless the table is in use or this user may not."""

    @abstractmethod
    def _drop(self, found: Found) -> bool:
        """Drop what poolviz created; return False if the schema has to stay."""


def in_use() -> ServerError:
    """Return the error for tables that another program has locked for too long."""
    return ServerError(
        tr(
            "The tables in schema {schema} were in use by another program for more "
            "than {lock_limit} s: try again when it has finished.",
            schema=SCHEMA,
            lock_limit=LOCK_LIMIT,
        )
    )


def _refuse_foreign(found: Found) -> None:
    if found.ours or not found.others:
        return
    names = ", ".join(found.others[:3]) + (tr(" and more") if len(found.others) > 3 else "")
    raise ServerError(
        tr(
            "The server has a schema {schema} that poolviz didn't create, with "
            "{names} in it, and it was left as it is: rename it, or use another "
            "database or server.",
            schema=SCHEMA,
            names=names,
        )
    )


def _in_tenths(progress: Callable[[str], None]) -> Callable[[float], None]:
    """Return a function that takes the share done and reports each tenth once."""
    reported = 0

    def report(share: float) -> None:
        nonlocal reported
        if int(share * 10) > reported:
            reported = int(share * 10)
            progress(tr("{reported} % of the accounts are inserted", reported=reported * 10))

    return report
