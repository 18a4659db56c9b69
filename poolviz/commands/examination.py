"""Examine this machine for `poolviz doctor`: what is missing, what it is for, how to get it.

Of a server, which `poolviz doctor --dsn` tests, only the form is here.
"""

from __future__ import annotations

import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, TypeAlias

import msgspec

from poolviz.language import tr, trn
from poolviz.model.errors import ServerError
from poolviz.model.version import VERSION
from poolviz.pools.registry import listings
from poolviz.runs.warnings import room
from poolviz.servers.diagnosis import Diagnosis, pooler_findings
from poolviz.servers.embedded.binaries import find_binaries
from poolviz.servers.embedded.cluster import base_folder
from poolviz.system.display import display_problem
from poolviz.system.folders import home
from poolviz.system.os_account import server_account
from poolviz.system.qt_libraries import ALWAYS, FOR_X, command_for, install_command, qt_error
from poolviz.system.resources import resource

State: TypeAlias = Literal["fine", "could be better", "missing"]
FINE: State = "fine"
OPTIONAL: State = "could be better"  # poolviz works without
MISSING: State = "missing"

_ROOM = 200_000_000  # bytes: the embedded server's data, and the sessions of a day
_FONTS = {"apt": ["fonts-dejavu-core"], "dnf": ["dejavu-sans-fonts"], "zypper": ["dejavu-fonts"]}


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was examined: its state, what it is needed for, and what to do about it."""

    what: str
    state: State
    found: str = msgspec.field(name="told")
    needed_for: str
    do: str = ""


def examine() -> list[Finding]:
    """Examine everything, in a few seconds at most. Nothing is installed and Qt isn't started."""
    linux = sys.platform.startswith("linux")
    return [
        _python(),
        *(_libraries() if linux else ()),
        _qt(),
        *([_display()] if linux else ()),
        *([_fonts()] if linux else ()),
        _resources(),
        _folder(),
        _postgresql(),
        *_drivers(),
    ]


def as_json(findings: list[Finding]) -> str:
    """Return the findings as one JSON object."""
    report = {
        "poolviz": VERSION,
        "system": _system(),
        "fine": not any(each.state == MISSING for each in findings),
        "findings": findings,
    }
    return msgspec.json.format(msgspec.json.encode(report)).decode()


def as_text(findings: list[Finding]) -> str:
    """Return the findings as text, and at the end how much is missing."""
    signs = {FINE: "ok", OPTIONAL: "--", MISSING: "!!"}
    lines = [tr("poolviz {version} on {system}", version=VERSION, system=_system()), ""]
    for each in findings:
        lines.append(f"{signs[each.state]}  {each.what}: {each.found}")
        if each.state != FINE:
            lines.append(tr("    needed for {needed_for}", needed_for=each.needed_for))
            lines += [f"    {each.do}"] if each.do else []
    missing = sum(1 for each in findings if each.state == MISSING)
    return "\n".join(
        [
            *lines,
            "",
            trn("{n} missing.", "{n} missing.", missing) if missing else tr("Nothing is missing."),
        ]
    )


def server_as_json(found: Diagnosis) -> str:
    """Return the test of a server as one JSON object."""
    findings = [*found.findings, *(pooler_findings(found.pooler) if found.pooler else ())]
    report = found.as_object() | {"findings": [vars(each) for each in findings]}
    return msgspec.json.format(msgspec.json.encode(report)).decode()


def server_as_text(found: Diagnosis) -> str:
    """Return the test of a server as text, each remedy below what it mends."""
    target = found.target
    lines = [
        target.shown,
        "",
        tr(
            "ok  {product} {version}; {room}.",
            product=target.product,
            version=target.version,
            room=room(target),
        ),
    ]
    findings = [*found.findings, *(pooler_findings(found.pooler) if found.pooler else ())]
    signs = {"good": "ok", "note": "--", "bad": "!!"}
    for each in findings:
        lines.append(f"{signs[each.weight]}  {each.sentence}")
        lines += [f"    {each.remedy}"] if each.remedy else []
    return "\n".join(lines)


def _system() -> str:
    try:
        name = platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        name = f"{platform.system()} {platform.release()}"
    return f"{name}, {platform.machine()}"


def _python() -> Finding:
    own = (
        tr(" that comes with it")
        if getattr(sys, "frozen", False)
        else tr(" at {executable}", executable=sys.executable)
    )
    return Finding(
        what="Python",
        state=FINE,  # an older one wouldn't have come this far
        found=f"{platform.python_version()}{own}",
        needed_for=tr("everything"),
    )


def _libraries() -> Iterator[Finding]:
    without_x = OPTIONAL if os.environ.get("WAYLAND_DISPLAY") else MISSING
    for libraries, title, purpose, state in (
        (ALWAYS, tr("Qt's libraries"), tr("the window, and for graphs as pictures"), MISSING),
        (
            FOR_X,
            tr("Qt's libraries for X"),
            tr("the window, where the desktop isn't Wayland"),
            without_x,
        ),
    ):
        missing = [library for library in libraries if library.missing]
        files = ", ".join(library.file for library in missing)
        command = command_for(missing)
        yield Finding(
            what=title,
            state=state if missing else FINE,
            found=tr("{files} can't be loaded", files=files)
            if missing
            else tr("all {number} are there", number=len(libraries)),
            needed_for=purpose,
            do=(command or tr("Install what has {files}.", files=files)) if missing else "",
        )


def _qt() -> Finding:
    fault = qt_error()
    return Finding(
        what="Qt",
        state=MISSING if fault else FINE,
        found=fault or tr("can be loaded"),
        needed_for=tr("the window, and for graphs as pictures"),
        do=tr("Install the libraries named above, or poolviz anew.") if fault else "",
    )


def _display() -> Finding:
    fault = display_problem()
    return Finding(
        what=tr("Display"),
        state=OPTIONAL if fault else FINE,
        found=fault or tr("a window can be opened"),
        needed_for=tr("the window; `poolviz run` works without"),
        do=tr("Start poolviz on a desktop, or set DISPLAY or WAYLAND_DISPLAY.") if fault else "",
    )


def _fonts() -> Finding:
    data = os.environ.get("XDG_DATA_HOME") or str(Path.home() / ".local" / "share")
    folders = ["/usr/share/fonts", "/usr/local/share/fonts", f"{data}/fonts"]
    found = any(
        path.suffix in (".ttf", ".otf", ".ttc")
        for folder in folders
        for path in Path(folder).rglob("*")
    )
    return Finding(
        what=tr("Fonts of the system"),
        state=FINE if found else OPTIONAL,
        found=tr("installed") if found else tr("none is installed"),
        needed_for=tr("letters that poolviz' own font, Inter, doesn't have"),
        do="" if found else install_command(_FONTS),
    )


def _resources() -> Finding:
    fault = ""
    try:
        fonts = list(resource("fonts").glob("*.ttf"))
        if not fonts:
            fault = tr("the fonts are missing")
        for name in ("icon.svg", "themes/window.qss", "presets"):
            resource(name)
    except FileNotFoundError as error:
        fault = str(error)
    return Finding(
        what=tr("poolviz' own files"),
        state=MISSING if fault else FINE,
        found=fault or tr("fonts, icons, themes and presets are there"),
        needed_for=tr("the window"),
        do=tr("Install poolviz anew.") if fault else "",
    )


def _folder() -> Finding:
    folder = home()
    there = next(path for path in (folder, *folder.parents) if path.exists())
    fault = ""
    try:
        with tempfile.TemporaryFile(dir=there):
            free = shutil.disk_usage(there).free
        if free < _ROOM:
            fault = tr("only {free} MB are free in {folder}", free=free // 1000000, folder=folder)
    except OSError as error:
        fault = tr("{there} can't be written to ({reason})", there=there, reason=error.strerror)
    return Finding(
        what=tr("Folder for sessions"),
        state=MISSING if fault else FINE,
        found=fault or str(folder),
        needed_for=tr("recording what is measured"),
        do=tr("Let the environment variable POOLVIZ_HOME name another folder.") if fault else "",
    )


def _postgresql() -> Finding:
    try:
        account = server_account()
        binaries = find_binaries(account, base_folder())
    except ServerError as error:
        advice = error.advice
        state, found, do = MISSING, error.problem, f"{advice[:1].upper()}{advice[1:]}"
    else:
        state, found, do = (
            FINE,
            tr("{version} in {folder}", version=binaries.version, folder=binaries.folder),
            "",
        )
    return Finding(
        what=tr("Embedded PostgreSQL"),
        state=state,
        found=found,
        needed_for=tr("runs without a server of your own"),
        do=do,
    )


def _drivers() -> Iterator[Finding]:
    """What is missing for some pools; else one finding that says that nothing is."""
    lacking: dict[str, list[str]] = {}
    for listing in listings():
        if listing.missing:
            lacking.setdefault(listing.missing, []).append(listing.id)
    for command, pools in lacking.items():
        yield Finding(
            what=tr("Driver"),
            state=OPTIONAL,
            found=tr("not installed"),
            needed_for=", ".join(pools),
            do=command,
        )
    if not lacking:
        yield Finding(
            what=tr("Drivers"),
            state=FINE,
            found=tr("all are installed"),
            needed_for=tr("the pools of the field"),
        )
