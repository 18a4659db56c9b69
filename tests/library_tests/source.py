"""The sources of libraries: sdists, downloaded or given, and folders."""

from __future__ import annotations

import re
import shutil
import subprocess
import tarfile
from collections.abc import Iterable
from pathlib import Path

from tests.library_tests.libraries import Library

# What pip runs to read an sdist's metadata, without a new environment for each.
_BUILDERS = ("setuptools>=77", "setuptools-scm", "cython", "wheel")
_PATIENCE = 180.0  # seconds


def download(libraries: Iterable[Library], folder: Path) -> dict[str, Path]:
    """Download the sdists of the installed versions; return the file of each library, by name.

    Raises RuntimeError with what pip says if it can't.
    """
    wanted = {library.name: f"{library.name}=={library.version}" for library in libraries}
    command = ["uvx", "--quiet", *(f"--with={builder}" for builder in _BUILDERS), "pip"]
    command += ["download", "--quiet", "--no-deps", "--no-binary=:all:", "--no-build-isolation"]
    done = subprocess.run(
        [*command, f"--dest={folder}", *wanted.values()],
        capture_output=True,
        text=True,
        timeout=_PATIENCE,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"pip couldn't download {', '.join(wanted.values())}:\n{done.stderr}")
    files = {_normal(file.name.rpartition("-")[0]): file for file in folder.glob("*.tar.gz")}
    return {name: files[_normal(name)] for name in wanted}


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def lay_out(library: Library, source: Path, folder: Path) -> Path:
    """Copy what a library's tests need into a new folder `folder / name`, and return that.

    Not all of the source: its package would be imported in the place of the installed one.
    Raises RuntimeError if the tests aren't in `source`.
    """
    if source.is_file():
        with tarfile.open(source) as archive:
            archive.extractall(folder / f"{library.name}-sdist", filter="data")
        (source,) = (folder / f"{library.name}-sdist").iterdir()
    laid = folder / library.name
    laid.mkdir()
    missing = [name for name in library.files if not (source / name).is_file()]
    if missing:
        raise RuntimeError(f"{source} has no {', '.join(missing)}: is it the source's own folder?")
    for name in library.copied:
        if (source / name).is_dir():
            shutil.copytree(source / name, laid / name)
        elif (source / name).exists():
            shutil.copy(source / name, laid / name)
    return laid
