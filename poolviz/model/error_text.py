"""Exceptions as short text to show and to store, whatever class they are of.

An exception may come from a user's own code: its name and message may be of any size, hold line
ends or a password, or raise when they are asked for.
"""

from __future__ import annotations

from collections.abc import Collection

from poolviz.model.secrets import without_secrets

MOST = 300  # characters of a message
_MOST_OF_A_NAME = 80
_SHORTEST = 4  # characters of a password that is looked for: a shorter one is in any text
_LOOKED_AT = 5_000  # characters of a message that are searched for passwords
# What Python raises in place of an exception that must not leave a coroutine or a generator.
_REPLACED = ("coroutine raised", "generator raised", "async generator raised")


def unwrapped(error: BaseException) -> BaseException:
    """Return the exception that `error` stands for.

    That is the StopIteration for which Python raised a RuntimeError, or the only exception in a
    group; otherwise `error`.
    """
    for _ in range(10):  # a group may hold itself
        if type(error) is RuntimeError and _replaces_another(error):
            inner = error.__cause__
        elif isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
            inner = error.exceptions[0]
        else:
            break
        if inner is None:
            break
        error = inner
    return error


def _replaces_another(error: RuntimeError) -> bool:
    text = error.args[0] if error.args else None
    return type(text) is str and text.startswith(_REPLACED)


def name_of(error: BaseException) -> str:
    """Return the name of an exception's class, in one line of at most 80 characters."""
    return _one_line(type.__getattribute__(type(error), "__name__"), _MOST_OF_A_NAME)


def message_of(error: BaseException, passwords: Collection[str] = ()) -> str:
    """Return an exception's message in one line, of at most `MOST` characters, without passwords:
    those in `passwords`, and those that `without_secrets` finds. Raises nothing."""
    try:
        text = "".join(str(error)[:_LOOKED_AT])
    except BaseException as another:  # noqa: BLE001 - any class may have a __str__ that fails
        return f"its message can't be read: {name_of(another)}"
    for password in passwords:
        if len(password) >= _SHORTEST:
            text = text.replace(password, "***")
    return _one_line(without_secrets(text), MOST)


def sentence_part(error: BaseException, passwords: Collection[str] = ()) -> str:
    """Return `Name: message`, or the name alone if there is no message."""
    message = message_of(error, passwords).rstrip(".")
    return f"{name_of(error)}: {message}" if message else name_of(error)


def _one_line(text: str, most: int) -> str:
    """Return `text` without line ends, control characters and lone surrogates, cut to `most`."""
    shown = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return shown if len(shown) <= most else f"{shown[: most - 1]}…"
