"""What a command imports: nothing that it doesn't need."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

HEAVY = {"numpy", "psycopg2", "psycopg", "sqlalchemy", "asyncpg", "pymysql", "PySide6", "pyqtgraph"}
_IMPORT = re.compile(r"^import time: +\d+ \| +\d+ \| +(\S+)$", re.MULTILINE)


@pytest.mark.parametrize("arguments", [["--help"], ["-h"], ["--version"], ["presets"], ["doctor"]])
def test_a_light_command_loads_no_numpy_driver_or_qt(arguments: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "poolviz", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    loaded = {name.partition(".")[0] for name in _IMPORT.findall(done.stderr)}
    assert "poolviz" in loaded
    assert not loaded & HEAVY


def test_short_and_long_help_are_the_same() -> None:
    short, long = (
        subprocess.run(
            [sys.executable, "-m", "poolviz", option],
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        ).stdout
        for option in ("-h", "--help")
    )
    assert short == long
    assert "--dsn" in short
    assert "…\n" not in short.partition("Commands:")[2]
