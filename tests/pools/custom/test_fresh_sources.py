"""A user's modules are run as their sources are, not as bytecode remembers them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

POOL = '''
class Pool:
    """{about}"""

    def __init__(self, size: int = {size}) -> None:
        pass

    def getconn(self) -> object:
        return object()

    def putconn(self, connection: object) -> None:
        pass
'''
LOAD = """
import sys
from poolviz.pools.custom.loader import load
print(load(sys.argv[1]).limits["size"].default)
"""


def default_of_size(id: str, folder: Path) -> str:
    """Return what a new process, as each run has one, finds in the file, with bytecode kept."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run(
        [sys.executable, "-c", LOAD, id],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


@pytest.mark.parametrize("where", ["alone", "beside", "package"])
def test_a_file_that_is_saved_twice_within_a_second_is_run_as_it_is(
    where: str, tmp_path: Path
) -> None:
    source = tmp_path / "own.py"
    id = f"{source}:Pool"
    if where == "beside":
        (tmp_path / "app.py").write_text("from own import Pool\n")
        id = f"{tmp_path / 'app.py'}:Pool"
    elif where == "package":
        source = tmp_path / "shop" / "own.py"
        source.parent.mkdir()
        (source.parent / "__init__.py").touch()
        id = f"{source}:Pool"
    source.write_text(POOL.format(about="First.", size=3))
    saved = source.stat()
    assert default_of_size(id, tmp_path) == "3"
    source.write_text(POOL.format(about="Again.", size=7))
    os.utime(source, ns=(saved.st_atime_ns, saved.st_mtime_ns))
    assert default_of_size(id, tmp_path) == "7"
