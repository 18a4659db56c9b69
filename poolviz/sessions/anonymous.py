"""What an anonymous export says in place of what names servers, people and their files.

Everything in a session that may hold a name passes through here, whatever is made of it later. What
is kept is named, and all else goes: figures, versions, the ids of poolviz' own pools, the names of
classes, and of texts the words that messages are made of (`resources/anonymous/words.txt`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cache
from itertools import chain
from typing import TypeVar

import msgspec

from poolviz.load.faults import FAULT_PARAMETERS
from poolviz.load.settings import SETTINGS
from poolviz.model.errors import InputError
from poolviz.model.messages import PART, RunEnded, RunStarted
from poolviz.model.parameters import Choice, Parameter, Value
from poolviz.model.sample import ErrorCount, ErrorKind, Mark, MarkKind, Sample
from poolviz.model.scenario import POOLER_MODES, Scenario
from poolviz.model.server_name import EMBEDDED
from poolviz.pools.custom.own_options import split_id
from poolviz.pools.registry import is_built_in, pool_class
from poolviz.scenarios.presets import presets
from poolviz.system.resources import resource

REMOVED = "…"
_PRODUCTS = ("PostgreSQL", "MySQL", "MariaDB", "SQLite")
_VERSIONS = (
    *("poolviz", "python", "libpq", "max_connections", "psycopg2-binary", "psycopg2", "psycopg"),
    *("psycopg-pool", "sqlalchemy", "asyncpg", "aiopg", "aiomysql", "pymysql", "dbutils"),
)
_MODULES = (
    *("psycopg2", "psycopg", "psycopg_pool", "sqlalchemy", "asyncpg", "aiopg", "aiomysql"),
    *("pymysql", "MySQLdb", "dbutils", "sqlite3", "asyncio", "concurrent", "socket", "ssl"),
    *("queue", "threading", "greenlet", "poolviz"),
)
_VERSION = re.compile(r"\d+(?:\.\d+)*(?:(?:a|b|rc|beta|devel)\d*)?")
_CONDITION = re.compile(r"[\w\s.<>=!%]+", re.ASCII)
# What ends a message of a server or a library, and begins what it says of rows and statements.
_DETAILS = re.compile(r"(?:DETAIL|CONTEXT|STATEMENT|QUERY|LINE \d+):|\[SQL:|\[parameters:", re.I)
_QUOTED = re.compile(
    r"""\"[^"\n]*\"? | «[^»\n]*»? | „[^“”\n]*[“”]? | “[^”\n]*”? | `[^`\n]*`?
    | (?<!\w)'[^'\n]*'(?!\w) | (?<!\w)‘[^’\n]*’ | =\s*\([^)\n]*\)""",
    re.VERBOSE,
)
_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
_NUMBER = re.compile(r"[+-]?\d+(?:[.,]\d+)?(?:%|ms|µs|s|min|h|kB|MB|GB)?", re.ASCII)
_AROUND = "()[]{}<>.,:;!?'‘’*→"

T = TypeVar("T")


class Anonymizer:
    """Removes names from the parts of one session, of which `began` says how its runs began: every
    name in there is removed wherever it appears."""

    def __init__(self, began: Iterable[RunStarted]) -> None:
        runs = tuple(began)
        self._choices = frozenset(chain.from_iterable(_choices(run.scenario.pool) for run in runs))
        texts = chain.from_iterable(map(_names, runs))
        self._names = frozenset(
            word.casefold() for text in texts for word in (text, *re.findall(r"[\w.-]+", text))
        )

    def text(self, text: str) -> str:
        """Return a message with nothing but the words that messages are made of, and numbers."""
        details = _DETAILS.search(text)
        kept = text if details is None else text[: details.start()]
        words = ["" if text == kept else REMOVED]
        words[:0] = map(self._word, _QUOTED.sub(f" {REMOVED} ", kept).split())
        several = " ".join(filter(None, words))
        return re.sub(rf"{REMOVED}(?: {REMOVED})+", REMOVED, several)

    def _word(self, word: str) -> str:
        core = word.strip(_AROUND)
        if not core or core in (REMOVED, "=", "-", "–", "—", "+", "/", "|"):
            return word
        if _NUMBER.fullmatch(core):
            return word
        known = core.casefold() not in self._names and (
            core.casefold() in _words() or (core in self._choices and _WORD.fullmatch(core))
        )
        return word if known else word.replace(core, REMOVED)

    def value(self, value: Value | None) -> Value | None:
        """Return a value that isn't text, or one of the words that a setting has to choose from."""
        return value if not isinstance(value, str) or value in self._choices else REMOVED

    def values(self, values: Mapping[str, Value]) -> dict[str, Value]:
        """Return settings without texts."""
        return {
            key: REMOVED if isinstance(value, str) and value not in self._choices else value
            for key, value in values.items()
        }

    def began(self, began: RunStarted) -> RunStarted:
        """Return how a run began."""
        return msgspec.structs.replace(
            began,
            scenario=self._scenario(began.scenario),
            environment=self._environment(began.environment),
        )

    def ended(self, ended: RunEnded) -> RunEnded:
        """Return how a run ended."""
        return msgspec.structs.replace(ended, failure=self.text(ended.failure))

    def mark(self, mark: Mark) -> Mark:
        """Return a mark; a note is one no more than by its kind."""
        if mark.kind is MarkKind.NOTE or mark.key is None:
            return msgspec.structs.replace(mark, text=mark.kind.value)
        old, new = self.value(mark.old), self.value(mark.new)
        words = mark.text.removeprefix(mark.key).split()
        text = mark.text
        if (old, new) != (mark.old, mark.new) or any(self._word(word) != word for word in words):
            change = [str(value) for value in (old, new) if value not in (None, "")]
            text = f"{mark.key} {' → '.join(change)}".strip()
        return msgspec.structs.replace(mark, old=old, new=new, text=text)

    def sample(self, sample: Sample) -> Sample:
        """Return a sample."""
        return msgspec.structs.replace(
            sample,
            limits=self.values(sample.limits),
            load=self.values(sample.load),
            faults=self.values(sample.faults),
            error_kinds=self.kinds(sample.error_kinds),
            error_counts=self.counts(sample.error_counts),
        )

    def kinds(self, kinds: Iterable[ErrorKind]) -> list[ErrorKind]:
        """Return kinds of errors."""
        return [
            msgspec.structs.replace(
                kind, message=self.text(kind.message), exception=self.exception(kind.exception)
            )
            for kind in kinds
        ]

    def counts(self, counts: Iterable[ErrorCount]) -> list[ErrorCount]:
        """Return how often kinds of errors came."""
        return [
            count
            if count.message is None
            else msgspec.structs.replace(count, message=self.text(count.message))
            for count in counts
        ]

    def exception(self, name: str) -> str:
        """Return the name of an exception's class: with its module, if that is a library's."""
        return name if name.partition(".")[0] in _MODULES else name.rpartition(".")[2]

    def _scenario(self, scenario: Scenario) -> Scenario:
        known = {preset.title: preset.watch for preset in presets()}
        return msgspec.structs.replace(
            scenario,
            pool=anonymous_pool(scenario.pool),
            limits=self.values(scenario.limits),
            load=self.values(scenario.load),
            connect=self.values(scenario.connect),
            changes=tuple(
                msgspec.structs.replace(change, value=self.values({"": change.value})[""])
                for change in scenario.changes
            ),
            title=scenario.title if scenario.title in known else "",
            watch=known.get(scenario.title, {}),
            replays="a session" if scenario.replays else "",  # a file's name may be anything
            fail_if=tuple(filter(_CONDITION.fullmatch, scenario.fail_if)),
            pooler_mode=scenario.pooler_mode if scenario.pooler_mode in POOLER_MODES else "",
        )

    def _environment(self, environment: Mapping[str, str]) -> dict[str, str]:
        kept: dict[str, str] = {}
        for key, fact in environment.items():
            number = _VERSION.search(fact)
            if key == "server":
                kept[key] = _server(fact, environment.get("server version", ""))
            elif key == "server version":
                product = next((f"{each} " for each in _PRODUCTS if each in fact), "")
                kept[key] = f"{product}{number[0] if number else ''}".strip()
            elif key == "pool class":
                kept[key] = anonymous_pool(fact)
            elif key == PART:
                kept[key] = fact
            elif key == "machine":
                kept[key] = _machine(fact)
            elif key.casefold() in _VERSIONS and number:
                kept[key] = number[0]
        return kept


def anonymous_pool(id: str) -> str:
    """Return a pool's id; of one that isn't poolviz' own, the name of its class alone."""
    if is_built_in(id):
        return id
    name = re.split(r"[:/\\.]", split_id(id)[0])[-1]
    return name if name.isidentifier() else "Pool"


def _server(shown: str, version: str) -> str:
    if shown == EMBEDDED:
        return shown
    scheme = shown.partition(":")[0].partition("+")[0].casefold()
    stated = [product for product in _PRODUCTS if product in version]
    named = [product for product in _PRODUCTS if product.casefold() == scheme]
    return next(iter((*stated, *named)), "PostgreSQL")


def _machine(fact: str) -> str:
    """Return system, architecture, cores and memory; a kernel may be named for whose it is."""
    found = re.fullmatch(r"(\w+) \S+ (\w+), (\d+ cores, [\d.]+ GiB)", fact)
    return f"{found[1]} {found[2]}, {found[3]}" if found else REMOVED


def _names(began: RunStarted) -> Iterable[str]:
    """Yield the texts that say where a run was, in which names are: of the server, of the arguments
    to connect and of what is set."""
    scenario, environment = began.scenario, began.environment
    schemes = re.compile(r"^\w+(?:\+\w+)?://")
    if environment.get("server") != EMBEDDED:
        yield schemes.sub("", environment.get("server", ""))
    yield schemes.sub("", environment.get("dsn", ""))
    known = _choices(scenario.pool)
    for values in (scenario.connect, scenario.load, scenario.limits):
        for value in values.values():
            if isinstance(value, str) and value not in known and len(value) < 1000:
                yield value


@cache
def _choices(pool: str) -> frozenset[str]:
    """Return the words that settings, faults, and limits and connect arguments of a pool have to
    choose from."""
    declared: list[Iterable[Parameter]] = [SETTINGS.values(), FAULT_PARAMETERS.values()]
    if is_built_in(pool):
        try:
            kind = pool_class(pool)
        except InputError:
            pass  # its library isn't installed
        else:
            declared.append(kind.limits.values())
            declared += [kind.connect_arguments(each).values() for each in kind.servers]
    chosen = (each for each in chain.from_iterable(declared) if isinstance(each, Choice))
    return frozenset(("", *chain.from_iterable(each.choices for each in chosen)))


@cache
def _words() -> frozenset[str]:
    """Return the words that messages may keep."""
    text = resource("anonymous/words.txt").read_text(encoding="utf-8")
    lines = (line for line in text.splitlines() if not line.startswith("#"))
    return frozenset(chain.from_iterable(line.split() for line in lines))
