"""The Debian package and the archive: made, installed, used, removed."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest

from tests.packaging.program import Somebody
from tests.servers.fixtures import PROJECT, open_home

LINUX = PROJECT / "resources" / "packaging" / "linux"
_DPKG_PLACES = ("/usr/bin", "/usr/lib", "/usr/share/applications", "/usr/share/doc")


def only(folder: Path, pattern: str) -> Path:
    (found,) = folder.glob(pattern)
    return found


def call(*command: object, **options: object) -> str:
    done = subprocess.run(
        [str(part) for part in command],
        capture_output=True,
        text=True,
        check=False,
        **options,  # type: ignore[call-overload]
    )
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return str(done.stdout)


def test_each_package_has_its_sum_and_its_bill_of_materials(packages: Path, bundle: Path) -> None:
    made = [only(packages, "*.deb"), only(packages, "*.tar.xz")]
    installed = {
        (re.sub(r"[-_.]+", "-", part.metadata["Name"]).lower(), part.version)
        for part in metadata.distributions(path=[str(bundle / "_internal")])
    }
    assert installed
    for package in made:
        call("sha256sum", "--check", f"{package.name}.sha256", cwd=packages)
        sbom = json.loads(package.with_name(f"{package.name}.cdx.json").read_text("utf-8"))
        assert sbom["bomFormat"] == "CycloneDX"
        listed = {
            (re.sub(r"[-_.]+", "-", each["name"]).lower(), each.get("version"))
            for each in sbom["components"]
        }
        assert installed <= listed
        assert {"openssl", "postgresql", "python"} <= {name for name, _ in listed}


def test_the_licences_of_all_parts_are_in_it(bundle: Path) -> None:
    text = (bundle / "_internal/poolviz/resources/THIRD-PARTY.txt").read_text("utf-8")
    for name in ("PySide6_Essentials", "SQLAlchemy", "psycopg2-binary", "OpenSSL", "PostgreSQL"):
        assert name in text
    assert "GNU LESSER GENERAL PUBLIC LICENSE" in text
    assert "SIL OPEN FONT LICENSE" in text


@pytest.fixture(scope="module")
def unpacked(packages: Path) -> Iterator[Path]:
    with open_home() as folder:
        folder.chmod(0o755)
        call("tar", "-xf", only(packages, "*.tar.xz"), "-C", folder)
        yield only(folder, "poolviz-*")


@pytest.mark.parametrize("prefix", [None, "my own 100% programs"])
def test_the_archive_installs_without_root_and_is_removed(
    unpacked: Path, user: Somebody, prefix: str | None
) -> None:
    place = user.home / (prefix or ".local")
    where = ["--prefix", str(place)] if prefix else []
    as_them = {"env": user.environment(), "cwd": user.home, **user.account()}
    for _ in range(2):  # anew over an old one
        call(unpacked / "install.sh", *where, **as_them)
    assert json.loads(call(place / "bin" / "poolviz", "pools", "--json", **as_them))["pools"]
    entry = place / "share" / "applications" / "poolviz.desktop"
    call("desktop-file-validate", entry)
    assert str(place).replace("%", "%%") in entry.read_text("utf-8")
    kinds = place / "share" / "mime" / "globs2"
    if shutil.which("update-mime-database"):
        assert "application/x-poolviz:*.poolviz" in kinds.read_text("utf-8")

    recorded = user.data / "sessions" / "mine.poolviz"
    call("mkdir", "-p", recorded.parent, **as_them)
    call("touch", recorded, **as_them)
    call(place / "lib" / "poolviz" / "install.sh", "--uninstall", *where, **as_them)
    left = [path for path in user.home.rglob("*poolviz*") if path.is_file() or path.is_symlink()]
    assert left == [recorded]
    if kinds.exists():
        assert "poolviz" not in kinds.read_text("utf-8")


def test_the_archive_refuses_to_replace_what_isnt_its_own(unpacked: Path, user: Somebody) -> None:
    as_them = {"env": user.environment(), "cwd": user.home, **user.account()}
    call("mkdir", "-p", ".local/bin", **as_them)
    call("touch", ".local/bin/poolviz", **as_them)
    done = subprocess.run(
        [unpacked / "install.sh"], capture_output=True, text=True, check=False, **as_them
    )
    assert done.returncode == 2
    assert "belongs to another program" in done.stderr
    assert not (user.home / ".local/lib/poolviz").exists()


def test_the_debian_package_installs_works_for_everybody_and_is_removed(
    packages: Path, person: Somebody
) -> None:
    if os.geteuid() != 0 or shutil.which("dpkg") is None:
        pytest.skip("only root can install a package, and only on Debian or its like")
    if subprocess.run(["dpkg", "-s", "poolviz"], capture_output=True, check=False).returncode == 0:
        pytest.skip("poolviz is installed on this machine already")
    before = _listed()
    call("dpkg", "--install", only(packages, "*.deb"))
    try:
        assert call("dpkg", "--verify", "poolviz") == ""
        done = person.run(Path("/usr/bin/poolviz"), "run", "--duration", "1", "--json")
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["operations"] > 0
        call("desktop-file-validate", "/usr/share/applications/poolviz.desktop")
    finally:
        call("dpkg", "--purge", "poolviz")
    assert _listed() == before


def _listed() -> set[str]:
    """What lies where packages put programs, but for the desktop's own lists."""
    found = {str(path) for place in _DPKG_PLACES for path in Path(place).glob("*")}
    found |= {str(path) for path in Path("/usr/share/icons").rglob("poolviz*")}
    return {path for path in found if not path.endswith("mimeinfo.cache")}


@pytest.mark.skipif(
    not shutil.which("desktop-file-validate") and not os.environ.get("POOLVIZ_PACKAGE_TESTS"),
    reason="apt-get install desktop-file-utils",
)
def test_what_desktops_read_is_valid() -> None:
    call("desktop-file-validate", LINUX / "poolviz.desktop")
    metainfo = LINUX / "org.poolviz.poolviz.metainfo.xml"
    if shutil.which("appstreamcli"):
        call("appstreamcli", "validate", "--no-net", metainfo)
    call("sh", "-n", LINUX / "install.sh")
