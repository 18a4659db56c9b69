"""Whether a window can be opened here. Asked without Qt, which would end the process if not."""

from __future__ import annotations

import ctypes
import os
import sys

_CURSOR = "libxcb-cursor.so.0"  # Qt's xcb plugin has needed it since 6.5, and aborts without
_XCB = "libxcb.so.1"


def display_available() -> str | None:
    """None where a window can be opened; else why not, in words without a full stop."""
    if not sys.platform.startswith("linux") or os.environ.get("QT_QPA_PLATFORM"):
        return None
    if os.environ.get("WAYLAND_DISPLAY"):
        return None
    display = os.environ.get("DISPLAY")
    if not display:
        return "There is no display (neither DISPLAY nor WAYLAND_DISPLAY is set)"
    if not _x_answers(display):
        return f"The display {display} can't be opened"
    try:
        ctypes.CDLL(_CURSOR)
    except OSError:
        return f"Qt can't use the display without {_CURSOR} (on Debian: apt install libxcb-cursor0)"
    return None


def _x_answers(display: str) -> bool:
    """Whether the X server lets us in; unasked where libxcb is missing, which Qt brings itself."""
    try:
        xcb = ctypes.CDLL(_XCB)
    except OSError:
        return True
    xcb.xcb_connect.restype = ctypes.c_void_p
    xcb.xcb_connect.argtypes = [ctypes.c_char_p, ctypes.c_void_p]
    xcb.xcb_connection_has_error.argtypes = [ctypes.c_void_p]
    xcb.xcb_disconnect.argtypes = [ctypes.c_void_p]
    connection = xcb.xcb_connect(display.encode(), None)
    try:
        return not xcb.xcb_connection_has_error(connection)
    finally:
        xcb.xcb_disconnect(connection)
