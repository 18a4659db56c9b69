"""Whether a window can be opened here. Asked without Qt, which would end the process if not."""

from __future__ import annotations

import ctypes
import os
import socket
import sys
from collections.abc import Iterable
from pathlib import Path

from poolviz.system.qt_libraries import ALWAYS, FOR_X, Library, command_for, x_plugin_fault

_XCB = next(each for each in FOR_X if each.file == "libxcb.so.1")


def display_available() -> str | None:
    """None where a window can be opened; else why not, as a sentence without its full stop."""
    if not sys.platform.startswith("linux") or os.environ.get("QT_QPA_PLATFORM"):
        return None
    wayland, display = os.environ.get("WAYLAND_DISPLAY"), os.environ.get("DISPLAY")
    if wayland and _wayland_answers(wayland):
        return _what_qt_misses(ALWAYS)
    if not display:
        if wayland:
            return f"The display {wayland} can't be opened"
        return "There is no display (neither DISPLAY nor WAYLAND_DISPLAY is set)"
    if not _x_answers(display):
        return f"The display {display} can't be opened"
    return _what_qt_misses((*ALWAYS, *FOR_X)) or _what_the_plugin_misses()


def _wayland_answers(name: str) -> bool:
    """Whether the compositor's socket takes connections."""
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
    """Whether the X server lets us in. Where libxcb is missing that is found out later."""
    if _XCB.missing:
        return True
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


def _what_qt_misses(libraries: Iterable[Library]) -> str | None:
    """Those of the system's libraries that aren't there, and what brings them."""
    missing = [library for library in libraries if library.missing]
    if not missing:
        return None
    how = command_for(missing) or "your system's package manager"
    files = ", ".join(library.file for library in missing)
    them = "it" if len(missing) == 1 else "them"
    return f"Qt lacks {files} for the display ({how} brings {them})"


def _what_the_plugin_misses() -> str | None:
    fault = x_plugin_fault()
    return f"Qt can't use the display ({fault})" if fault else None
