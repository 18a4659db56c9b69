"""What to run: a scenario, from a TOML file, the command line or the window."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec

from poolviz.model.errors import InputError
from poolviz.model.parameters import Parameters, Value, parse_seconds, suggest

DEFAULT_POOL = "sqlalchemy.QueuePool"


class Change(msgspec.Struct, frozen=True):
    """A limit or a setting of the load that changes `at` seconds after the start."""

    at: float
    key: str
    value: Value


class Scenario(msgspec.Struct, frozen=True, kw_only=True):
    """One run, complete and checked: every limit and every setting has its value.

    `duration` in seconds; None runs until it is stopped.
    """

    pool: str
    limits: dict[str, Value]
    load: dict[str, Value]
    changes: tuple[Change, ...] = ()
    duration: float | None = None
    seed: int = 1


class Draft(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """A scenario as somebody wrote it: not all of it said, nothing of it checked yet."""

    pool: str = DEFAULT_POOL
    dsn: str | None = None
    limits: dict[str, object] = {}
    load: dict[str, object] = {}
    changes: list[dict[str, object]] = []
    duration: float | str | None = None
    seed: int = 1
    fail_if: list[str] = []

    def checked(self, limits: Parameters, load: Parameters) -> Scenario:
        """The complete scenario; InputError holds every mistake at once."""
        mistakes: list[InputError] = []
        values: list[dict[str, Value]] = []
        for parameters, given in ((limits, self.limits), (load, self.load)):
            try:
                values.append(parameters.complete(given))
            except InputError as error:
                mistakes.append(error)
        duration = _seconds("duration", self.duration, mistakes)
        if duration == 0:
            mistakes.append(InputError("duration is 0: it takes a time of more than 0 s."))
        if not -(2**63) <= self.seed < 2**63:
            mistakes.append(InputError(f"seed is {self.seed}: it takes a number of 64 bits."))
        changes = [] if mistakes else self._changes(limits, load, values, mistakes)
        if mistakes:
            raise InputError.merged(mistakes)
        return Scenario(
            pool=self.pool,
            limits=values[0],
            load=values[1],
            changes=tuple(changes),
            duration=duration,
            seed=self.seed,
        )

    def _changes(
        self,
        limits: Parameters,
        load: Parameters,
        values: list[dict[str, Value]],
        mistakes: list[InputError],
    ) -> list[Change]:
        """Every change in the order it happens, each checked against what is then in force."""
        changes = []
        for written in self.changes:
            at = _seconds("at", written.get("at"), mistakes)
            if at is None:
                mistakes.append(InputError("A change has no time: give it an at = SECONDS."))
            for key, value in written.items():
                if key != "at" and at is not None and isinstance(value, (bool, int, float, str)):
                    changes.append(Change(at, key, value))
        limits_now, load_now = values
        applied = []
        for change in sorted(changes, key=lambda change: change.at):
            try:
                if change.key in load:
                    load_now = load.changed(load_now, change.key, change.value)
                    applied.append(Change(change.at, change.key, load_now[change.key]))
                elif change.key in limits:
                    limits_now = limits.changed(limits_now, change.key, change.value)
                    applied.append(Change(change.at, change.key, limits_now[change.key]))
                else:
                    near = suggest(change.key, [*limits, *load])
                    raise InputError(
                        f"{change.key} is no {limits.what}, nor a setting of the load: {near}."
                    )
            except InputError as error:
                where = f"At {change.at:g} s: "
                mistakes.append(InputError(*(where + problem for problem in error.problems)))
        return applied


def _seconds(key: str, given: object, mistakes: list[InputError]) -> float | None:
    """`given` as seconds, or a mistake noted."""
    if given is None:
        return None
    try:
        if isinstance(given, bool) or not isinstance(given, (int, float, str)):
            raise ValueError("is not a time: give seconds, or text such as '50ms'")
        seconds = parse_seconds(given) if isinstance(given, str) else float(given)
        if not 0 <= seconds < float("inf"):
            raise ValueError("is not a time from 0 s up")
    except ValueError as error:
        mistakes.append(InputError(f"{key} is {given!r}, which {error}."))
        return None
    return seconds


def read_draft(path: Path) -> Draft:
    """The scenario that a TOML file holds; InputError names the file and what is wrong in it."""
    try:
        text = path.read_bytes()
    except OSError as error:
        raise InputError(f"Can't read {path}: {error.strerror}.") from None
    try:
        return msgspec.toml.decode(text, type=Draft)
    except msgspec.ValidationError as error:
        raise InputError(f"{path} is not a scenario: {error}.") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is not TOML: {error}.") from None


def assignment(text: str, option: str) -> tuple[str, str]:
    """`KEY=VALUE` from the command line as a pair; InputError where it isn't one."""
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise InputError(f"{option} {text}: it takes KEY=VALUE, such as maxconn=8.")
    return key.strip(), value.strip()


def parsed(given: Mapping[str, str], *declared: Parameters) -> dict[str, Value | str]:
    """Command-line texts as values where their key is declared; the rest as it came."""
    values: dict[str, Value | str] = {}
    for key, text in given.items():
        found = [parameters[key] for parameters in declared if key in parameters]
        values[key] = found[0].parse(text) if found else text
    return values
