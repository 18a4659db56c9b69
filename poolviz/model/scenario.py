"""A scenario: what to run, complete and checked."""

from __future__ import annotations

import msgspec

from poolviz.model.parameters import Value

DEFAULT_POOL = "sqlalchemy.QueuePool"
LANGUAGES = ("en", "es")  # in which a scenario says what to watch


class Change(msgspec.Struct, frozen=True):
    """What changes `at` seconds after the start: a limit, a setting of the load, or a fault."""

    at: float
    key: str
    value: Value


class Scenario(msgspec.Struct, frozen=True, kw_only=True):
    """One run, complete and checked: every limit and every setting has its value.

    `duration` in seconds; None runs until it is stopped. `watch` says by language what to look
    at, `fail_if` by what figures the run fails.
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
