"""The packaged program, built once for all of these tests, which run where they are asked for."""

from __future__ import annotations

import os
import pwd
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.packaging.desktop import Desktop, open_desktop
from tests.packaging.program import Somebody, somebody
from tests.servers.fixtures import PROJECT, open_home

HERE = Path(__file__).parent
_ASKED = "POOLVIZ_PACKAGE_TESTS"
_ORDINARY = "nobody"  # whom every machine has
_BUILD_LIMIT = 600  # seconds; 60 is usual


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if not os.environ.get(_ASKED):
        skip = pytest.mark.skip(reason=f"takes long, with nothing beside it: set {_ASKED}=1")
        for item in items:
            needs = getattr(item, "fixturenames", ())
            if item.path.is_relative_to(HERE) and ("bundle" in needs or "learners" in needs):
                item.add_marker(skip)


@pytest.fixture(scope="session")
def bundle() -> Iterator[Path]:
    """The folder of the packaged program: the one that POOLVIZ_BUNDLE names, or a new one."""
    named = os.environ.get("POOLVIZ_BUNDLE")
    if named:
        yield Path(named).resolve()
        return
    with open_home() as folder:
        folder.chmod(0o755)
        command = ["--noconfirm", "--log-level", "WARN"]
        command += ["--distpath", str(folder / "dist"), "--workpath", str(folder / "build")]
        subprocess.run(
            [sys.executable, "-m", "PyInstaller", *command, "build.spec"],
            cwd=PROJECT,
            check=True,
            timeout=_BUILD_LIMIT,
        )
        yield folder / "dist" / "poolviz"


@pytest.fixture(scope="session")
def program(bundle: Path) -> Path:
    return bundle / "poolviz"


@pytest.fixture(scope="session")
def packages(bundle: Path) -> Iterator[Path]:
    """A folder with the Debian package and the archive, packed in haste."""
    with open_home() as folder:
        folder.chmod(0o755)
        made = PROJECT / "resources" / "packaging" / "make_packages.py"
        arguments = ["--bundle", str(bundle), "--out", str(folder), "--level", "0"]
        subprocess.run([sys.executable, str(made), *arguments], check=True, timeout=_BUILD_LIMIT)
        yield folder


@pytest.fixture(scope="session")
def desktop() -> Iterator[Desktop]:
    with open_desktop() as opened:
        yield opened


@pytest.fixture
def user() -> Iterator[Somebody]:
    """Somebody who isn't root."""
    with somebody(_ORDINARY if os.geteuid() == 0 else _own_name()) as found:
        yield found


@pytest.fixture(params=["root", "an ordinary user"])
def person(request: pytest.FixtureRequest) -> Iterator[Somebody]:
    """Root, and a user who isn't; who isn't root can only be themselves."""
    if request.param != "root":
        yield request.getfixturevalue("user")
        return
    if os.geteuid() != 0:
        pytest.skip("only root can be root")
    with somebody("root") as found:
        yield found


def _own_name() -> str:
    return pwd.getpwuid(os.geteuid()).pw_name
