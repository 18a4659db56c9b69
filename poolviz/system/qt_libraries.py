"""The system libraries that Qt needs, and the commands that install them."""

from __future__ import annotations

import ctypes
import importlib
import importlib.util
import os
import platform
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

_MANAGERS = {  # by ID or ID_LIKE of a distribution: its package manager and its command
    "debian": ("apt", "apt-get install"),
    "ubuntu": ("apt", "apt-get install"),
    "fedora": ("dnf", "dnf install"),
    "rhel": ("dnf", "dnf install"),
    "suse": ("zypper", "zypper install"),
    "opensuse": ("zypper", "zypper install"),
}


@dataclass(frozen=True)
class Library:
    """A shared library, and the packages that contain it."""

    file: str
    apt: str
    dnf: str
    zypper: str

    @property
    def missing(self) -> bool:
        """It can't be loaded, or one of its own dependencies can't."""
        try:
            ctypes.CDLL(self.file)
        except OSError:
            return True
        return False


# For every window, and for graphs that are drawn without one.
ALWAYS = (
    Library("libEGL.so.1", "libegl1", "libglvnd-egl", "libglvnd"),
    Library("libGL.so.1", "libgl1", "libglvnd-glx", "libglvnd"),
    Library("libX11.so.6", "libx11-6", "libX11", "libX11-6"),
    Library("libfontconfig.so.1", "libfontconfig1", "fontconfig", "libfontconfig1"),
    Library("libfreetype.so.6", "libfreetype6", "freetype", "libfreetype6"),
    Library("libglib-2.0.so.0", "libglib2.0-0", "glib2", "libglib-2_0-0"),
    Library("libgthread-2.0.so.0", "libglib2.0-0", "glib2", "libgthread-2_0-0"),
    Library("libdbus-1.so.3", "libdbus-1-3", "dbus-libs", "libdbus-1-3"),
    Library("libxkbcommon.so.0", "libxkbcommon0", "libxkbcommon", "libxkbcommon0"),
)
# For a window on X, in addition.
FOR_X = (
    Library("libxcb.so.1", "libxcb1", "libxcb", "libxcb1"),
    Library("libxcb-cursor.so.0", "libxcb-cursor0", "xcb-util-cursor", "libxcb-cursor0"),
    Library("libxcb-icccm.so.4", "libxcb-icccm4", "xcb-util-wm", "libxcb-icccm4"),
    Library("libxcb-image.so.0", "libxcb-image0", "xcb-util-image", "libxcb-image0"),
    Library("libxcb-keysyms.so.1", "libxcb-keysyms1", "xcb-util-keysyms", "libxcb-keysyms1"),
    Library("libxcb-randr.so.0", "libxcb-randr0", "libxcb", "libxcb-randr0"),
    Library(
        "libxcb-render-util.so.0", "libxcb-render-util0", "xcb-util-renderutil",
        "libxcb-render-util0",
    ),
    Library("libxcb-render.so.0", "libxcb-render0", "libxcb", "libxcb-render0"),
    Library("libxcb-shape.so.0", "libxcb-shape0", "libxcb", "libxcb-shape0"),
    Library("libxcb-shm.so.0", "libxcb-shm0", "libxcb", "libxcb-shm0"),
    Library("libxcb-sync.so.1", "libxcb-sync1", "libxcb", "libxcb-sync1"),
    Library("libxcb-xfixes.so.0", "libxcb-xfixes0", "libxcb", "libxcb-xfixes0"),
    Library("libxcb-xkb.so.1", "libxcb-xkb1", "libxcb", "libxcb-xkb1"),
    Library(
        "libxkbcommon-x11.so.0", "libxkbcommon-x11-0", "libxkbcommon-x11", "libxkbcommon-x11-0"
    ),
    Library("libX11-xcb.so.1", "libx11-xcb1", "libX11-xcb", "libX11-xcb1"),
)  # fmt: skip


def command_for(libraries: Iterable[Library]) -> str:
    """Return the command that installs them, or "" on a distribution that poolviz doesn't know."""
    return install_command(
        {name: [getattr(each, name) for each in libraries] for name in ("apt", "dnf", "zypper")}
    )


def install_command(packages: dict[str, list[str]]) -> str:
    """Return the command that installs packages, whose names are given by package manager; ""
    on a distribution that poolviz doesn't know."""
    for name in _distributions():
        for family, (manager, install) in _MANAGERS.items():
            if name == family or name.startswith(f"{family}-"):
                wanted = " ".join(dict.fromkeys(packages[manager]))
                root = sys.platform != "win32" and os.geteuid() == 0
                sudo = "" if root else "sudo "
                return f"{sudo}{install} {wanted}"
    return ""


def _distributions() -> list[str]:
    """Return the ID of this Linux distribution, and those that it says it is like."""
    if sys.platform == "win32" or sys.platform == "darwin":
        return []
    try:
        release = platform.freedesktop_os_release()
    except OSError:
        return []
    return [release.get("ID", ""), *release.get("ID_LIKE", "").split()]


def qt_error() -> str:
    """Return why Qt can't be loaded, in a few words, or "". Python's Qt modules aren't imported;
    the process never ends by it."""
    folder = _pyside_folder()
    if folder is None:
        return "PySide6 isn't installed"
    if sys.platform == "win32":  # where only the package knows the folders of its libraries
        try:
            importlib.import_module("PySide6.QtWidgets")
        except ImportError as error:
            return str(error)
        return ""
    modules = sorted(folder.glob("QtWidgets*.so"))
    return _load_error(modules[0]) if modules else "PySide6 has no QtWidgets"


def x_plugin_error() -> str:
    """Return why Qt's plugin for X can't be loaded, in a few words, or ""."""
    folder = _pyside_folder()
    plugin = folder / "Qt" / "plugins" / "platforms" / "libqxcb.so" if folder else None
    return _load_error(plugin) if plugin is not None and plugin.exists() else ""


def _pyside_folder() -> Path | None:
    """Return the folder of the package PySide6; None where it isn't installed."""
    found = importlib.util.find_spec("PySide6")
    places = (found.submodule_search_locations if found is not None else None) or ()
    return next((Path(place) for place in places), None)


def _load_error(library: Path) -> str:
    try:
        ctypes.CDLL(str(library))
    except OSError as error:
        return str(error.__cause__ or error)
    return ""
