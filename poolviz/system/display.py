"""Whether a window can be opened. Found out without Qt, which would end the process if not."""

from __future__ import annotations

import ctypes
import os
import socket
import sys
from collections.abc import Iterable
from pathlib import Path

from poolviz.language import tr
from poolviz.system.qt_libraries import (
    ALWAYS,
    FOR_X,
    Library,
    command_for,
    x_plugin_error,
)

_XCB = next(each for each in FOR_X if each.file == "libxcb.so.1")


def display_problem() -> str | None:
    """Return why no window can be opened, as a sentence without its full stop; None if one can."""
    if not sys.platform.startswith("linux") or os.environ.get("QT_QPA_PLATFORM"):
        return None
    wayland, display = os.environ.get("WAYLAND_DISPLAY"), os.environ.get("DISPLAY")
    if wayland and _wayland_answers(wayland):
        return _missing_libraries(ALWAYS)
    if not display:
        if wayland:
            return tr("The display {wayland} can't be opened", wayland=wayland)
        return tr("There is no display (neither DISPLAY nor WAYLAND_DISPLAY is set)")
    if not _x_answers(display):
        return tr("The display {display} can't be opened", display=display)
    return _missing_libraries((*ALWAYS, *FOR_X)) or _unusable_plugin()


def _wayland_answers(name: str) -> bool:
    """Return whether the compositor's socket accepts connections."""
    if sys.platform == "win32":
        return False
    path = Path(os.environ.get("XDG_RUNTIME_DIR", "/"), name)
    try:
        with socket.socket(socket.AF_UNIX) as probe:
            probe.settimeout(2)
            probe.connect(str(path))
    except OSError:
        return False
    return True


def _x_answers(display: str) -> bool:
    """Return whether the X server accepts a connection."""
    if _XCB.missing:
        return True  # `_missing_libraries` will name it
    xcb = ctypes.CDLL(_XCB.file)
    xcb.xcb_connect.restype = ctypes.c_void_p
    xcb.xcb_connect.argtypes = [ctypes.c_char_p, ctypes.c_void_p]
    xcb.xcb_connection_has_error.argtypes = [ctypes.c_void_p]
    xcb.xcb_disconnect.argtypes = [ctypes.c_void_p]
    connection = xcb.xcb_connect(display.encode(), None)
    try:
        return not xcb.xcb_connection_has_error(connection)
    finally:
        xcb.xcb_disconnect(connection)


def _missing_libraries(libraries: Iterable[Library]) -> str | None:
    """Return which of the libraries can't be loaded, and the command that installs them."""
    missing = [library for library in libraries if library.missing]
    if not missing:
        return None
    how = command_for(missing) or tr("your system's package manager")
    files = ", ".join(library.file for library in missing)
    them = "it" if len(missing) == 1 else "them"
    return tr(
        "Qt lacks {files} for the display ({how} installs {them})", files=files, how=how, them=them
    )


def _unusable_plugin() -> str | None:
    error = x_plugin_error()
    return tr("Qt can't use the display ({error})", error=error) if error else None
