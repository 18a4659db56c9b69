"""The text of a mark in the user's words. Sessions have it in English, as commands take values."""

from __future__ import annotations

import re

from poolviz.language import FALLBACK, current_language, in_users_notation, tr, tr_noop

# What parameters call values that aren't numbers, and the end of a fault.
WORDS = frozenset(
    {
        *(tr_noop("never"), tr_noop("no limit"), tr_noop("system"), tr_noop("fail at once")),
        *(tr_noop("on"), tr_noop("off"), tr_noop("over")),
    }
)
_ARROW = " → "
_CHANGE = re.compile(r"([a-z]\w*) (.+)", re.DOTALL)
_NUMBER = re.compile(r"-?\d[\d,]*(?:\.\d+)?(?: ?(?:µs|ms|s|min|h|%)|×)?")


def mark_in_words(text: str) -> str:
    """Return the text of a change or a fault, `leak_every never → 120`, in the user's words."""
    found = _CHANGE.fullmatch(text)
    if current_language() == FALLBACK or found is None:
        return text
    return f"{found[1]} {_ARROW.join(map(_value, found[2].split(_ARROW)))}"


def _value(text: str) -> str:
    if text in WORDS:
        return tr(text)
    return in_users_notation(text) if _NUMBER.fullmatch(text) else text
