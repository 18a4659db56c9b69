"""What the user prefers in the window that other commands follow too, read without Qt."""

from __future__ import annotations

import configparser
import logging
from pathlib import Path

from poolviz.system.folders import home

SETTINGS_FILE = "settings.ini"  # in poolviz' data; Qt writes it
_SECTION = "General"  # where Qt puts what has no group
_LANGUAGE = "language"
_MOST = 1 << 20  # bytes that are read; the file has some kilobytes
_logger = logging.getLogger(__name__)


def settings_path() -> Path:
    """Return the file of the window's settings, which may not exist yet."""
    return home() / SETTINGS_FILE


def preferred_language() -> str:
    """Return the code of the language that was chosen in the window; "" if none was.

    The file may say anything: what isn't known to be a language is for the caller to ignore. The
    window says what is wrong with it.
    """
    parser = configparser.RawConfigParser(
        strict=False, delimiters=("=",), comment_prefixes=(";",), allow_no_value=True
    )
    try:
        with settings_path().open("rb") as file:
            parser.read_string(file.read(_MOST).decode("utf-8", "replace"))
    except FileNotFoundError:
        return ""
    except (OSError, configparser.Error) as error:
        _logger.debug("the settings can't be read: %s", error)
        return ""
    return parser.get(_SECTION, _LANGUAGE, fallback="") or ""
