"""Numbers and dates as each language writes them, for screens. Files keep to Python's notation."""

from __future__ import annotations

import re
import unicodedata
from datetime import date

_NUMBER = re.compile(r"(\d[\d,]*)(\.\d+)?(%?)")
_NO_BREAK = "\N{NO-BREAK SPACE}"
_LEAST_GROUPED = 5  # digits from which on Spanish separates thousands: 1234, but 12.345
_LEAST_PLURAL = 5  # letters: what is left of a shorter one would be found anywhere
_MONTHS = {
    "en": ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"],
    "es": ["ene", "feb", "mar", "abr", "may", "jun", "jul", "ago", "sept", "oct", "nov", "dic"],
}


def in_notation(text: str, language: str) -> str:
    """Return `text`, one number as Python formats it, in the notation of `language`."""
    return _NUMBER.sub(_spanish, text) if language == "es" else text


def from_notation(text: str, language: str) -> str:
    """Return the number in `text`, typed by a person, as Python reads it; other text as it is.

    Spanish takes both: a single comma separates decimals, and points before it thousands; without
    a comma a point separates decimals, as on the keypad, and several ones thousands.
    """
    if language != "es":
        return text
    if text.count(",") == 1:
        return text.replace(".", "").replace(",", ".")
    return text.replace(".", "") if text.count(".") > 1 else text


def _spanish(match: re.Match[str]) -> str:
    whole, decimals, percent = match[1], match[2] or "", match[3]
    if "," in whole:
        digits = whole.replace(",", "")
        whole = digits if len(digits) < _LEAST_GROUPED else whole.replace(",", ".")
    return f"{whole}{decimals.replace('.', ',')}{_NO_BREAK + percent if percent else ''}"


def for_search(text: str) -> str:
    """Return `text` as it is searched: without capitals and accents, which people leave out."""
    parts = unicodedata.normalize("NFD", text.casefold())
    return "".join(part for part in parts if not unicodedata.combining(part))


def is_found(word: str, text: str) -> bool:
    """Whether a word of a search stands in `text`, both as `for_search` gives them: itself or, of
    a plural in English or Spanish, its singular."""
    forms = [word, *(word.removesuffix(end) for end in ("s", "es") if len(word) >= _LEAST_PLURAL)]
    return any(form in text for form in forms)


def day_in(when: date, language: str) -> str:
    """Return a date as `language` writes it, with the month's short name."""
    return f"{when.day} {_MONTHS[language][when.month - 1]} {when.year}"
