"""What the doctor finds on this machine, whole and with something taken away."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from poolviz.commands import examination
from poolviz.system.qt_libraries import FOR_X, command_for
from tests.servers.fixtures import BOUND, PROJECT, home

__all__ = ["home"]

LIBRARIES = Path("/usr/lib") / f"{platform.machine()}-linux-gnu"


def run(*prefix: str, **environment: str) -> tuple[int, dict[str, Any]]:
    """The exit status of `poolviz doctor --json`, and its findings by what they are of."""
    done = subprocess.run(
        [*prefix, sys.executable, "-m", "poolviz", "doctor", "--json"],
        env={**os.environ, **environment},
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
        timeout=BOUND,
    )
    assert "Traceback" not in done.stderr
    found = json.loads(done.stdout)
    assert found["fine"] == (done.returncode == 0)
    return done.returncode, {each["what"]: each for each in found["findings"]}


def hidden(library: str) -> list[str]:
    """What runs a command in a world of its own, where a library of the system is empty."""
    path = LIBRARIES / library
    if os.geteuid() != 0 or not path.exists():
        pytest.skip("hides a library of Debian's, which root can")
    prefix = ["unshare", "--mount", "sh", "-c", 'mount --bind /dev/null "$0" && exec "$@"']
    prefix.append(str(path.resolve()))
    if subprocess.run([*prefix, "true"], capture_output=True, check=False).returncode:
        pytest.skip("mounts aren't allowed here")
    return prefix


def test_nothing_is_missing_where_the_tests_run(home: Path) -> None:
    status, found = run(POOLVIZ_HOME=str(home))
    assert status == 0
    assert found["Embedded PostgreSQL"]["state"] == "fine"
    assert found["Qt"]["state"] == "fine"


@pytest.mark.parametrize(
    ("library", "title", "package"),
    [
        ("libxcb-cursor.so.0", "Qt's libraries for X", "libxcb-cursor0"),
        ("libEGL.so.1", "Qt's libraries", "libegl1"),
    ],
)
def test_a_missing_library_is_named_with_the_command_that_installs_it(
    library: str, title: str, package: str, home: Path
) -> None:
    status, found = run(*hidden(library), POOLVIZ_HOME=str(home), WAYLAND_DISPLAY="")
    assert status == 1
    assert found[title]["state"] == "missing"
    assert library in found[title]["told"]
    assert found[title]["do"] == f"apt-get install {package}"


def test_on_wayland_the_libraries_for_x_are_no_must(home: Path) -> None:
    prefix = hidden("libxcb-cursor.so.0")
    status, found = run(*prefix, POOLVIZ_HOME=str(home), WAYLAND_DISPLAY="wayland-0")
    assert status == 0
    assert found["Qt's libraries for X"]["state"] == "could be better"


def test_a_folder_that_cant_be_written_to_is_missing() -> None:
    status, found = run(POOLVIZ_HOME="/proc/poolviz")
    assert status == 1
    assert found["Folder for sessions"]["state"] == "missing"
    assert "POOLVIZ_HOME" in found["Folder for sessions"]["do"]


def test_a_wrong_postgresql_is_told_with_what_to_do(home: Path, tmp_path: Path) -> None:
    status, found = run(POOLVIZ_HOME=str(home), POOLVIZ_PG_BIN=str(tmp_path))
    assert status == 1
    assert str(tmp_path) in found["Embedded PostgreSQL"]["told"]
    assert "unset it" in found["Embedded PostgreSQL"]["do"]


def test_a_driver_that_isnt_installed_is_told_and_fails_nothing(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "aiopg", None)  # to Python, a module that isn't there
    findings = examination.examine()
    (driver,) = [each for each in findings if each.what == "Driver"]
    assert driver.needed_for == "aiopg.Pool"
    assert driver.do == "pip install 'poolviz[aiopg]'"
    assert driver.state != examination.MISSING
    assert "pip install 'poolviz[aiopg]'" in examination.as_text(findings)


@pytest.mark.parametrize(
    ("release", "command"),
    [
        ({"ID": "debian"}, "apt-get install libxcb-cursor0"),
        ({"ID": "linuxmint", "ID_LIKE": "ubuntu debian"}, "apt-get install libxcb-cursor0"),
        ({"ID": "fedora"}, "dnf install xcb-util-cursor"),
        ({"ID": "rocky", "ID_LIKE": "rhel centos fedora"}, "dnf install xcb-util-cursor"),
        ({"ID": "opensuse-leap", "ID_LIKE": "suse opensuse"}, "zypper install libxcb-cursor0"),
        ({"ID": "void"}, ""),
    ],
)
def test_the_command_is_the_distributions(
    release: dict[str, str], command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("platform.freedesktop_os_release", lambda: release)
    cursor = [library for library in FOR_X if "cursor" in library.file]
    assert command_for(cursor).removeprefix("sudo ") == command
