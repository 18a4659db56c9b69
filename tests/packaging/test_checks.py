"""What refuses a bundle, tried on what it has to refuse."""

from __future__ import annotations

import importlib.util
import sys
from importlib import metadata
from pathlib import Path
from types import ModuleType

import pytest

from tests.servers.fixtures import PROJECT

PACKAGING = PROJECT / "resources" / "packaging"


def load(name: str) -> ModuleType:
    """A script of the packaging; they lie outside of every package."""
    spec = importlib.util.spec_from_file_location(name, PACKAGING / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


CHECK, THIRD_PARTY = load("bundle_check"), load("third_party")


@pytest.mark.parametrize(
    ("line", "refused"),
    [
        ("missing module named aiopg - imported by poolviz.pools.asyncio.aiopg (top-level)", True),
        ("missing module named aiopg - imported by poolviz.pools.asyncio.aiopg (delayed)", True),
        ("missing module named 'a.b' - imported by x (optional), psycopg2.c (top-level)", True),
        ("missing module named nt - imported by os (conditional), psycopg2 (delayed)", False),
        ("missing module named winreg - imported by platform (top-level)", False),
        ("missing module named 'pg.x' - imported by dbutils.steady_pg (top-level)", False),
        ("This file lists modules PyInstaller was not able to find.", False),
    ],
)
def test_a_module_that_poolviz_uses_must_not_be_missing(
    line: str, refused: bool, tmp_path: Path
) -> None:
    warnings = tmp_path / "warnings"
    warnings.write_text(line, "utf-8")
    if refused:
        with pytest.raises(SystemExit, match="lacks modules"):
            CHECK.check_warnings(warnings, ("psycopg2", "dbutils"), {"pg"})
    else:
        CHECK.check_warnings(warnings, ("psycopg2", "dbutils"), {"pg"})


def test_a_bundle_over_the_limit_is_refused_and_its_largest_parts_are_printed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, size in (("small", 1000), ("large", CHECK.LARGEST - 1000)):
        path = tmp_path / "_internal" / name / "file"
        path.parent.mkdir(parents=True)
        with path.open("wb") as file:
            file.truncate(size)
    CHECK.check_size(tmp_path)
    printed = capsys.readouterr().out.splitlines()
    assert printed[0].endswith("_internal/large")
    with (tmp_path / "poolviz").open("wb") as file:
        file.truncate(1)
    with pytest.raises(SystemExit, match="the limit is 220 MB"):
        CHECK.check_size(tmp_path)


def test_a_package_that_poolviz_doesnt_require_is_refused() -> None:
    CHECK.check_foreign(["numpy.linalg", "os", "poolviz.commands.cli"], ["numpy", "poolviz"])
    with pytest.raises(SystemExit, match="contains pytest, which poolviz doesn"):
        CHECK.check_foreign(["numpy.linalg", "pytest"], ["numpy"])


def test_a_bundle_that_offers_other_pools_than_the_source_is_refused(tmp_path: Path) -> None:
    program = tmp_path / "poolviz"
    program.write_text("#!/bin/sh\necho '{}'\n", "utf-8")
    program.chmod(0o755)
    with pytest.raises(SystemExit, match="differs"):
        CHECK.check_same_offer(PROJECT, program)


def test_every_requirement_of_poolviz_is_among_the_parts() -> None:
    parts = {part.metadata["Name"].lower() for part in THIRD_PARTY.distributions(PROJECT)}
    assert {"pyside6_essentials", "shiboken6", "psycopg-binary", "pymysql", "greenlet"} <= parts
    assert not parts & {"pytest", "ruff", "pyinstaller"}
    assert all(metadata.distribution(name).version for name in parts)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere it is only listed")
def test_a_library_whose_licence_isnt_known_is_refused(tmp_path: Path) -> None:
    THIRD_PARTY.write_licences(PROJECT, ["libssl-6a9b88ec.so.3", "libQt6Core.so.6"], tmp_path)
    with pytest.raises(SystemExit, match=r"libodd\.so\.1"):
        THIRD_PARTY.write_licences(PROJECT, ["libodd.so.1"], tmp_path)
