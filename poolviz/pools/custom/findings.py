"""What can't be measured of a user's pool, found out while it runs, with what would change it.

Private names used here, as in asyncpg 0.32.0:
    Connection: _addr _params
"""

from __future__ import annotations

from collections import deque
from typing import Any

from poolviz.language import tr, tr_noop
from poolviz.pools.custom.server_arguments import RunServer

_LOCAL = ("", "localhost", "127.0.0.1", "::1")
_TO_THE_RUNS = tr_noop("`--own-pool url=run` has it connect to the run's server instead")


class Findings:
    """Sentences about one run of a user's pool. Added in any thread, taken by one."""

    def __init__(self, title: str, conninfo: str) -> None:
        self._title, self._server = title, RunServer(conninfo)
        self._sentences: deque[str] = deque()
        self._said: set[str] = set()
        self._looked = False

    def take(self) -> tuple[str, ...]:
        """Return the sentences since the last call."""
        taken = []
        while self._sentences:
            taken.append(self._sentences.popleft())
        return tuple(taken)

    def add(self, sentence: str) -> None:
        """Say a sentence, once."""
        if sentence not in self._said:
            self._said.add(sentence)
            self._sentences.append(sentence)

    def counted_late(self) -> None:
        """Say that connections are counted later than they are opened."""
        self.add(
            tr(
                "{title} connects by code of its own: its connections are counted once they are "
                "lent, and `create` is the time of that call; with a parameter `creator`, a "
                "function that connects, both are exact.",
                title=self._title,
            )
        )

    def lends_by(self, pool: object) -> None:
        """Say that what was named lends nothing, and the pool that it holds is measured."""
        self.add(
            tr(
                "{title} has no method that lends connections: clients use the {name} that it "
                "holds.",
                title=self._title,
                name=type(pool).__name__,
            )
        )

    def not_to_the_run(self) -> None:
        """Say that a pool can't be made to connect to the run's server."""
        self.add(
            tr(
                "{title} was made before the run, and poolviz knows no way to have it connect to "
                "the run's server: name a function that takes the server, `def make_pool(dsn)`.",
                title=self._title,
            )
        )

    def look_at(self, connection: Any) -> None:
        """Say so if a driver's connection goes to another server than the run's."""
        if self._looked:
            return
        self._looked = True
        found = server_of(connection)
        if found is not None:
            self.goes_to(found, "{}:{}/{}".format(*found))

    def goes_to(self, address: tuple[str, str, str], shown: str) -> None:
        """Say so if a pool will connect to another server than the run's, which is `shown`."""
        self._looked = True
        if self._server.parts and _plain(*address) != _plain(*self._run):
            self.other_server(shown)

    @property
    def _run(self) -> tuple[str, str, str]:
        parts = self._server.parts
        return parts.get("host", ""), parts.get("port", "5432"), parts.get("dbname", "")

    def other_server(self, shown: str) -> None:
        """Say that another server than the run's is measured; `shown` holds no secret."""
        self.add(
            tr(
                "{title} connects to a server of its own, {shown}: that one is measured, while "
                "the server's view, and faults at the server, are those of the run's server; "
                "{to_the_runs}.",
                title=self._title,
                shown=shown,
                to_the_runs=tr(_TO_THE_RUNS),
            )
        )


def server_of(connection: Any) -> tuple[str, str, str] | None:
    """Return the host, the port and the database of a driver's connection; None if not known."""
    try:
        info = getattr(connection, "info", None)
        if info is not None:
            return str(info.host or ""), str(info.port), str(info.dbname)
        address, parameters = connection._addr, connection._params  # asyncpg's
        host, port = address if isinstance(address, tuple) else ("", address.rpartition(".")[2])
        return str(host), str(port), str(parameters.database)
    except Exception:  # noqa: BLE001 - of any driver, and perhaps closed
        return None


def _plain(host: str, port: str, database: str) -> tuple[str, str, str]:
    local = host in _LOCAL or host.startswith("/")
    return ("" if local else host), port or "5432", database
