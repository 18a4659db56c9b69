"""The English texts that must not be seen in another language."""

from __future__ import annotations

from functools import cache

from tests.language import catalogues

_SHORTEST = 20  # characters of a text that can't stand in another by chance


@cache
def english() -> tuple[str, ...]:
    """Return the English texts that are something else in Spanish, on one line each."""
    found = []
    for area in catalogues.AREAS:
        for message in catalogues.read("es", area):
            ids = message.id if isinstance(message.id, tuple) else (message.id,)
            found += [" ".join(str(text).split()) for text in ids if text != message.string]
    return tuple(text for text in found if len(text) > _SHORTEST and "{" not in text)


def english_in(printed: str) -> list[str]:
    """Return the English texts in what was printed."""
    on_one_line = " ".join(printed.split())
    return [text for text in english() if text in on_one_line]
