"""Looks texts up in the catalogue of the language in use, and fills in their values."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path
from string import Formatter
from typing import TYPE_CHECKING, Any

from poolviz.language.choice import FALLBACK, LANGUAGES, VARIABLE, wanted_language
from poolviz.language.notation import day_in, from_notation, in_notation

if TYPE_CHECKING:
    from gettext import GNUTranslations

# Areas of the texts, one catalogue each. A text that stands in several belongs to the first one.
AREAS = ("declarations", "messages", "window")


class _Language:
    """A language in use: its code, its texts (None where these are the code's own)."""

    def __init__(self, code: str) -> None:
        self.code = code
        self.texts = _catalogue(code) if code != FALLBACK else None


class _Filler(Formatter):
    """Fills values into a text, numbers in the notation of a language."""

    def __init__(self, language: str) -> None:
        self._language = language

    def format_field(self, value: Any, format_spec: str) -> str:
        """Return the value as `format` does, a number in the language's notation."""
        text = format(value, format_spec)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return in_notation(text, self._language)
        return text


_lock = threading.Lock()  # held while a language is chosen and loaded
_in_use: _Language | None = None  # replaced as a whole, so that readers need no lock


def use_language(code: str) -> None:
    """Use the language `code` from now on, in every thread; one of `LANGUAGES`, else English."""
    global _in_use  # noqa: PLW0603 - a process has one user
    with _lock:
        code = code if code in LANGUAGES else FALLBACK
        if _in_use is None or _in_use.code != code:
            _in_use = _Language(code)


def environment_with_language() -> dict[str, str]:
    """Return this process' environment for a child that is to speak the language in use."""
    return {**os.environ, VARIABLE: current_language()}


def current_language() -> str:
    """Return the code of the language in use."""
    return _current().code


@contextmanager
def in_language(code: str) -> Iterator[None]:
    """Use a language, in every thread, and afterwards the one before."""
    before = current_language()
    use_language(code)
    try:
        yield
    finally:
        use_language(before)


def tr(text: str, /, **values: Any) -> str:
    """Return `text` in the language in use, with its {placeholders} filled in.

    Without values it is not formatted. Numbers are written in the language's notation; what must
    stay as a file or a command has it is given as a string.
    """
    language = _current()
    # A catalogue's entry for "" is its head.
    found = language.texts.gettext(text) if language.texts is not None and text else text
    return _filled(found, language, values)


def trc(context: str, text: str, /, **values: Any) -> str:
    """Return as `tr` does a text whose English has several meanings; `context` says which."""
    language = _current()
    found = text if language.texts is None else language.texts.pgettext(context, text)
    return _filled(found, language, values)


def trn(one: str, many: str, n: int, /, **values: Any) -> str:
    """Return `one` or `many` in the language in use, whichever goes with `n`, filled in as `tr`
    does. `n` is among the values."""
    language = _current()
    if language.texts is None:
        found = one if n == 1 else many
    else:
        found = language.texts.ngettext(one, many, n)
    return _filled(found, language, {"n": n, **values})


def tr_noop(text: str, /) -> str:
    """Return `text` as it is: a declaration's, which `tr` translates when it is shown."""
    return text


def in_users_language(texts: Mapping[str, str], /) -> str:
    """Return the text in the language in use that `texts`, by language, has.

    Otherwise the English one, otherwise any, and "" if there is none.
    """
    known = texts.get(current_language())
    return known or texts.get(FALLBACK) or next(iter(texts.values()), "")


def number(value: float, specification: str = ",", /) -> str:
    """Return `value` as `format` does, in the notation of the language in use."""
    return in_notation(format(value, specification), _current().code)


def in_users_notation(text: str, /) -> str:
    """Return `text` with its number, which Python wrote, as the language in use writes it."""
    return in_notation(text, _current().code)


def from_users_notation(text: str, /) -> str:
    """Return `text`, a number that a person typed, as Python reads it."""
    return from_notation(text, _current().code)


def day(when: date, /) -> str:
    """Return a date as the language in use writes it."""
    return day_in(when, _current().code)


def moment(when: datetime, /) -> str:
    """Return a date and its time of day as the language in use writes them."""
    return f"{day_in(when, _current().code)}, {when:%H:%M}"


def _current() -> _Language:
    if _in_use is None:
        use_language(wanted_language())
    assert _in_use is not None
    return _in_use


def _filled(text: str, language: _Language, values: dict[str, Any]) -> str:
    if not values:
        return text
    if language.code == FALLBACK:  # whose notation is Python's
        return text.format(**values)
    return _Filler(language.code).vformat(text, (), values)


def _catalogue(code: str) -> GNUTranslations:
    """Return the texts of all areas. Raises FileNotFoundError where poolviz is incomplete."""
    from gettext import GNUTranslations  # noqa: PLC0415 - English needs none

    first: GNUTranslations | None = None
    for area in AREAS:
        with (_translations() / code / f"{area}.mo").open("rb") as file:
            texts = GNUTranslations(file)
        if first is None:
            first = texts
        else:
            first.add_fallback(texts)
    assert first is not None
    return first


def _translations() -> Path:
    """Return the folder of the catalogues: in the package or, in a source checkout, beside it."""
    package = Path(__file__).resolve().parent.parent
    inside = package / "resources" / "translations"
    return inside if inside.is_dir() else package.parent / "resources" / "translations"
