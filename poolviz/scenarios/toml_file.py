"""Read a scenario's TOML file into a draft, with every mistake in its structure; write one."""

from __future__ import annotations

import datetime
import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import tomli_w

from poolviz.language import tr
from poolviz.model.errors import InputError
from poolviz.model.lesson import Lesson
from poolviz.model.parameters import INTEGER_LIMIT, suggest
from poolviz.model.scenario import DEFAULT_POOL, LANGUAGES, POOLER_MODES
from poolviz.model.text import is_text, on_one_line, shortened
from poolviz.pools.custom.own_options import problem_of, split_id, with_options
from poolviz.scenarios.draft import Draft, Mistake, Source
from poolviz.scenarios.lesson_table import lesson_as_table, read_lesson
from poolviz.scenarios.toml_lines import KeyPath, lines_of, nests_deeper
from poolviz.system.files import read_bytes

# The keys of a scenario, with the help for each.
KEYS: Mapping[str, str] = {
    "title": "The name of the scenario.",
    "watch": "What to watch while it runs, by language: en, es.",
    "pool": "The pool to run, by its id, or as module:Class or file.py:Class.",
    "own_pool": "How a pool of your own is used: its methods acquire and release, and url.",
    "dsn": "The server to run on. Without it, poolviz starts one.",
    "pooler": "The console of a pooler in between, such as PgBouncer's, as a DSN.",
    "pooler_mode": "The mode of a pooler in between, where its console isn't asked: transaction, "
    "session.",
    "limits": "The limits of the pool at the start, by their names.",
    "load": "The settings of the load at the start, by their names.",
    "connect": "Arguments that the pool's driver connects with, by their names.",
    "fleet": "How many processes run it, each with a pool and clients of its own: processes.",
    "changes": "What changes during the run: limits, settings of the load, and faults.",
    "duration": "How long to run: seconds, or text with a unit.",
    "seed": "The seed of the random numbers. The same seed repeats them.",
    "lesson": "A question to predict, the right answer and why, and what mends it.",
    "fail_if": "Conditions that make the run fail: 'wait_p95 > 50ms', 'errors > 0 in segment 2'.",
}
LARGEST = 1 << 20  # bytes of a file
DEEPEST = 32  # levels of tables and arrays in a file; those of a scenario are few
_ADDRESSES = ("dsn", "pooler")  # which may hold a password
_POSITION = re.compile(r" \((?:at line (\d+), column (\d+)|at end of document)\)$")


def read_draft(path: Path) -> Draft:
    """Return the draft in a TOML file, mistakes included.

    Raises InputError if the file can't be read, or isn't TOML, with the line and column.
    """
    data = read_bytes(path, LARGEST)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise InputError(
            tr("{path}, line {line}: it is not text in UTF-8.", path=path, line=line)
        ) from None
    try:
        if nests_deeper(text, DEEPEST):
            raise RecursionError
        draft = draft_of(tomllib.loads(text), Source(path, lines_of(text)))
    except ValueError as error:
        raise InputError(_not_toml(path, text, error)) from None
    except RecursionError:
        raise InputError(
            tr("{path} is not a scenario: it is nested too deeply.", path=path)
        ) from None
    draft.pool = _from_its_folder(path, draft.pool)
    return draft


def _from_its_folder(path: Path, pool: str) -> str:
    """Return `pool` with the path of its file, if that is in the same folder as the scenario."""
    where, colon, name = pool.rpartition(":")
    try:
        found = bool(where) and (path.parent / where).is_file()
    except OSError:  # a name that is longer than any file's
        found = False
    return f"{path.parent / where}{colon}{name}" if found else pool


def _not_toml(path: Path, text: str, error: ValueError) -> str:
    """Return a message with the line and column, which tomllib has only in its message."""
    message = str(error)
    found = _POSITION.search(message)
    if found is None:
        return tr("{path} is not TOML: {message}.", path=path, message=message)
    lines = text.rstrip("\n").split("\n")
    line, column = found[1] or len(lines), found[2] or len(lines[-1]) + 1
    return tr(
        "{path}, line {line}, column {column}: it is not TOML: {message}.",
        path=path,
        line=line,
        column=column,
        message=message[: found.start()],
    )


def draft_of(given: Mapping[str, Any], source: Source | None = None) -> Draft:
    """Return the draft that a table means.

    Keys that no scenario has and values of the wrong type are left out, and are mistakes of the
    draft. `source` is the file that the table was read from.
    """
    reading = _Reading(given)
    draft = Draft(
        title=reading.text("title") or "",
        watch=reading.watch(),
        pool=reading.pool(),
        dsn=reading.text("dsn"),
        pooler=reading.text("pooler"),
        pooler_mode=reading.pooler_mode(),
        limits=reading.table("limits"),
        load=reading.table("load"),
        connect=reading.table("connect"),
        fleet=reading.table("fleet"),
        changes=reading.array("changes", dict, tr("a table, [[changes]]")),
        duration=given.get("duration"),
        seed=reading.seed(),
        fail_if=reading.array("fail_if", str, tr("a text, such as 'wait_p95 > 50ms'")),
        lesson=reading.lesson(),
        source=source,
    )
    reading.check_keys()
    draft.mistakes = tuple(reading.mistakes)
    return draft


class _Reading:
    """Reads the parts of a table, and collects the mistakes in its structure."""

    def __init__(self, given: Mapping[str, Any]) -> None:
        self.mistakes: list[Mistake] = []
        self._given = given

    def text(self, key: str) -> str | None:
        """Return the text of one line under `key`, if any."""
        text = self._given.get(key)
        if text is None or (isinstance(text, str) and text and text.isprintable()):
            return text
        # A wrong DSN may contain a password.
        found = tr("not right") if key in _ADDRESSES else shown(text)
        self._wrong((key,), tr("is {found}: it takes a text of one line.", found=found))
        return None

    def pool(self) -> str:
        """Return the pool's id, with the options of `own_pool` in it."""
        pool, options = self.text("pool") or DEFAULT_POOL, self.table("own_pool")
        right: dict[str, str] = {}
        for key, value in options.items():
            if problem := problem_of(key, value):
                self._wrong(("own_pool", key), problem)
            else:
                right[key] = value
        if right and ":" not in pool:
            self._wrong(
                ("own_pool",),
                tr("is for a pool of your own, and {pool} is one of poolviz.", pool=pool),
            )
            return pool
        return with_options(pool, right) if right else pool

    def pooler_mode(self) -> str:
        """Return the mode of a pooler in between, "" where it isn't said."""
        mode = self.text("pooler_mode") or ""
        if mode in ("", *POOLER_MODES):
            return mode
        known = partial(_unknown, tr("is not a mode for runs"), mode, POOLER_MODES)
        self._wrong(("pooler_mode",), known)
        return ""

    def seed(self) -> int:
        """Return the seed, by default 1."""
        seed = self._given.get("seed", 1)
        if isinstance(seed, int) and not isinstance(seed, bool) and abs(seed) < INTEGER_LIMIT:
            return seed
        self._wrong(
            ("seed",),
            tr("is {shown}: it takes a whole number of at most 64 bits.", shown=shown(seed)),
        )
        return 1

    def table(self, key: str) -> dict[str, Any]:
        """Return the table under `key`, by default an empty one."""
        table = self._given.get(key, {})
        if isinstance(table, dict):
            return table
        self._wrong(
            (key,), tr("is {shown}: it takes a table, [{key}].", shown=shown(table), key=key)
        )
        return {}

    def watch(self) -> dict[str, str]:
        """Return what to watch, by language."""
        texts: dict[str, str] = {}
        for language, text in self.table("watch").items():
            if language not in LANGUAGES:
                known = partial(_unknown, tr("is not a language of poolviz"), language, LANGUAGES)
                self._wrong(("watch", language), known)
            elif not isinstance(text, str) or not is_text(text):
                self._wrong(
                    ("watch", language), tr("is {shown}: it takes a text.", shown=shown(text))
                )
            else:
                texts[language] = text
        return texts

    def lesson(self) -> Lesson | None:
        """Return the lesson, None without one or with a mistake in it."""
        if "lesson" not in self._given:
            return None
        before = len(self.mistakes)
        table = self.table("lesson")
        if len(self.mistakes) > before:
            return None
        lesson = read_lesson(table, self._wrong, shown)
        return lesson if len(self.mistakes) == before else None

    def array(self, key: str, kind: type[Any], what: str) -> list[Any]:
        """Return the elements of the array under `key`.

        An element of another type is replaced by an empty one, so that the others keep their
        indexes.
        """
        array = self._given.get(key, [])
        if not isinstance(array, list):
            self._wrong(
                (key,),
                tr(
                    "is {shown}: it takes an array, each element {what}.",
                    shown=shown(array),
                    what=what,
                ),
            )
            return []
        for index, element in enumerate(array):
            if not isinstance(element, kind):
                self._wrong(
                    (key, index),
                    tr("is {shown}: it takes {what}.", shown=shown(element), what=what),
                )
        return [element if isinstance(element, kind) else kind() for element in array]

    def check_keys(self) -> None:
        """Note keys that no scenario has."""
        for key in self._given:
            if key not in KEYS:
                self._wrong(
                    (key,), partial(_unknown, tr("is no key of a scenario"), key, tuple(KEYS))
                )

    def _wrong(self, key_path: KeyPath, problem: str | Callable[[], str]) -> None:
        self.mistakes.append(Mistake(key_path, problem))


def _unknown(what: str, word: str, known: Sequence[str]) -> str:
    return f"{what}: {suggest(word, known)}."


def shown(value: object) -> str:
    """Return a value as a message shows it, much as TOML writes it."""
    if isinstance(value, str):
        return f"'{shortened(value, 80)}'"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int) and abs(value) >= INTEGER_LIMIT:
        return tr("a number of more than 64 bits")
    if isinstance(value, (int, float, datetime.date, datetime.time)):
        return str(value)
    return tr("an array") if isinstance(value, list) else tr("a table")


def as_toml(draft: Draft, *comments: str) -> str:
    """Return `draft` as the text of a TOML file, with `comments` above.

    What isn't set is left out, and so are DSNs, which may contain a password.
    """
    pool, own_pool = split_id(draft.pool)
    fields = {
        "title": draft.title or None,
        "watch": draft.watch or None,
        "pool": pool,
        "pooler_mode": draft.pooler_mode or None,
        "duration": draft.duration,
        "seed": draft.seed,
        "fail_if": draft.fail_if or None,
        "own_pool": own_pool or None,
        "limits": draft.limits or None,
        "load": draft.load or None,
        "connect": draft.connect or None,
        "fleet": draft.fleet or None,
    }
    text = "".join(f"# {on_one_line(comment)}\n" for comment in comments)
    text += tomli_w.dumps({key: value for key, value in fields.items() if value is not None})
    for change in draft.changes:
        text += "\n[[changes]]\n" + tomli_w.dumps(change)
    if draft.lesson is not None:
        text += "\n" + tomli_w.dumps({"lesson": lesson_as_table(draft.lesson)})
    return text
