"""Which language the user wants: by a variable, by a setting, by the system."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Mapping

LANGUAGES = {"en": "English", "es": "Español"}  # those there are, each in its own words
FALLBACK = "en"
VARIABLE = "POOLVIZ_LANGUAGE"
_CODE = re.compile(r"([A-Za-z]{2,3})(?:[_.@-].*)?", re.DOTALL)
_NONE = ("C", "POSIX")


def wanted_language(
    setting: str = "", system: Iterable[str] = (), environment: Mapping[str, str] | None = None
) -> str:
    """Return the code of the language to use; whatever isn't one of `LANGUAGES` means English.

    POOLVIZ_LANGUAGE comes first, then `setting` if it names a language, then what the environment
    says as gettext reads it (LANGUAGE, LC_ALL, LC_MESSAGES, LANG), then `system`, locales by
    preference, and what Windows says.
    """
    given = os.environ if environment is None else environment
    named = given.get(VARIABLE, "").strip()
    if named:
        return _known(named) or FALLBACK
    if setting in LANGUAGES:
        return setting
    locale = next(filter(None, (given.get(n) for n in ("LC_ALL", "LC_MESSAGES", "LANG"))), "")
    if locale:
        if locale.partition(".")[0] in _NONE:
            return FALLBACK
        preferred = [*given.get("LANGUAGE", "").split(":"), locale]
    else:
        preferred = [*system, _of_windows()]
    return next(filter(None, map(_known, preferred)), FALLBACK)


def _known(locale: str) -> str | None:
    """Return the language of a locale such as es_ES.UTF-8 or es-MX, if it is one of ours."""
    match = _CODE.fullmatch(locale)
    code = match[1].lower() if match else ""
    return code if code in LANGUAGES else None


def _of_windows() -> str:
    """Return the locale of Windows' user interface; "" elsewhere."""
    if sys.platform == "win32":
        import ctypes  # noqa: PLC0415 - Windows alone
        import locale  # noqa: PLC0415 - likewise

        identifier = int(ctypes.windll.kernel32.GetUserDefaultUILanguage())
        return locale.windows_locale.get(identifier, "")
    return ""
