"""Sentences about counts of connections, a pool's own or the server's, that contradict what poolviz
has counted.

Each is given that count and ours, as text, and `when` they are so: " on average",
" at 3.2 s".
"""

from __future__ import annotations

from poolviz.language import tr

LONG_APART = 15  # samples on end for which two counts differ, so that they aren't of two moments


def not_given_back(pools: str, held: str, when: str = "") -> str:
    """Return the sentence for a pool that counts more connections in use than clients hold."""
    return tr(
        "The pool itself counts {pools} connections in use{when} while clients hold {held}: "
        "connections that clients have released are not back in the pool.",
        pools=pools,
        when=when,
        held=held,
    )


def lost_count_of(pools: str, held: str, when: str = "") -> str:
    """Return the sentence for a pool that counts fewer connections in use than clients hold."""
    return tr(
        "The pool itself counts {pools} connections in use{when} while clients hold {held}: it "
        "has lost count of some of them, or gives one to several clients.",
        pools=pools,
        when=when,
        held=held,
    )


def not_closed(pools: str, there: str, when: str = "") -> str:
    """Return the sentence for a pool that counts fewer connections than are open."""
    return tr(
        "The pool itself counts {pools} open connections{when} while {there} are open: it no "
        "longer has some of them and hasn't closed them.",
        pools=pools,
        when=when,
        there=there,
    )


def closed_by_server(servers: str, there: str, when: str = "") -> str:
    """Return the sentence for a server that counts fewer connections than are open."""
    return tr(
        "The server counts {servers} connections of this run{when} while {there} are open: it has "
        "closed some that the pool still has, or a pooler or another application_name hides them.",
        servers=servers,
        when=when,
        there=there,
    )
