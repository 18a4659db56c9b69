"""A real server for every test that wants one."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from poolviz.servers.embedded import EmbeddedServer


@contextmanager
def open_home() -> Iterator[Path]:
    """A new folder to keep servers in, removed at the end. Unlike pytest's own temporary folders
    every user may pass through it, as the account that serves under root has to."""
    home = Path(tempfile.mkdtemp(prefix="poolviz-"))
    home.chmod(0o711)
    try:
        yield home
    finally:
        shutil.rmtree(home)


@pytest.fixture(scope="session")
def server() -> Iterator[EmbeddedServer]:
    """One embedded server for the whole session: don't stop it, don't stop others using it."""
    with open_home() as home, pytest.MonkeyPatch.context() as patch:
        patch.setenv("POOLVIZ_HOME", str(home))
        started = EmbeddedServer.start()
        patch.undo()
        with started:
            yield started


@pytest.fixture
def conninfo(server: EmbeddedServer) -> str:
    return server.conninfo
