"""The user's language, for texts of scenarios that are written in several."""

from __future__ import annotations

from collections.abc import Mapping

from PySide6.QtCore import QLocale

_FALLBACK = "en"


def in_users_language(texts: Mapping[str, str]) -> str:
    """Return the text in the first of the user's languages that `texts`, by language, has.

    Otherwise the English one, otherwise any, and "" if there is none.
    """
    for language in QLocale().uiLanguages():
        known = texts.get(language.partition("-")[0])
        if known is not None:
            return known
    return texts.get(_FALLBACK) or next(iter(texts.values()), "")
