"""Whether a window can be opened here. Asked without Qt, which would end the process if not."""

from __future__ import annotations

import ctypes
import importlib.util
import os
import socket
import sys
from pathlib import Path

_XCB = "libxcb.so.1"
# What Qt's plugin for X needs of the system, and the Debian package that has it.
_NEEDED = {
    "libxcb-cursor.so.0": "libxcb-cursor0",
    "libxcb-icccm.so.4": "libxcb-icccm4",
    "libxcb-image.so.0": "libxcb-image0",
    "libxcb-keysyms.so.1": "libxcb-keysyms1",
    "libxcb-randr.so.0": "libxcb-randr0",
    "libxcb-render-util.so.0": "libxcb-render-util0",
    "libxcb-render.so.0": "libxcb-render0",
    "libxcb-shape.so.0": "libxcb-shape0",
    "libxcb-xkb.so.1": "libxcb-xkb1",
    "libxkbcommon-x11.so.0": "libxkbcommon-x11-0",
    "libX11-xcb.so.1": "libx11-xcb1",
}


def display_available() -> str | None:
    """None where a window can be opened; else why not, as a sentence without its full stop."""
    if not sys.platform.startswith("linux") or os.environ.get("QT_QPA_PLATFORM"):
        return None
    wayland, display = os.environ.get("WAYLAND_DISPLAY"), os.environ.get("DISPLAY")
    if wayland and _wayland_answers(wayland):
        return None
    if not display:
        if wayland:
            return f"The display {wayland} can't be opened"
        return "There is no display (neither DISPLAY nor WAYLAND_DISPLAY is set)"
    if not _x_answers(display):
        return f"The display {display} can't be opened"
    return _what_qt_misses()


def _wayland_answers(name: str) -> bool:
    """Whether the compositor's socket takes connections."""
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
    if not _loads(_XCB):
        return True
    xcb = ctypes.CDLL(_XCB)
    xcb.xcb_connect.restype = ctypes.c_void_p
    xcb.xcb_connect.argtypes = [ctypes.c_char_p, ctypes.c_void_p]
    xcb.xcb_connection_has_error.argtypes = [ctypes.c_void_p]
    xcb.xcb_disconnect.argtypes = [ctypes.c_void_p]
    connection = xcb.xcb_connect(display.encode(), None)
    try:
        return not xcb.xcb_connection_has_error(connection)
    finally:
        xcb.xcb_disconnect(connection)


def _what_qt_misses() -> str | None:
    """The system's libraries that Qt's plugin for X can't be loaded without."""
    missing = [library for library in _NEEDED if not _loads(library)]
    if missing:
        packages = " ".join(_NEEDED[library] for library in missing)
        return f"Qt lacks {', '.join(missing)} for the display (on Debian: apt install {packages})"
    found = importlib.util.find_spec("PySide6")
    folders = found.submodule_search_locations if found is not None else None
    for folder in folders or ():
        plugin = Path(folder) / "Qt" / "plugins" / "platforms" / "libqxcb.so"
        if plugin.exists():
            try:
                ctypes.CDLL(str(plugin))
            except OSError as error:
                return f"Qt can't use the display ({error})"
    return None


def _loads(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True
