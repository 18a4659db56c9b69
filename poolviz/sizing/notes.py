"""The remarks on a sweep, each by its key, so that they are read in the language in use."""

from __future__ import annotations

from poolviz.language import tr, tr_noop, trn
from poolviz.sessions.sweep_record import KeptNote

CHANGES_LEFT_OUT, SERVER_UNKNOWN = "changes_left_out", "server_unknown"
ENDED_EARLY = "ended_early"
_NOTES = {
    "no_overflow": tr_noop("{key} is 0 in the sweep, so that {size} alone says the size."),
    "more_connections": tr_noop("{key} stays at {value}: the pool has so many connections more."),
    "deadlocks": tr_noop(
        "Below {bound} connections, clients that hold one and wait for another can all wait "
        "for one another: no smaller size was tried."
    ),
    "no_room": tr_noop("{key} above {fitting} wasn't tried: the server has {room} for the sweep."),
    "no_room_for_processes": tr_noop(
        "{key} above {fitting} wasn't tried: the server has {room} for the sweep of {processes} "
        "processes."
    ),
    ENDED_EARLY: tr_noop("The sweep ended early: {reason}"),
    "cancelled": tr_noop("The sweep was cancelled: not every size was measured as often."),
}


def sentence(note: KeptNote) -> str | None:
    """Return what a note says; None for one that this poolviz doesn't know."""
    try:
        if note.key == CHANGES_LEFT_OUT:
            return trn(
                "A change or fault of the scenario is left out: a sweep has changes of its own.",
                "{n} changes and faults of the scenario are left out: a sweep has changes of its "
                "own.",
                int(note.values["n"]),
            )
        if note.key == SERVER_UNKNOWN:
            return str(note.values["problem"])
        return tr(_NOTES[note.key], **note.values)
    except (KeyError, ValueError):
        return None
