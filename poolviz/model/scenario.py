"""What to run: a scenario, from a TOML file, the command line or the window."""

from __future__ import annotations

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
        late = [change for change in changes if duration is not None and change.at >= duration]
        mistakes += [
            InputError(f"At {change.at:g} s: the run is over by then, it takes {duration:g} s.")
            for change in late
        ]
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
        changes = self._written(mistakes)
        together: dict[float, list[Change]] = {}
        for change in sorted(changes, key=lambda change: change.at):
            together.setdefault(change.at, []).append(change)
        applied = []
        limits_now, load_now = values
        for at, group in together.items():
            try:
                new_limits = {c.key: c.value for c in group if c.key in limits}
                new_load = {c.key: c.value for c in group if c.key in load}
                for change in group:
                    if change.key not in new_limits and change.key not in new_load:
                        raise unknown_key(change.key, limits, load)
                limits_now = limits.changed(limits_now, new_limits)
                load_now = load.changed(load_now, new_load)
                in_force = {**limits_now, **load_now}
                applied += [Change(at, c.key, in_force[c.key]) for c in group]
            except InputError as error:
                mistakes.append(InputError(*(f"At {at:g} s: {what}" for what in error.problems)))
        return applied

    def _written(self, mistakes: list[InputError]) -> list[Change]:
        """The changes as they stand in the draft, times read."""
        changes = []
        for written in self.changes:
            at = _seconds("at", written.get("at"), mistakes)
            if "at" not in written:
                mistakes.append(InputError("A change has no time: give it an at = SECONDS."))
            for key, value in written.items():
                if key == "at" or at is None:
                    continue
                if isinstance(value, (bool, int, float, str)):
                    changes.append(Change(at, key, value))
                else:
                    mistakes.append(InputError(f"At {at:g} s: {key} is {value!r}, not a value."))
        return changes


def unknown_key(key: str, limits: Parameters, load: Parameters) -> InputError:
    """The sentence for a key that is neither a limit of the pool nor a setting of the load."""
    near = suggest(key, [*limits, *load])
    return InputError(f"{key} is no {limits.what} and no {load.what}: {near}.")


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
