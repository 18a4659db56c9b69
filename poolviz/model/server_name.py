"""How a server is called: by its URL without a password; poolviz' own by a name."""

from __future__ import annotations

from poolviz.language import tr, tr_noop

EMBEDDED = tr_noop("embedded PostgreSQL")  # as results and sessions have it, in every language


def server_in_words(name: str | None) -> str:
    """Return the name of a server, which a result or a session has, as people read it."""
    return tr(EMBEDDED) if name == EMBEDDED else name or ""
