"""The servers and folders that pools under test connect to, and their count of connections."""

from __future__ import annotations

import tempfile
from abc import ABC, abstractmethod
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import psycopg2
import pymysql
from psycopg2.extensions import make_dsn

PASSWORD = "s3cret"


class Place(ABC):
    """A server or a folder of files; `name` identifies the connections of one pool."""

    dialect: str

    @abstractmethod
    def conninfo(self, name: str, database: str | None = None) -> str:
        """The connection string for a pool whose connections are identified by `name`."""

    @abstractmethod
    def count(self, name: str) -> int:
        """The number of connections, by the place's own count."""

    def forget(self, name: str) -> None:  # noqa: B027 - most have nothing to remove
        """Remove what `conninfo` made for `name`."""

    @abstractmethod
    def close(self) -> None:
        """Close the tests' own connection."""


class Server(Place):
    """A place that knows the state of its connections, and can close them."""

    @abstractmethod
    def in_transaction(self, name: str) -> int:
        """How many of them are inside a transaction."""

    @abstractmethod
    def kill(self, name: str) -> None:
        """Close all of them, as an administrator could."""


class Postgres(Server):
    """A PostgreSQL server; connections are identified by application_name."""

    dialect = "postgresql"
    _OURS = "FROM pg_stat_activity WHERE application_name = %s"

    def __init__(self, conninfo: str) -> None:
        self._conninfo = conninfo
        self.admin = psycopg2.connect(conninfo)
        self.admin.autocommit = True

    def conninfo(self, name: str, database: str | None = None) -> str:
        other = {"dbname": database} if database else {}
        return make_dsn(self._conninfo, application_name=name, **other)

    def count(self, name: str) -> int:
        return self._ask(f"SELECT count(*) {self._OURS}", name)

    def in_transaction(self, name: str) -> int:
        return self._ask(f"SELECT count(*) {self._OURS} AND state LIKE 'idle in%%'", name)

    def kill(self, name: str) -> None:
        self._ask(f"SELECT count(pg_terminate_backend(pid)) {self._OURS}", name)

    def close(self) -> None:
        self.admin.close()

    def _ask(self, question: str, name: str) -> int:
        with self.admin.cursor() as cursor:
            cursor.execute(question, (name,))
            return int(cursor.fetchall()[0][0])


class MySQL(Server):
    """A MySQL or MariaDB server; connections are identified by a user for each pool."""

    dialect = "mysql"
    _OURS = "FROM information_schema.processlist WHERE user = %s"

    def __init__(self, url: str) -> None:
        self._url = urlsplit(url)
        self._admin = pymysql.connect(
            host=self._url.hostname or "127.0.0.1",
            port=self._url.port or 3306,
            user=unquote(self._url.username or "root"),
            password=unquote(self._url.password or ""),
            autocommit=True,
        )
        self._users: set[str] = set()

    def conninfo(self, name: str, database: str | None = None) -> str:
        user, schema = _word(name), database or self._url.path.lstrip("/")
        if user not in self._users:
            self._users.add(user)
            self._do(f"CREATE USER '{user}'@'%%' IDENTIFIED BY '{PASSWORD}'")
            self._do(f"GRANT ALL ON *.* TO '{user}'@'%%'")
        options = f"?{self._url.query}" if self._url.query else ""
        return f"mysql://{user}:{PASSWORD}@{self._url.hostname}:{self._url.port}/{schema}{options}"

    def count(self, name: str) -> int:
        return len(self._do(f"SELECT id {self._OURS}", _word(name)))

    def in_transaction(self, name: str) -> int:
        inside = "AND id IN (SELECT trx_mysql_thread_id FROM information_schema.innodb_trx)"
        return len(self._do(f"SELECT id {self._OURS} {inside}", _word(name)))

    def kill(self, name: str) -> None:
        for (number,) in self._do(f"SELECT id {self._OURS}", _word(name)):
            with suppress(pymysql.Error):  # it has ended meanwhile
                self._do("KILL %s", number)

    def forget(self, name: str) -> None:
        self._users.discard(_word(name))
        self._do(f"DROP USER IF EXISTS '{_word(name)}'@'%%'")

    def close(self) -> None:
        self._admin.close()

    def _do(self, statement: str, *values: object) -> Any:
        with self._admin.cursor() as cursor:
            cursor.execute(statement, values)
            return cursor.fetchall()


class SQLite(Place):
    """A folder of SQLite files, one for each pool: a connection is an open file."""

    dialect = "sqlite"

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="poolviz-sqlite-")

    def conninfo(self, name: str, database: str | None = None) -> str:
        return f"sqlite:///{self._file(name) if database is None else database}"

    def count(self, name: str) -> int:
        path = str(self._file(name))
        found = 0
        for entry in Path("/proc/self/fd").iterdir():
            with suppress(OSError):  # closed since the folder was read
                found += str(entry.readlink()) == path
        return found

    def close(self) -> None:
        self._folder.cleanup()

    def _file(self, name: str) -> Path:
        return Path(self._folder.name).resolve() / f"{_word(name)}.db"


def _word(name: str) -> str:
    return name.replace(" ", "_")
