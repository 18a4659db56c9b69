"""A draft of a scenario: what a file, the command line or the window says, not yet checked."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from poolviz.language import tr
from poolviz.model.errors import MOST_PROBLEMS, InputError
from poolviz.model.lesson import Lesson
from poolviz.model.parameters import parse_seconds
from poolviz.model.scenario import DEFAULT_POOL
from poolviz.model.text import shortened
from poolviz.scenarios.toml_lines import KeyPath

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


class Mistake(NamedTuple):
    """What is wrong with one key of a draft, () for none.

    `problem` goes on after the name of the key ("is 3: it takes …"). If it is a `sentence` of its
    own, it follows the name after a colon, and needs no name where the draft isn't a file. A
    function returns it where finding the words takes long, as for the key that may have been meant.
    """

    key_path: KeyPath
    problem: str | Callable[[], str]
    sentence: bool = False


class DraftError(InputError):
    """The mistakes in a draft, of which there are `count`. `problems` say in which file and line
    each of them is; `problems_in_file` are the same without the name of the file."""

    def __init__(
        self, problems: Sequence[str], problems_in_file: Sequence[str], count: int
    ) -> None:
        more = count - len(problems)
        super().__init__(*problems, more=more)
        self.problems_in_file = InputError(*problems_in_file, more=more).problems
        self.count = count


@dataclass(frozen=True)
class Source:
    """The file that a draft was read from, and the line of each key in it."""

    path: Path
    lines: Mapping[KeyPath, int] = field(default_factory=dict)

    def without(self, *replaced: KeyPath) -> Source:
        """Return the source of a draft in which these keys no longer come from the file."""
        gone = set(replaced)
        return Source(self.path, {key: line for key, line in self.lines.items() if key not in gone})


class Draft(msgspec.Struct, kw_only=True):
    """A scenario as it was written: possibly incomplete, and with values that aren't checked yet.

    `source` says which keys come from a file; the others come from the command line or the window.
    `mistakes` are those that were found before any value is checked. `replays` names the file of
    the session that it repeats.
    """

    title: str = ""
    watch: dict[str, str] = {}
    pool: str = DEFAULT_POOL
    dsn: str | None = None
    pooler: str | None = None
    pooler_mode: str = ""
    limits: dict[str, object] = {}
    load: dict[str, object] = {}
    connect: dict[str, object] = {}
    fleet: dict[str, object] = {}
    changes: list[dict[str, object]] = []
    duration: object = None
    seed: int = 1
    fail_if: list[str] = []
    replays: str = ""
    lesson: Lesson | None = None
    source: Source | None = None
    mistakes: tuple[Mistake, ...] = ()

    def with_fields(self, **fields: Any) -> Draft:
        """Return this draft with other values of some fields, which don't come from its file."""
        source = self.source and self.source.without(*((key,) for key in fields))
        return msgspec.structs.replace(self, **{"source": source} | fields)

    def with_values(self, **sections: Mapping[str, object]) -> Draft:
        """Return this draft with some values in `limits`, `load`, `connect` or `fleet` set, which
        don't come from its file."""
        keys = [(section, key) for section, values in sections.items() for key in values]
        merged = {
            section: {**getattr(self, section), **values} for section, values in sections.items()
        }
        source = self.source and self.source.without(*keys)
        return msgspec.structs.replace(self, source=source, **merged)

    def is_in_file(self, key_path: KeyPath) -> bool:
        """Return whether the key stands in the draft's file."""
        return self.source is not None and key_path in self.source.lines

    def refused(self, mistakes: Iterable[Mistake]) -> DraftError:
        """Return the error for `mistakes`, in the order of the file's lines."""
        lines = self.source.lines if self.source is not None else {}
        ordered = sorted(mistakes, key=lambda mistake: lines.get(mistake.key_path, math.inf))
        first = ordered[:MOST_PROBLEMS]
        return DraftError(
            [self._described(mistake, name_file=True) for mistake in first],
            [self._described(mistake, name_file=False) for mistake in first],
            len(ordered),
        )

    def _described(self, mistake: Mistake, *, name_file: bool) -> str:
        key_path, problem, sentence = mistake
        if not isinstance(problem, str):
            problem = problem()
        if not key_path or (sentence and self._needs_no_name(key_path)):
            return problem
        colon = ":" if sentence else ""
        return f"{self._name(key_path, name_file=name_file)}{colon} {problem}"

    def _needs_no_name(self, key_path: KeyPath) -> bool:
        """Return whether a whole sentence about the key says enough without naming it."""
        return not self.is_in_file(key_path) and key_path[0] != "changes"

    def _name(self, key_path: KeyPath, *, name_file: bool) -> str:
        """Return where the key stands and its name, or its name on the command line."""
        if self.source is not None and key_path in self.source.lines:
            line = tr(
                "line {lines}: {dotted}", lines=self.source.lines[key_path], dotted=dotted(key_path)
            )
            return f"{self.source.path}, {line}" if name_file else line
        match key_path:
            case ("limits" | "load" | "connect" | "fleet", str(key)):
                return key
            case ("changes", int(), "at"):
                return "at"
            case ("changes", int(index), *rest) if moment := self._moment(index):
                return f"{moment}: {dotted(tuple(rest))}" if rest else moment
        return dotted(key_path)

    def _moment(self, index: int) -> str:
        """Return when a change happens, as its name; empty if that isn't given."""
        try:
            return tr("At {seconds_of:g} s", seconds_of=seconds_of(self.changes[index].get("at")))
        except ValueError:
            return ""


def dotted(key_path: KeyPath) -> str:
    """Return a key as people write it: `limits.maxconn`, `changes[2].at`."""
    text = ""
    for part in key_path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            key = shortened(part, 80)
            key = key if _BARE_KEY.fullmatch(key) else f'"{key}"'
            text += f".{key}" if text else key
    return text


def seconds_of(given: object, *, positive: bool = False) -> float:
    """Return `given`, a number or text with a unit, as seconds; not 0 if it has to be `positive`.

    Raises ValueError, which goes on after the value: "which is not a time …".
    """
    if isinstance(given, bool) or not isinstance(given, (int, float, str)):
        raise ValueError(tr("which is not a time: give seconds, or text such as '50ms'"))
    try:
        seconds = parse_seconds(given) if isinstance(given, str) else float(given)
    except OverflowError:
        seconds = math.inf
    except ValueError as error:
        raise ValueError(f"which {error}") from None
    if not 0 <= seconds < math.inf or (positive and not seconds):
        least = tr("of more than 0 s") if positive else tr("from 0 s up")
        raise ValueError(tr("which is not a time {least}", least=least))
    return seconds
