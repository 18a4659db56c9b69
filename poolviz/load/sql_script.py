"""The user's own SQL: split into statements, with values for its parameters."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator
from typing import TypeAlias

from poolviz.language import tr
from poolviz.model.dialect import MYSQL, POSTGRESQL, SQLITE
from poolviz.model.errors import InputError
from poolviz.model.text import shortened

# Returns the value of a parameter for a client's random numbers, its number and its operation's.
_Number: TypeAlias = Callable[[random.Random, int, int], int]

_HOW = ":client, :n or :random(LOW,HIGH)"
_PARAMETER = r"(?<![\w\])]):(?:random\s*\([^()]*\)|[A-Za-z_]\w*)"  # not in a slice: [1:n]
_RANDOM = re.compile(r":random\s*\(\s*([+-]?\d{1,18})\s*,\s*([+-]?\d{1,18})\s*\)")
_LINE, _BLOCK = r"--[^\n]*", r"/\*.*?\*/"
_PLAIN, _ESCAPED = r"{0}(?:[^{0}]|{0}{0})*{0}", r"{0}(?:[^{0}\\]|\\.|{0}{0})*{0}"
# Where a colon or a semicolon means nothing: in comments, which are void, and in quoted text.
_VOID = {
    POSTGRESQL: (_LINE, _BLOCK),
    MYSQL: (r"--(?=\s|$)[^\n]*", r"\#[^\n]*", _BLOCK),
    SQLITE: (_LINE, _BLOCK),
}
_QUOTED = {
    POSTGRESQL: (
        r"(?<!\w)[eE]" + _ESCAPED.format("'"),
        _PLAIN.format("'"),
        _PLAIN.format('"'),
        r"(?<!\w)\$(?P<tag>(?:[A-Za-z_]\w*)?)\$.*?\$(?P=tag)\$",
    ),
    MYSQL: (_ESCAPED.format("'"), _ESCAPED.format('"'), _PLAIN.format("`")),
    SQLITE: (_PLAIN.format("'"), _PLAIN.format('"'), _PLAIN.format("`")),
}


class SqlScript:
    """SQL of one or several statements with parameters.

    `:client` is the number of the client, `:n` the number of its operation, `:random(LOW,HIGH)` a
    random whole number, both bounds included. Raises InputError if there is no statement, or a
    parameter that isn't one of these.
    """

    def __init__(self, text: str, dialect: str) -> None:
        self._statements = tuple(_statements(text, dialect))
        if not self._statements:
            raise InputError(
                tr(
                    "statement is sql, and sql holds none: give it one, such as sql = 'SELECT "
                    "count(*) FROM orders WHERE customer = :random(1,1000)'."
                )
            )

    def filled(self, rng: random.Random, client: int, operation: int) -> tuple[str, ...]:
        """Return the statements of one operation, in order."""
        return tuple(
            [
                # Without parameters a statement is as it was written, percent signs included.
                text % tuple([number(rng, client, operation) for number in numbers])
                if numbers
                else text
                for text, numbers in self._statements
            ]
        )


def statements_of(text: str, dialect: str) -> Iterator[str]:
    """Yield the statements of a script without comments and quoted text, each on one line, as far
    as they can be told apart."""
    kept = (
        ";"
        if kind == "semicolon"
        else " "
        if kind == "void"
        else "''"
        if kind == "quoted"
        else token
        for kind, token in _tokens(text, dialect)
    )
    for statement in "".join(kept).split(";"):
        if words := " ".join(statement.split()):
            yield words


def _statements(text: str, dialect: str) -> Iterator[tuple[str, tuple[_Number, ...]]]:
    """Yield each statement, with %d for its parameters, and what returns their values."""
    pieces: list[str] = []
    numbers: list[_Number] = []
    has_content = False
    for kind, token in [*_tokens(text, dialect), ("end", "")]:
        if kind in ("end", "semicolon"):
            if has_content:
                joined = "".join(pieces).strip()
                yield (joined, tuple(numbers)) if numbers else (joined % (), ())
            pieces, numbers, has_content = [], [], False
            continue
        has_content = has_content or (kind != "void" and not token.isspace())
        if kind == "parameter":
            numbers.append(_number(token))
            pieces.append("%d")
        else:
            pieces.append(token.replace("%", "%%"))


def _tokens(text: str, dialect: str) -> Iterator[tuple[str, str]]:
    """Yield the kind and the text of each token: void, quoted, cast, semicolon, parameter, text."""
    pattern = re.compile(
        f"(?P<void>{'|'.join(_VOID[dialect])})|(?P<quoted>{'|'.join(_QUOTED[dialect])})"
        f"|(?P<cast>::)|(?P<semicolon>;)|(?P<parameter>{_PARAMETER})",
        re.DOTALL,
    )
    end = 0
    for match in pattern.finditer(text):
        if match.start() > end:
            yield "text", text[end : match.start()]
        kinds = ("void", "quoted", "cast", "semicolon", "parameter")
        yield next((kind, match[kind]) for kind in kinds if match[kind] is not None)
        end = match.end()
    if end < len(text):
        yield "text", text[end:]


def _number(parameter: str) -> _Number:
    """Return a function for the value of a parameter. Raises InputError if there is none such."""
    if parameter == ":client":
        return lambda rng, client, operation: client  # noqa: ARG005
    if parameter == ":n":
        return lambda rng, client, operation: operation  # noqa: ARG005
    shown = shortened(parameter, 80)
    if not re.match(r":random\b", parameter):
        raise InputError(
            tr("sql has {shown}, which is not a parameter: it takes {how}.", shown=shown, how=_HOW)
        )
    bounds = _RANDOM.fullmatch(parameter)
    if bounds is None:
        raise InputError(
            tr(
                "sql has {shown}: it takes two whole numbers of at most 18 digits, such as "
                ":random(1,1000).",
                shown=shown,
            )
        )
    low, high = int(bounds[1]), int(bounds[2])
    if low > high:
        raise InputError(
            tr(
                "sql has {shown}, whose second number is less than the first: swap them.",
                shown=shown,
            )
        )
    span = high - low + 1
    return lambda rng, client, operation: low + int(rng.random() * span)  # noqa: ARG005
