"""Passwords in the system's keyring: Secret Service or KWallet, macOS' Keychain, Windows' vault.

The library keyring (extra `keyring`) speaks to them. A keyring may ask the user to unlock it, so
that each function here may take as long as `LIMIT`; none is for the window's thread. A password is
in nothing that is raised or logged.
"""

from __future__ import annotations

import importlib.util
import os
import sys
import threading
from collections.abc import Callable
from typing import Any

from poolviz.language import tr
from poolviz.model.errors import PoolvizError

LIMIT = 60.0  # seconds for an answer, in which a user may type what unlocks the keyring
_SERVICE = "poolviz"
_CHOICE = "PYTHON_KEYRING_BACKEND"  # by which a user names a backend to the library


class KeyringError(PoolvizError):
    """The keyring can't be used, in one sentence."""


def lacking() -> str:
    """Return why no keyring can be used, as a sentence; "" if one can."""
    if importlib.util.find_spec("keyring") is None:
        if getattr(sys, "frozen", False):
            return tr("The packaged program has no access to the system's keyring.")
        return tr("The keyring needs a library: pip install 'poolviz[keyring]'.")
    try:
        backend = _within_limit(_backend)
    except KeyringError as error:
        return str(error)
    return "" if backend is not None else tr("This system has no keyring that can be used.")


def password_of(login: str) -> str | None:
    """Return the password that is kept for `login`; None if there is none. Raises KeyringError."""
    password: str | None = _within_limit(lambda: _used().get_password(_SERVICE, login))
    return password


def keep(login: str, password: str) -> None:
    """Keep a password for `login`, in place of another. Raises KeyringError."""
    _within_limit(lambda: _used().set_password(_SERVICE, login, password))


def forget(login: str) -> None:
    """Remove what is kept for `login`, if anything is. Raises KeyringError."""

    def delete() -> None:
        backend = _used()
        if backend.get_password(_SERVICE, login) is not None:
            backend.delete_password(_SERVICE, login)

    _within_limit(delete)


def _backend() -> Any | None:
    """Return the backend that the library chooses; None if that keeps nothing safely, unless the
    user has named it."""
    import keyring  # noqa: PLC0415 - an extra, and slow

    backend: Any = keyring.get_keyring()
    named = bool(os.environ.get(_CHOICE))
    return backend if backend.priority >= 1 or (named and backend.priority > 0) else None


def _used() -> Any:
    backend = _backend()
    if backend is None:
        raise KeyringError(tr("This system has no keyring that can be used."))
    return backend


def _within_limit(work: Callable[[], Any]) -> Any:
    """Return what `work` returns, done by a thread of its own; KeyringError if it fails or takes
    too long. Such a thread ends with its answer, or with the process."""
    outcome: list[Any] = []
    failure: list[Exception] = []

    def run() -> None:
        try:
            outcome.append(work())
        except Exception as error:  # noqa: BLE001 - of any backend; its kind is told below
            failure.append(error)

    thread = threading.Thread(target=run, name="poolviz keyring", daemon=True)
    thread.start()
    thread.join(LIMIT)
    if failure and isinstance(failure[0], KeyringError):
        raise failure[0]
    if failure:
        raise KeyringError(
            tr(
                "The system's keyring can't be used ({name}): unlock it, or go on without it.",
                name=type(failure[0]).__name__,
            )
        )
    if not outcome:
        raise KeyringError(
            tr(
                "The system's keyring gave no answer within {limit:.0f} s: unlock it, or go on "
                "without it.",
                limit=LIMIT,
            )
        )
    return outcome[0]
