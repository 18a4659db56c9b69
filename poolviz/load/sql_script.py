"""The user's own SQL: taken apart into statements, its parameters replaced by numbers."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator

from poolviz.model.dialect import MYSQL, POSTGRESQL, SQLITE
from poolviz.model.errors import InputError

# What stands for a parameter in one statement, by the client's draws, number and operation.
_Number = Callable[[random.Random, int, int], int]

_HOW = ":client, :n or :random(LOW,HIGH)"
_PARAMETER = r"(?<![\w\])]):(?:random\s*\([^()]*\)|[A-Za-z_]\w*)"  # no part of a slice [1:n]
_RANDOM = re.compile(r":random\s*\(\s*([+-]?\d+)\s*,\s*([+-]?\d+)\s*\)")
_LINE, _BLOCK = r"--[^\n]*", r"/\*.*?\*/"
_PLAIN, _ESCAPED = r"{0}(?:[^{0}]|{0}{0})*{0}", r"{0}(?:[^{0}\\]|\\.|{0}{0})*{0}"
# Where a colon or a semicolon means nothing: comments, which are void, and quoted text.
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
    """SQL of one or several statements, ready to be filled in.

    `:client` is the client's number, `:n` the number of its operation, `:random(LOW,HIGH)` a whole
    number drawn anew each time, both bounds included. InputError where there is no statement in
    it, or a parameter that isn't one of these.
    """

    def __init__(self, text: str, dialect: str) -> None:
        self._statements = tuple(_statements(text, dialect))
        if not self._statements:
            raise InputError(
                "statement is sql, and sql holds none: give it one, such as "
                "sql = 'SELECT count(*) FROM orders WHERE customer = :random(1,1000)'."
            )

    def filled(self, rng: random.Random, client: int, operation: int) -> tuple[str, ...]:
        """The statements of one operation, in order."""
        return tuple(
            [
                # Without parameters it is as it was written, percent signs too.
                text % tuple([number(rng, client, operation) for number in numbers])
                if numbers
                else text
                for text, numbers in self._statements
            ]
        )


def _statements(text: str, dialect: str) -> Iterator[tuple[str, tuple[_Number, ...]]]:
    """Each statement with the numbers for its parameters, in whose places it has %d."""
    pieces: list[str] = []
    numbers: list[_Number] = []
    says_something = False
    for kind, token in [*_tokens(text, dialect), ("end", "")]:
        if kind in ("end", "semicolon"):
            if says_something:
                joined = "".join(pieces).strip()
                yield (joined, tuple(numbers)) if numbers else (joined % (), ())
            pieces, numbers, says_something = [], [], False
            continue
        says_something = says_something or (kind != "void" and not token.isspace())
        if kind == "parameter":
            numbers.append(_number(token))
            pieces.append("%d")
        else:
            pieces.append(token.replace("%", "%%"))


def _tokens(text: str, dialect: str) -> Iterator[tuple[str, str]]:
    """The text, piece by piece, each with what it is: void, quoted, semicolon, parameter, text."""
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
    """What stands for a parameter."""
    if parameter == ":client":
        return lambda rng, client, operation: client  # noqa: ARG005
    if parameter == ":n":
        return lambda rng, client, operation: operation  # noqa: ARG005
    if not re.match(r":random\b", parameter):
        raise InputError(f"sql has {parameter}, which is no parameter: it takes {_HOW}.")
    bounds = _RANDOM.fullmatch(parameter)
    if bounds is None:
        raise InputError(f"sql has {parameter}: it takes two whole numbers, as :random(1,1000).")
    low, high = int(bounds[1]), int(bounds[2])
    if low > high:
        raise InputError(f"sql has {parameter}, whose second number is below the first: swap them.")
    span = high - low + 1
    return lambda rng, client, operation: low + int(rng.random() * span)  # noqa: ARG005
