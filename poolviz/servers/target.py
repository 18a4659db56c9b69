"""The server that a run works against, with what it reported when it was reached."""

from __future__ import annotations

from dataclasses import dataclass, field

from poolviz.language import tr
from poolviz.model.server_name import server_in_words
from poolviz.servers.pooler import Pooler

_NAME_LIMIT = 63  # bytes of an application name that PostgreSQL keeps


@dataclass(frozen=True)
class Target:
    """A server that was reached, and what it had to offer at that time.

    `conninfo` may hold a password: it is never shown, and not part of the repr; `shown` names the
    server without it. `free_connections` is the number that this user could open. Both it and
    `max_connections` are None if there is no limit, as with SQLite. `pooler` is what a pooler in
    between says at its console, if the user named that; it has no name if it couldn't be asked.
    """

    conninfo: str = field(repr=False)
    shown: str
    version: str
    max_connections: int | None
    free_connections: int | None
    embedded: bool = False
    product: str = "PostgreSQL"
    pooler: Pooler | None = None

    @property
    def in_words(self) -> str:
        """Its name for people."""
        return server_in_words(self.shown)

    @property
    def about(self) -> str:
        """Product, version and limit, such as `PostgreSQL 18.6, 100 connections at most`."""
        most = self.max_connections
        limit = (
            tr("no limit on connections")
            if most is None
            else tr("{most} connections at most", most=most)
        )
        return f"{self.product} {self.version}, {limit}"

    def has_room_for(self, connections: int) -> bool:
        """Return whether this user could open that many when the server was reached."""
        return self.free_connections is None or connections <= self.free_connections

    def describe(self) -> dict[str, str]:
        """Return what a report says about this server; nothing in it is secret."""
        other = "" if self.product == "PostgreSQL" else f"{self.product} "
        described = {"server": self.shown, "server version": f"{other}{self.version}"}
        if self.max_connections is not None:
            described["max_connections"] = str(self.max_connections)
        if self.pooler is not None and self.pooler.name:
            described["pooler"] = " ".join(filter(None, (self.pooler.name, self.pooler.mode)))
        return described


def check_application_name(name: str) -> None:
    """Raise ValueError if a server would change `name`, by which a run's connections are found."""
    if not name.isascii() or not name.isprintable() or len(name) > _NAME_LIMIT:
        raise ValueError(f"the server would change the application name {name!r}")
