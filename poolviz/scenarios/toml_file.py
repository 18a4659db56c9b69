"""A scenario as a TOML file: read into a draft, with every mistake in its shape; and written."""

from __future__ import annotations

import datetime
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tomli_w

from poolviz.model.errors import InputError
from poolviz.model.parameters import suggest
from poolviz.model.scenario import DEFAULT_POOL, LANGUAGES
from poolviz.scenarios.draft import Draft, Mistake, Source, on_one_line
from poolviz.scenarios.toml_lines import KeyPath, lines_of

# The keys of a scenario, and what each is for.
KEYS: Mapping[str, str] = {
    "title": "What the scenario is called.",
    "watch": "What to watch while it runs, by language: en, es.",
    "pool": "The pool to run, by its id, or as module:Class or file.py:Class.",
    "dsn": "The server to run on; without it poolviz brings one.",
    "limits": "The limits of the pool to begin with, by their names.",
    "load": "The settings of the load to begin with, by their names.",
    "changes": "What changes while it runs: limits, settings of the load, and faults.",
    "duration": "How long to run: seconds, or text with a unit.",
    "seed": "Of the random draws: with the same seed a run repeats them.",
    "fail_if": "Conditions that a run fails by, such as 'wait_p95 > 50ms'.",
}
_WHERE = re.compile(r" \((?:at line (\d+), column (\d+)|at end of document)\)$")
_LARGEST = 2**63  # beyond the whole numbers of TOML


def read_draft(path: Path) -> Draft:
    """The draft that a TOML file holds, mistakes included.

    InputError where the file can't be read, or isn't TOML: that names line and column.
    """
    try:
        data = path.read_bytes()
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise InputError(on_one_line(f"Can't read {path}: {why}.")) from None
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise InputError(f"{path}, line {line}: it is no text in UTF-8.") from None
    try:
        draft = draft_of(tomllib.loads(text), Source(path, lines_of(text)))
    except ValueError as error:
        raise InputError(on_one_line(_not_toml(path, text, error))) from None
    except RecursionError:
        raise InputError(f"{path} is not a scenario: it is nested too deeply.") from None
    draft.pool = _from_its_folder(path, draft.pool)
    return draft


def _from_its_folder(path: Path, pool: str) -> str:
    """The id of a pool whose file lies beside the scenario, from wherever it is run."""
    where, colon, name = pool.rpartition(":")
    try:
        there = bool(where) and (path.parent / where).is_file()
    except OSError:  # a name that is longer than any file's
        there = False
    return f"{path.parent / where}{colon}{name}" if there else pool


def _not_toml(path: Path, text: str, error: ValueError) -> str:
    said = str(error)
    where = _WHERE.search(said)
    if where is None:
        return f"{path} is not TOML: {said}."
    lines = text.rstrip("\n").split("\n")
    line, column = where[1] or len(lines), where[2] or len(lines[-1]) + 1
    return f"{path}, line {line}, column {column}: it is not TOML: {said[: where.start()]}."


def draft_of(given: Mapping[str, Any], source: Source | None = None) -> Draft:
    """The draft that such a table means. Whatever has no place in a scenario, or the wrong type,
    is left out and stands in the draft's mistakes."""
    reading = _Reading(given)
    draft = Draft(
        title=reading.text("title") or "",
        watch=reading.watch(),
        pool=reading.text("pool") or DEFAULT_POOL,
        dsn=reading.text("dsn"),
        limits=reading.table("limits"),
        load=reading.table("load"),
        changes=reading.array("changes", dict, "a table, [[changes]]"),
        duration=given.get("duration"),
        seed=reading.seed(),
        fail_if=reading.array("fail_if", str, "a text, such as 'wait_p95 > 50ms'"),
        source=source,
    )
    reading.unknown()
    draft.mistakes = tuple(reading.mistakes)
    return draft


class _Reading:
    """Takes a table apart, and notes what is wrong with its shape."""

    def __init__(self, given: Mapping[str, Any]) -> None:
        self.mistakes: list[Mistake] = []
        self._given = given

    def text(self, key: str) -> str | None:
        """The text of one line that `key` holds, if any."""
        text = self._given.get(key)
        if text is None or (isinstance(text, str) and text and text.isprintable()):
            return text
        # What stands in the place of a DSN may hold a password.
        found = "not right" if key == "dsn" else shown(text)
        self._wrong((key,), f"is {found}: it takes a text of one line.")
        return None

    def seed(self) -> int:
        """The seed, or the usual one."""
        seed = self._given.get("seed", 1)
        if isinstance(seed, int) and not isinstance(seed, bool) and abs(seed) < _LARGEST:
            return seed
        self._wrong(("seed",), f"is {shown(seed)}: it takes a whole number of at most 64 bits.")
        return 1

    def table(self, key: str) -> dict[str, Any]:
        """The table that `key` is; empty where there is none."""
        table = self._given.get(key, {})
        if isinstance(table, dict):
            return table
        self._wrong((key,), f"is {shown(table)}: it takes a table, [{key}].")
        return {}

    def watch(self) -> dict[str, str]:
        """What to watch, by language."""
        told: dict[str, str] = {}
        for language, text in self.table("watch").items():
            if language not in LANGUAGES:
                near = suggest(language, list(LANGUAGES))
                self._wrong(("watch", language), f"is no language that poolviz speaks: {near}.")
            elif not isinstance(text, str):
                self._wrong(("watch", language), f"is {shown(text)}: it takes a text.")
            else:
                told[language] = text
        return told

    def array(self, key: str, kind: type[Any], what: str) -> list[Any]:
        """The elements of the array that `key` is. One of another kind stays as an empty one of
        this kind, so that the places of the others hold."""
        array = self._given.get(key, [])
        if not isinstance(array, list):
            self._wrong((key,), f"is {shown(array)}: it takes an array, each element {what}.")
            return []
        for index, element in enumerate(array):
            if not isinstance(element, kind):
                self._wrong((key, index), f"is {shown(element)}: it takes {what}.")
        return [element if isinstance(element, kind) else kind() for element in array]

    def unknown(self) -> None:
        """Note the keys that no scenario has."""
        for key in self._given:
            if key not in KEYS:
                self._wrong((key,), f"is no key of a scenario: {suggest(key, list(KEYS))}.")

    def _wrong(self, key_path: KeyPath, problem: str) -> None:
        self.mistakes.append(Mistake(key_path, problem))


def shown(value: object) -> str:
    """What was found, as a sentence shows it, near to how TOML writes it."""
    if isinstance(value, str):
        return f"'{value}'" if len(value) <= 80 else f"'{value[:80]}…'"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int) and abs(value) >= _LARGEST:
        return "a number of more than 64 bits"
    if isinstance(value, (int, float, datetime.date, datetime.time)):
        return str(value)
    return "an array" if isinstance(value, list) else "a table"


def as_toml(draft: Draft, *comments: str) -> str:
    """`draft` as a TOML file's text, with `comments` above; what wasn't said is left out, and so
    is a DSN, which may hold a password."""
    said = {
        "title": draft.title or None,
        "watch": draft.watch or None,
        "pool": draft.pool,
        "duration": draft.duration,
        "seed": draft.seed,
        "fail_if": draft.fail_if or None,
        "limits": draft.limits or None,
        "load": draft.load or None,
    }
    text = "".join(f"# {on_one_line(comment)}\n" for comment in comments)
    text += tomli_w.dumps({key: value for key, value in said.items() if value is not None})
    for change in draft.changes:
        text += "\n[[changes]]\n" + tomli_w.dumps(change)
    return text
