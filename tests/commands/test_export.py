"""`poolviz export`: how far it is, and its end by a signal."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from poolviz.sessions.recorder import Recorder
from tests.servers.fixtures import wait_until
from tests.sessions.builders import record, reports, samples, ticks

pty = pytest.importorskip("pty")
EXPORT = [sys.executable, "-m", "poolviz", "export"]


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("export") / "run.poolviz"
    with Recorder(path) as recorder:
        record(recorder, reports(samples(ticks(4096))))
    return path


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_a_file_is_written_leaves_what_was_there(
    session: Path, tmp_path: Path, sign: signal.Signals
) -> None:
    out, temporary = tmp_path / "out", tmp_path / "temporary"
    out.mkdir()
    temporary.mkdir()
    (out / "run.csv").write_text("old", "utf-8")
    files = [str(out / "run.csv"), str(out / "run.json")]
    process = subprocess.Popen(
        [*EXPORT, str(session), *files, "--tidy", "--anonymous"],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(temporary)},
    )
    try:
        wait_until(lambda: list(out.glob(".poolviz-*")), "the table is being written")
        process.send_signal(sign)
        _, err = process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()
    assert (process.returncode, err) == (130, "")
    assert [each.name for each in out.iterdir()] == ["run.csv"]
    assert (out / "run.csv").read_text("utf-8") == "old"
    assert not list(temporary.iterdir()), "no copy of the session"


def test_a_terminal_shows_how_far_it_is_and_is_left_as_it_was(
    session: Path, tmp_path: Path
) -> None:
    shown = on_a_terminal([*EXPORT, str(session), str(tmp_path / "run.csv"), "--tidy"])
    shares = [int(part.partition(" %")[0].split()[-1]) for part in shown.split("\r") if "%" in part]
    assert len(set(shares)) > 3
    assert shares == sorted(shares)
    assert "Writing run.csv" in shown
    *_, last = shown.strip().split("\x1b[K")
    assert last.startswith("poolviz: Wrote "), last


def on_a_terminal(command: list[str]) -> str:
    """Return what a command writes to a terminal as its standard error."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(command, stderr=theirs)
    os.close(theirs)
    written = b""
    try:
        while part := _read(ours):
            written += part
        assert process.wait(timeout=60) == 0
    finally:
        process.kill()
        process.wait()
        os.close(ours)
    return written.decode()


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 4096)
    except OSError:  # which Linux raises once nobody has it open
        return b""
