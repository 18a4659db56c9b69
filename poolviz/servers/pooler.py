"""A pooler between poolviz and the server, such as PgBouncer: plain data."""

from __future__ import annotations

from dataclasses import dataclass, field

TRANSACTION, SESSION = "transaction", "session"  # modes; with others no run is possible


@dataclass(frozen=True)
class Pooler:
    """A pooler between poolviz and the server. `name` and `mode` are "" where they can't be seen.

    `size` is the number of connections that it opens itself, and `clients` how many it takes, if
    it says so. `follows_prepared` says whether it knows the statements that its clients have
    prepared; None where that isn't known. `console` is the DSN of its console, if this user may go
    there, and may hold a password.
    """

    name: str = ""
    mode: str = ""
    size: int | None = None
    follows_prepared: bool | None = None
    clients: int | None = None
    console: str = field(default="", repr=False)
