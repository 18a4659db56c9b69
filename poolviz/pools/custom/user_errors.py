"""Exceptions of a user's code as parts of sentences.

They may be of any class, with a `__str__` that raises or returns megabytes.
"""

from __future__ import annotations

from poolviz.pools.custom.places import place_of_error

_LONGEST = 300  # characters of a message


def message_of(error: BaseException) -> str:
    """Return the text of an exception on one line, without a full stop. Never raises."""
    try:
        text = str(error.msg if isinstance(error, SyntaxError) else error)
    except BaseException as mistake:  # noqa: BLE001 - the user's __str__ may raise anything
        return f"its __str__ raised {type(mistake).__name__}"
    text = " ".join(text[: 2 * _LONGEST].split()).rstrip(".")
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def phrase(error: BaseException) -> str:
    """Return an exception and its line of the user's code:
    `ValueError: no luck (own_pool.py, line 3, in connect: raise ValueError("no luck"))`."""
    place, message = place_of_error(error), message_of(error)
    text = f"{type(error).__name__}: {message}" if message else type(error).__name__
    return f"{text} ({place})" if place is not None else text
