"""Find the line of each key in a TOML text, for messages about it."""

from __future__ import annotations

import re
import tomllib
from bisect import bisect_left
from typing import TypeAlias

KeyPath: TypeAlias = tuple[str | int, ...]  # keys and indexes: ("changes", 2, "at")

_SPACE = re.compile(r"(?:[ \t\n]|#[^\n]*)*")
_KEY = re.compile(r"""[A-Za-z0-9_-]+|"(?:\\.|[^"\\])*"|'[^']*'""")
_DOT = re.compile(r"[ \t]*\.[ \t]*")
_TEXTS = (  # the longer delimiters first; a text may end with quotes of its own before them
    re.compile(r'"""(?:\\.|[^\\])*?"{3,5}', re.DOTALL),
    re.compile(r"'''.*?'{3,5}", re.DOTALL),
    re.compile(r'"(?:\\.|[^"\\])*"'),
    re.compile(r"'[^']*'"),
)
_PLAIN = re.compile(r"[^,\]}#\n]+")  # a number, a date, true or false
_TOKENS = re.compile(
    rf"(?P<void>#[^\n]*|{_TEXTS[0].pattern}|{_TEXTS[1].pattern}|"
    r""""(?:\\.|[^"\\\n])*"|'[^'\n]*')"""
    r"|(?P<open>[\[{])|(?P<close>[\]}])|(?P<dot>\.)|(?P<end>[,=\n])",
    re.DOTALL,
)


def nests_deeper(text: str, most: int) -> bool:
    """Return whether tables and arrays in `text`, which needn't be TOML, are nested deeper.

    The time that a parser takes grows with the square of the depth, which a file may have by keys
    with many dots and by brackets within brackets.
    """
    depth = dots = 0
    for token in _TOKENS.finditer(text):
        match token.lastgroup:
            case "dot":
                dots += 1
            case "end":
                dots = 0
            case "open":
                depth += 1
            case "close":
                depth -= 1
        if depth > most or dots > most:
            return True
    return False


def lines_of(text: str) -> dict[KeyPath, int]:
    """Return the line, from 1, of every table, key and element in `text`, which must be TOML."""
    finder = _Finder(text.replace("\r\n", "\n"))
    finder.document()
    return finder.lines


class _Finder:
    """Scans a text once. It relies on the text's being valid, and recognises no more of it than
    where each value begins and ends."""

    def __init__(self, text: str) -> None:
        self.lines: dict[KeyPath, int] = {}
        self._text, self._at = text, 0
        self._ends = [match.start() for match in re.finditer("\n", text)]
        self._elements: dict[KeyPath, int] = {}  # the last element of each array of tables

    def document(self) -> None:
        table: KeyPath = ()
        before = -1
        while before < self._skip() < len(self._text):  # stops if it makes no progress
            before = self._at
            if self._take("[["):
                table = self._array_of_tables(self._keys())
                self._closing("]]")
            elif self._take("["):
                table = self._resolved(self._keys())
                self._note(table)
                self._closing("]")
            else:
                self._assignment(table)

    def _array_of_tables(self, keys: KeyPath) -> KeyPath:
        array = (*self._resolved(keys[:-1]), keys[-1])
        self._elements[array] = self._elements.get(array, -1) + 1
        table = (*array, self._elements[array])
        self._note(table)
        return table

    def _resolved(self, keys: KeyPath) -> KeyPath:
        """Return the table that a header means; of an array of tables, its last element."""
        key_path: KeyPath = ()
        for key in keys:
            key_path += (key,)
            if key_path in self._elements:
                key_path += (self._elements[key_path],)
        return key_path

    def _assignment(self, table: KeyPath) -> None:
        key_path = (*table, *self._keys())
        self._note(key_path)
        self._closing("=")
        self._value(key_path)

    def _value(self, key_path: KeyPath) -> None:
        self._skip()
        if self._take("["):
            index = 0
            while not self._ended("]"):
                self._note((*key_path, index))
                self._value((*key_path, index))
                index += 1
        elif self._take("{"):
            while not self._ended("}"):
                self._assignment(key_path)
        else:
            for pattern in (*_TEXTS, _PLAIN):
                match = pattern.match(self._text, self._at)
                if match:
                    self._at = match.end()
                    return

    def _keys(self) -> KeyPath:
        """Read a key and the dotted ones that follow it."""
        keys: list[str] = []
        self._skip()
        while match := _KEY.match(self._text, self._at):
            key = match[0]
            keys.append(tomllib.loads(f"key = {key}")["key"] if key[0] in "\"'" else key)
            self._at = match.end()
            dot = _DOT.match(self._text, self._at)
            if dot is None:
                break
            self._at = dot.end()
        return tuple(keys)

    def _note(self, key_path: KeyPath) -> None:
        """Note the line of a key, and of tables around it that have none yet."""
        line = bisect_left(self._ends, self._at) + 1
        for length in range(1, len(key_path)):
            self.lines.setdefault(key_path[:length], line)
        self.lines[key_path] = line

    def _skip(self) -> int:
        match = _SPACE.match(self._text, self._at)
        self._at = match.end() if match else self._at
        return self._at

    def _take(self, sign: str) -> bool:
        there = self._text.startswith(sign, self._at)
        self._at += len(sign) if there else 0
        return there

    def _closing(self, sign: str) -> None:
        self._skip()
        self._take(sign)

    def _ended(self, sign: str) -> bool:
        """Return whether an array or inline table ends here; else its next element begins."""
        self._skip()
        self._take(",")
        self._skip()
        return self._take(sign) or self._at == len(self._text)
