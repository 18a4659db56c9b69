"""Exceptions of a user's code as parts of sentences, with the line that raised them."""

from __future__ import annotations

from collections.abc import Collection

from poolviz.model.error_text import sentence_part
from poolviz.pools.custom.places import place_of_error


def phrase(error: BaseException, passwords: Collection[str] = ()) -> str:
    """Return an exception and its line of the user's code:
    `ValueError: no luck (own_pool.py, line 3, in connect: raise ValueError("no luck"))`.

    The passwords in `passwords`, and any that can be told as such, are left out.
    """
    place = place_of_error(error)
    if type(error) in (SyntaxError, IndentationError, TabError):
        error = type(error)(error.args[0])  # whose own text names the line, too
    text = sentence_part(error, passwords)
    return f"{text} ({place})" if place is not None else text
