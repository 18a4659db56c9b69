"""The titles of presets in the user's words. Scenarios and sessions have them in English."""

from __future__ import annotations

from poolviz.language import tr, tr_noop

TITLES = frozenset(
    {
        *(tr_noop("Cancelled requests"), tr_noop("Healthy pool"), tr_noop("Leak")),
        *(tr_noop("Nested checkouts: a deadlock in the pool"), tr_noop("Overflow in bursts")),
        *(tr_noop("Oversized pool"), tr_noop("QueuePool starves its waiters")),
        *(tr_noop("Return churn: psycopg2's minconn"), tr_noop("Server restart")),
        *(tr_noop("Slow query"), tr_noop("StaticPool: lost work"), tr_noop("Thundering herd")),
        *(tr_noop("Too many clients"), tr_noop("Undersized pool")),
        tr_noop("Welcome to the jungle"),
    }
)


def title_in_words(title: str) -> str:
    """Return the title of a scenario; that of a preset in the user's language."""
    return tr(title) if title in TITLES else title
