"""Texts that come in several languages, in the user's."""

from __future__ import annotations

from collections.abc import Mapping

from PySide6.QtCore import QLocale

_USUAL = "en"


def spoken(texts: Mapping[str, str]) -> str:
    """That of `texts`, which are by language, that the system's user reads; else the English one,
    else any; empty where there is none."""
    for language in QLocale().uiLanguages():
        known = texts.get(language.partition("-")[0])
        if known is not None:
            return known
    return texts.get(_USUAL) or next(iter(texts.values()), "")
