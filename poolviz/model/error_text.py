"""Exceptions as short text to show and to store, whatever class they are of.

An exception may come from a user's own code: its name and message may be of any size, hold line
ends or a password, or raise when they are asked for.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from poolviz.language import tr
from poolviz.model.secrets import without_secrets

MOST = 300  # characters of a message
_MOST_OF_A_NAME = 80
_SHORTEST = 4  # characters of a password that is looked for: a shorter one is in any text
_LOOKED_AT = 5_000  # characters of a message that are searched for passwords
_COMPARED = 300  # characters of a message that tell kinds of errors apart
# What differs between two messages of one kind: quoted names, addresses, ids, numbers. A text in
# single quotes that has spaces is a message of its own, as in the repr of an exception's arguments.
_VARIES = re.compile(
    r"""\"[^"\n]*\" | «[^»\n]*» | „[^“”\n]*[“”] | (?<!\w)'[^'\s]*'(?!\w) | =\([^)\n]*\)
    | \[[\da-fA-F:.%]*:[\da-fA-F:.%]*\](?::\d+)?
    | (?<![\w.:/@%+-]) [\w.:/@%+-]*? \d [\w.:/@%+-]*""",
    re.VERBOSE | re.ASCII,  # a language without spaces has a sentence where others have a word
)
# What Python raises in place of an exception that must not leave a coroutine or a generator.
_REPLACED = ("coroutine raised", "generator raised", "async generator raised")


def unwrapped(error: BaseException) -> BaseException:
    """Return the exception that `error` stands for.

    That is the StopIteration for which Python raised a RuntimeError, the only exception in a
    group, or the driver's own error that SQLAlchemy has wrapped; otherwise `error`.
    """
    for _ in range(10):  # a group may hold itself
        if type(error) is RuntimeError and _replaces_another(error):
            inner = error.__cause__
        elif isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
            inner = error.exceptions[0]
        else:
            inner = _wrapped(error)
        if inner is None:
            break
        error = inner
    return error


def _wrapped(error: BaseException) -> BaseException | None:
    """Return the driver's own error in one of SQLAlchemy's or of its adapters; None in any other.

    SQLAlchemy itself keeps it as `orig`; what its adapters of asyncio drivers raise was raised
    from it.
    """
    module = _module_of(type(error))
    if module == "sqlalchemy.exc":
        orig = vars(error).get("orig")
        return orig if isinstance(orig, BaseException) else None
    if module.startswith(("sqlalchemy.dialects.", "sqlalchemy.connectors.")):
        return error.__cause__
    return None


def _replaces_another(error: RuntimeError) -> bool:
    text = error.args[0] if error.args else None
    return type(text) is str and text.startswith(_REPLACED)


def name_of(error: BaseException) -> str:
    """Return the name of an exception's class, in one line of at most 80 characters."""
    return _one_line(type.__getattribute__(type(error), "__name__"), _MOST_OF_A_NAME)


def qualified_name_of(error: BaseException) -> str:
    """Return the name of an exception's class with that of its module, as in
    `psycopg2.OperationalError`, in one line of at most 160 characters."""
    kind = type(error)
    module = _module_of(kind)
    prefix = "" if module in {"", "builtins", "__main__"} else f"{module}."
    name = f"{prefix}{type.__getattribute__(kind, '__qualname__')}"
    return _one_line(name, 2 * _MOST_OF_A_NAME)


def _module_of(kind: type) -> str:
    """Return the module that a class says it is of; a class may say anything."""
    module = type.__getattribute__(kind, "__dict__").get("__module__")
    return module if type(module) is str else ""


def sqlstate_of(error: BaseException) -> str | None:
    """Return the SQLSTATE that a driver gives an error; None if there is none. Raises nothing."""
    try:
        state = getattr(error, "sqlstate", None) or getattr(error, "pgcode", None)
    except BaseException:  # noqa: BLE001 - an attribute of any class may be code
        return None
    return state if type(state) is str and len(state) == 5 and state.isalnum() else None


def raw_text(error: BaseException) -> str:
    """Return an exception's message as it is, of at most 5,000 characters: with passwords, so it is
    not to be shown. Raises nothing."""
    try:
        text = str(error)
        return text[:_LOOKED_AT] if type(text) is str else "".join(text[:_LOOKED_AT])
    except BaseException as another:  # noqa: BLE001 - any class may have a __str__ that fails
        return tr("its message can't be read: {error}", error=name_of(another))


def shown_text(text: str, passwords: Collection[str] = ()) -> str:
    """Return a message in one line, of at most `MOST` characters, without passwords: those in
    `passwords`, and those that `without_secrets` finds."""
    for password in passwords:
        if len(password) >= _SHORTEST:
            text = text.replace(password, "***")
    return _one_line(without_secrets(text), MOST)


def message_of(error: BaseException, passwords: Collection[str] = ()) -> str:
    """Return an exception's message as `shown_text` shows it. Raises nothing."""
    return shown_text(raw_text(error), passwords)


def kind_of_text(error: BaseException, text: str, sqlstate: str | None) -> str:
    """Return what the message `text` of `error` has in common with others of its kind: without
    numbers, names in quotes, addresses and ids.

    An error with an SQLSTATE comes from the server, and only its first line is the message: what
    follows is details. PyMySQL's errors say a number of the server's, which is kept.
    """
    if sqlstate is not None:
        text = text.strip().partition("\n")[0]
    number = ""
    try:
        given = tuple(error.args)
    except BaseException:  # noqa: BLE001 - of a class that has code there
        given = ()
    if len(given) == 2 and type(given[0]) is int and type(given[1]) is str:
        number, text = f"{given[0]} ", given[1]
    return number + without_variables(text)


def without_variables(text: str) -> str:
    """Return a message without what differs between two of a kind: numbers, names in quotes,
    addresses and ids."""
    return _VARIES.sub("#", text[:_COMPARED])


def sentence_part(error: BaseException, passwords: Collection[str] = ()) -> str:
    """Return `Name: message`, or the name alone if there is no message."""
    message = message_of(error, passwords).rstrip(".")
    return f"{name_of(error)}: {message}" if message else name_of(error)


def _one_line(text: str, most: int) -> str:
    """Return `text` without line ends, control characters and lone surrogates, cut to `most`."""
    shown = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return shown if len(shown) <= most else f"{shown[: most - 1]}…"
