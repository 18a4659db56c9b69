"""The result of a run as one object, for other programs."""

from __future__ import annotations

from typing import Any

import msgspec

from poolviz.model.lanes import State
from poolviz.sessions.cards import effects
from poolviz.sessions.holds import Hold
from poolviz.sessions.recorder import Recorder
from poolviz.sessions.share_done import ShareDone, unheard
from poolviz.sessions.thresholds import verdicts

_MOST_HOLDERS = 10  # as of each pool


def as_object(recorder: Recorder, share_done: ShareDone = unheard) -> dict[str, Any]:
    """Return the one object that `poolviz run --json` prints: what was run comes first, and what
    became of its conditions, then the changes, faults and notes of the run, and last what changes
    and faults did. `members` has the figures of each pool of a run that has several; those of the
    run are their sum then."""
    summary, did = recorder.summary(), effects(recorder, share_done)
    return {
        "pool": summary.pool,
        "use": summary.use,
        "replays": summary.replays,
        "server": summary.server,
        "connect": summary.connect,
        "complete": summary.complete,
        "incomplete_reason": summary.incomplete_reason,
        **msgspec.structs.asdict(summary),
        "thresholds": [msgspec.structs.asdict(verdict) for verdict in verdicts(recorder)],
        "members": [
            {"name": name, **msgspec.structs.asdict(recorder.member(name).summary())}
            for name in recorder.members
        ],
        "marks": [msgspec.structs.asdict(mark) for mark in recorder.marks],
        "cards": did.cards,
        "settled_segments": did.segments,
        "settling_rule": did.rule,
        "longest_holders": _longest_holders(recorder),
    }


def _longest_holders(recorder: Recorder) -> list[dict[str, Any]]:
    """Return the longest holds of the run; those of several pools with the name of each pool."""
    if not recorder.members:
        return [_holder(hold) for hold in recorder.longest_holds()]
    holders = [
        {"member": name, **_holder(hold)}
        for name in recorder.members
        for hold in recorder.member(name).longest_holds()
    ]
    return sorted(holders, key=lambda holder: -holder["held_s"])[:_MOST_HOLDERS]


def _holder(hold: Hold) -> dict[str, Any]:
    """Return one of the longest holds: `state` is what its client did with the connection last."""
    return {
        "connection": hold.connection if hold.connection >= 0 else None,
        "client": hold.client,
        "from_s": hold.since,
        "to_s": hold.until,
        "held_s": hold.seconds,
        "state": hold.state.name.lower(),
        "leaked": hold.state is State.LEAKED,
    }
