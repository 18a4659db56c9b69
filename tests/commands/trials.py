"""Commands that are interrupted at random moments: starting them, and what must hold afterwards."""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest

from poolviz.sessions.recorder import Recorder
from tests.servers.fixtures import wait_until

SEED = int(os.environ.get("POOLVIZ_SEED", "1"))
_MARK = "POOLVIZ_TRIAL"  # an environment variable that every descendant inherits


@dataclass
class Trial:
    """A `poolviz run` in a home and with a mark of its own, and where its files go."""

    home: Path
    files: Path
    token: str = field(default_factory=lambda: secrets.token_hex(8))

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start `poolviz`."""
        return subprocess.Popen(
            [sys.executable, "-m", "poolviz", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "POOLVIZ_HOME": str(self.home), _MARK: self.token},
        )

    def run(self, seconds: float) -> subprocess.Popen[str]:
        """Start a run that writes a session and figures."""
        names = ("s.poolviz", "figures.json")
        outs = [part for name in names for part in ("--out", str(self.files / name))]
        load = ("--load", "clients=4", "--duration", str(seconds), "--json")
        return self.start("run", *load, *outs)

    def processes(self) -> list[psutil.Process]:
        """Return every process that the trial has left so far, however it was started."""
        found = []
        for process in psutil.process_iter():
            with suppress(psutil.Error, OSError):
                if process.environ().get(_MARK) == self.token:
                    found.append(process)
        return found

    def named(self, part: str) -> list[psutil.Process]:
        """Return those whose command line has `part` in it."""
        found = []
        for process in self.processes():
            with suppress(psutil.Error):
                if part in " ".join(process.cmdline()):
                    found.append(process)
        return found

    def nothing_is_left(self) -> None:
        """Wait until all processes are gone; no half-written file is there."""
        wait_until(lambda: not self.processes(), "every process of the run is gone")
        assert not list(self.files.rglob(".poolviz-*"))

    def the_next_run_starts(self) -> None:
        """Run again, in the same home."""
        process = self.start("run", "--duration", "0.2", "--json", "--quiet")
        out, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
        assert json.loads(out)["complete"] is True


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[None]:
    """Mount a small disk at a new folder; skip the test where that isn't allowed."""
    folder.mkdir(mode=0o711)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size},mode=0711", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("only root may mount a small disk")
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@contextmanager
def reaped(process: subprocess.Popen[str]) -> Iterator[subprocess.Popen[str]]:
    """Kill a process at the end of the block if it is still there."""
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        for stream in (process.stdout, process.stderr):  # which a process that is left may hold
            if stream is not None:
                stream.close()


def is_listening(process: subprocess.Popen[str]) -> bool:
    """Whether poolviz handles signals yet: until then Python itself is starting. SIGHUP is the last
    one that it installs a handler for; Python has one for SIGINT."""
    try:
        status = Path(f"/proc/{process.pid}/status").read_text()
    except OSError:
        return True  # it has ended
    caught = next((line for line in status.splitlines() if line.startswith("SigCgt")), "SigCgt: 0")
    return bool(int(caught.split()[1], 16) >> (signal.SIGHUP - 1) & 1)


def sleep_until(moment: float) -> None:
    """Wait for a moment of `time.monotonic`."""
    time.sleep(max(moment - time.monotonic(), 0))


def recorded_until(session: Path) -> float | None:
    """Return the Unix time of the last sample of a session, which must open; None if there is no
    session or no sample in it."""
    if not session.exists():
        return None
    with Recorder.open(session) as recorder:
        assert recorder.began is not None
        assert sum(1 for _ in recorder.samples()) == recorder.summary().samples
        return recorder.began.started + recorder.duration if recorder.last is not None else None


def assert_quiet(err: str) -> None:
    """No traceback, nor what Python says of errors that it can't raise."""
    for words in ("Traceback", "Exception ignored", "Error:", "Fatal Python"):
        assert words not in err, err


def one_object(out: str) -> Any:
    """Return the one JSON object that was printed, whole; None if nothing was."""
    return json.loads(out) if out else None
