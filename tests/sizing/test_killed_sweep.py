"""Sweeps whose process is ended by a signal: what is left of them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

import poolviz
from poolviz.commands.cli import run_command_line
from poolviz.model.errors import InputError
from poolviz.sessions.recorder import Recorder
from tests.pools.bench import until
from tests.sizing.test_find_size import LOAD, backends


def measured(session: Path) -> int:
    """How many measurements a session keeps that is still being recorded."""
    with suppress(InputError), Recorder.open(session) as recorder:
        return 0 if recorder.sweep is None else len(recorder.sweep.visits)
    return 0


@pytest.mark.parametrize(
    "kind",
    [
        "SIGKILL",
        pytest.param("SIGTERM", marks=pytest.mark.on_demand),
        pytest.param("SIGINT", marks=pytest.mark.on_demand),
    ],
)
def test_what_was_measured_is_answered_from_after_a_signal(
    conninfo: str, tmp_path: Path, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    if sys.platform == "win32":
        pytest.skip("Windows has no such signals")
    session = tmp_path / "sweep.poolviz"
    options = [f"--load={key}={value}" for key, value in LOAD.items()]
    command = [sys.executable, "-m", "poolviz", "size", "--dsn", conninfo, *options]
    command += ["--pool", "sqlalchemy.QueuePool", "--limit", "pool_size=1..4"]
    with subprocess.Popen(
        [*command, "--out", str(session)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    ) as process:
        until(lambda: measured(session) >= 2 or process.poll() is not None, "two measurements")
        os.kill(process.pid, getattr(signal, kind))
        process.communicate(timeout=90)
    until(lambda: backends(conninfo, f"poolviz-{process.pid}-") == 0, "the connections to be gone")
    assert run_command_line(["size", str(session), "--measured", "--json"]) in (0, 1)
    found = json.loads(capsys.readouterr().out)
    assert not found["complete"]
    assert sum(len(each["visits"]) for each in found["points"]) >= 2
    # Python and exports give the same.
    with poolviz.open_session(session) as opened:
        assert opened.sizing is not None
        assert len(opened.sizing.points) == len(found["points"])
        opened.export(tmp_path / "sweep.json")
    exported = json.loads((tmp_path / "sweep.json").read_bytes())
    assert exported["sizing"]["points"] == found["points"]
