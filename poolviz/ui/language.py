"""The user's language, in the window: what is typed, and Qt's own texts."""

from __future__ import annotations

from PySide6.QtCore import QCoreApplication, QLibraryInfo, QLocale, QSettings, QTranslator

from poolviz.language import (
    LANGUAGES,
    current_language,
    from_users_notation,
    tr,
    use_language,
    wanted_language,
)
from poolviz.model.parameters import Numeric, Value

SETTING = "language"  # "en", "es", or what the system says where it is neither
_FALLBACK = "en"
_TRANSLATOR = "poolviz-language"  # name of the object that has Qt's own texts


def typed_value(parameter: Numeric, typed: str, before: Value) -> int | float:
    """Return the value typed into a box that showed `before`. Raises ParameterError."""
    words = typed.strip().casefold()
    for value, name in parameter.special.items():
        if words == tr(name).casefold():
            return parameter.check(value)
    return parameter.parse_typed(from_users_notation(typed), parameter.show(before))


def apply_language(
    application: QCoreApplication, settings: QSettings, *, chosen: bool = False
) -> None:
    """Use the language of the settings, or else the system's, in poolviz and in Qt's own dialogs.

    Widgets that exist keep their texts. A language that was `chosen` just now comes before that of
    POOLVIZ_LANGUAGE.
    """
    setting = str(settings.value(SETTING, ""))
    wanted = wanted_language(setting, QLocale.system().uiLanguages())
    use_language(setting if chosen and setting in LANGUAGES else wanted)
    language = current_language()
    # Numbers that Qt writes; the country is the system's where its language is ours.
    system = QLocale.system()
    QLocale.setDefault(system if system.name().startswith(language) else QLocale(language))
    old = application.findChild(QTranslator, _TRANSLATOR)
    if old is not None:
        application.removeTranslator(old)
        old.deleteLater()
    translator = QTranslator(application)
    translator.setObjectName(_TRANSLATOR)
    folder = QLibraryInfo.path(QLibraryInfo.LibraryPath.TranslationsPath)
    if language != _FALLBACK and translator.load(f"qtbase_{language}", folder):
        application.installTranslator(translator)
