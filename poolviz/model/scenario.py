"""Scenarios, and the changes in them."""

from __future__ import annotations

import msgspec

from poolviz.model.parameters import Value

DEFAULT_POOL = "sqlalchemy.QueuePool"
POOLER_MODES = ("transaction", "session")  # in which a run is possible
LANGUAGES = ("en", "es")  # of a scenario's `watch`


class Change(msgspec.Struct, frozen=True):
    """A change `at` seconds after the start, of a limit or a setting of the load, or a fault."""

    at: float
    key: str
    value: Value


class Scenario(msgspec.Struct, frozen=True, kw_only=True):
    """What to run, complete and checked: every limit and every setting has a value.

    `connect` has only those arguments of the pool's driver that were given; the others have the
    driver's own defaults. `duration` is in seconds; None runs until the run is stopped. `watch`
    says by language what to look at. `fail_if` has the conditions that make the run fail. `replays`
    names the file of the session that is run again; "" if none is. `fleet` says how many processes
    there are, each with a pool and clients of its own; without it there is one, and never another.
    `pooler_mode` is the mode of a pooler in between, where the user says it.
    """

    pool: str
    limits: dict[str, Value]
    load: dict[str, Value]
    changes: tuple[Change, ...] = ()
    duration: float | None = None
    seed: int = 1
    title: str = ""
    watch: dict[str, str] = {}
    fail_if: tuple[str, ...] = ()
    connect: dict[str, Value] = {}
    replays: str = ""
    fleet: dict[str, Value] = {}
    pooler_mode: str = ""
