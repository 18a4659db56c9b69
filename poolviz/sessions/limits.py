"""How long sessions are kept and how much they may take, as the user has set it."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Annotated

import msgspec

from poolviz.language import tr, trn
from poolviz.model.errors import InputError
from poolviz.sessions.file.format import LANES
from poolviz.system.files import read_bytes, write_text

_FILE = "limits.json"  # in the sessions folder
_LARGEST_FILE = 10_000  # bytes
_DAY, _MB = 86_400, 1_000_000
_UNITS_OF_AGE = {"h": 3600, "d": _DAY, "w": 7 * _DAY}
_UNITS_OF_SIZE = {"MB": _MB, "GB": 1000 * _MB, "TB": 1_000_000 * _MB}
_LONGEST_AGE, _LARGEST_SIZE = 36_500 * _DAY, 1000 * _UNITS_OF_SIZE["TB"]
_NONE = "none"


class SessionLimits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Seconds after which a session goes, bytes of all together, and bytes of lanes in each that is
    recorded from now on; None without a limit."""

    age_s: Annotated[int, msgspec.Meta(gt=0, le=_LONGEST_AGE)] | None = 90 * _DAY
    size_bytes: Annotated[int, msgspec.Meta(gt=0, le=_LARGEST_SIZE)] | None = 2_000 * _MB
    lanes_bytes: Annotated[int, msgspec.Meta(gt=0, le=_LARGEST_SIZE)] | None = LANES

    @property
    def age(self) -> timedelta | None:
        """The age as a time span."""
        return None if self.age_s is None else timedelta(seconds=self.age_s)

    @property
    def sentence(self) -> str:
        """What is kept, for people."""
        age = (
            tr("of any age")
            if self.age_s is None
            else tr("of the last {shown_age}", shown_age=shown_age(self.age_s))
        )
        size = (
            tr("whatever they take")
            if self.size_bytes is None
            else tr("up to {size} together", size=shown_size(self.size_bytes))
        )
        kept = tr(
            "Sessions {age} are kept, {size}; those with a name or a keep mark always.",
            age=age,
            size=size,
        )
        return f"{kept} {self.lanes_sentence}"

    @property
    def lanes_sentence(self) -> str:
        """What a session keeps of lanes, for people."""
        if self.lanes_bytes is None:
            return tr("A session keeps all of who had which connection when.")
        return tr(
            "A session keeps up to {size} of who had which connection when, and the shares of "
            "states of what is older.",
            size=shown_size(self.lanes_bytes),
        )


def read_limits(folder: Path) -> SessionLimits:
    """Return the limits of a sessions folder; InputError if its file of them can't be read."""
    path = folder / _FILE
    if not path.exists():
        return SessionLimits()
    try:
        return msgspec.json.decode(read_bytes(path, _LARGEST_FILE), type=SessionLimits)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise InputError(
            tr(
                "{path} can't be read ({error}), so no session is removed: set the limits again.",
                path=path,
                error=error,
            )
        ) from None


def write_limits(folder: Path, limits: SessionLimits) -> None:
    """Store the limits of a sessions folder. InputError if they can't be written."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            tr(
                "Can't make the folder {folder}: {value}.",
                folder=folder,
                value=error.strerror or error,
            )
        ) from None
    write_text(folder / _FILE, msgspec.json.encode(limits).decode())


def parse_age(text: str) -> int | None:
    """Return the seconds that `90d`, `12w` or `36h` means; None for `none`. InputError."""
    return _parsed(text, _UNITS_OF_AGE, _LONGEST_AGE, tr("an age"), tr("90d, 12w, 36h or none"))


def parse_size(text: str) -> int | None:
    """Return the bytes that `2GB` or `500MB` means; None for `none`. InputError."""
    return _parsed(text, _UNITS_OF_SIZE, _LARGEST_SIZE, tr("a size"), tr("2GB, 500MB or none"))


def shown_size(size: int) -> str:
    """Return bytes for people: `12.3 MB`."""
    if size >= 1000 * _MB:
        return tr("{size:.3g} GB", size=size / (1000 * _MB))
    return (
        tr("{size:.1f} MB", size=size / _MB)
        if size >= 100_000
        else tr("{size:.0f} kB", size=size / 1000)
    )


def _parsed(text: str, units: dict[str, int], most: int, what: str, examples: str) -> int | None:
    given = text.strip()
    if given.lower() == _NONE:
        return None
    by_name = {unit.lower(): factor for unit, factor in units.items()}
    number = given.rstrip("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
    factor = by_name.get(given[len(number) :].lower())
    digits = number.strip()
    if factor is not None and digits.isascii() and digits.replace(".", "", 1).isdigit():
        value = float(digits) * factor
        if 1 <= value <= most:
            return round(value)
    raise InputError(
        tr(
            "{words} is not {what} that can be set: give one such as {examples}.",
            words=text,
            what=what,
            examples=examples,
        )
    )


def shown_age(seconds: int) -> str:
    """Return an age for people: `90 days`."""
    if seconds % _DAY == 0:
        return trn("{n} day", "{n} days", seconds // _DAY)
    hours = seconds / _UNITS_OF_AGE["h"]
    return tr("{hours:g} hour", hours=hours) if hours == 1 else tr("{hours:g} hours", hours=hours)
