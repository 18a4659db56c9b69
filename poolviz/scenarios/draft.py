"""The draft of a scenario: what a file, the command line or the window said, not yet checked."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from poolviz.model.errors import InputError
from poolviz.model.parameters import parse_seconds
from poolviz.model.scenario import DEFAULT_POOL
from poolviz.scenarios.toml_lines import KeyPath

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


class Mistake(NamedTuple):
    """What is wrong at a place of a draft; `says` goes on after the place's name."""

    place: KeyPath
    says: str


@dataclass(frozen=True)
class Source:
    """The file that a draft was read from, and the line where each place of it stands."""

    path: Path
    lines: Mapping[KeyPath, int] = field(default_factory=dict)

    def without(self, *places: KeyPath) -> Source:
        """The same where something else was said instead of these places."""
        gone = set(places)
        return Source(self.path, {p: line for p, line in self.lines.items() if p not in gone})


class Draft(msgspec.Struct, kw_only=True):
    """A scenario as somebody wrote it: not all of it said, and none of its values checked.

    `source` tells what of it stands in a file; the rest was said on the command line or in the
    window. `mistakes` are those found before the values are looked at.
    """

    title: str = ""
    watch: dict[str, str] = {}
    pool: str = DEFAULT_POOL
    dsn: str | None = None
    limits: dict[str, object] = {}
    load: dict[str, object] = {}
    changes: list[dict[str, object]] = []
    duration: object = None
    seed: int = 1
    fail_if: list[str] = []
    source: Source | None = None
    mistakes: tuple[Mistake, ...] = ()

    def but(self, **said: Any) -> Draft:
        """The same with other values of some fields, said elsewhere than in its file."""
        source = self.source and self.source.without(*((key,) for key in said))
        return msgspec.structs.replace(self, **{"source": source} | said)

    def but_in(self, **sections: Mapping[str, object]) -> Draft:
        """The same with other `limits` or settings of the `load`, said elsewhere."""
        places = [(section, key) for section, said in sections.items() for key in said]
        merged = {section: {**getattr(self, section), **said} for section, said in sections.items()}
        source = self.source and self.source.without(*places)
        return msgspec.structs.replace(self, source=source, **merged)

    def is_written(self, place: KeyPath) -> bool:
        """Whether the place stands in the draft's file."""
        return self.source is not None and place in self.source.lines

    def refused(self, mistakes: Iterable[Mistake]) -> InputError:
        """All of `mistakes` as sentences, in the order of the file's lines."""
        lines = self.source.lines if self.source is not None else {}
        ordered = sorted(mistakes, key=lambda mistake: lines.get(mistake.place, math.inf))
        return InputError(*(self._sentence(*mistake) for mistake in ordered))

    def _sentence(self, place: KeyPath, says: str) -> str:
        return on_one_line(f"{self._name(place)}{says}")

    def _name(self, place: KeyPath) -> str:
        """How a place is called: with file and line, or as it is known on the command line."""
        if self.source is not None and place in self.source.lines:
            return f"{self.source.path}, line {self.source.lines[place]}: {written(place)}"
        match place:
            case ("limits" | "load", str(key)):
                return key
            case ("changes", int(), "at"):
                return "at"
            case ("changes", int(index), *rest) if moment := self._moment(index):
                return f"{moment}: {written(tuple(rest))}" if rest else moment
        return written(place)

    def _moment(self, index: int) -> str:
        """When a change happens, as its name; empty where it doesn't say."""
        try:
            return f"At {seconds_of(self.changes[index].get('at')):g} s"
        except ValueError:
            return ""


def written(place: KeyPath) -> str:
    """A place as people write it: `limits.maxconn`, `changes[2].at`."""
    text = ""
    for part in place:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            key = part if _BARE_KEY.fullmatch(part) else f'"{part}"'
            text += f".{key}" if text else key
    return text


def on_one_line(text: str) -> str:
    """`text` with what can't be printed, such as the end of a line, written as an escape."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def seconds_of(given: object) -> float:
    """`given`, a number or a text with a unit, as seconds; ValueError goes on after the value."""
    if isinstance(given, bool) or not isinstance(given, (int, float, str)):
        raise ValueError("which is not a time: give seconds, or text such as '50ms'")
    try:
        seconds = parse_seconds(given) if isinstance(given, str) else float(given)
    except OverflowError:
        seconds = math.inf
    except ValueError as error:
        raise ValueError(f"which {error}") from None
    if not 0 <= seconds < math.inf:
        raise ValueError("which is not a time from 0 s up")
    return seconds


def assignment(text: str, option: str) -> tuple[str, str]:
    """`KEY=VALUE` from the command line as a pair; InputError where it isn't one."""
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise InputError(f"{option} {text}: it takes KEY=VALUE, such as maxconn=8.")
    return key.strip(), value.strip()
