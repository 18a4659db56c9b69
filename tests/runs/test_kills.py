"""Processes of a run that are killed at random moments: its session opens, nothing is left."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from poolviz.sessions.recorder import Recorder
from tests.commands.trials import SEED, Trial, assert_quiet, one_object, reaped, recorded_until
from tests.servers.fixtures import open_home, wait_until

MANY = int(os.environ.get("POOLVIZ_KILLS", "20"))
MOST_LOST = 1.0  # seconds of a run whose command is killed
SECONDS = 3.0
# Whose processes are killed, by a part of their command lines.
VICTIMS = {
    "command": ("-m poolviz",),
    "engine": ("engine_child",),
    "both": ("-m poolviz", "engine_child"),
    "server": ("bin/postgres -D",),
    "watchdog": ("watchdog.py",),
}


@pytest.fixture(scope="module")
def used_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A home with the data of a server in it, so that runs start without initdb."""
    with open_home() as home:
        Trial(home, tmp_path_factory.mktemp("first")).the_next_run_starts()
        yield home


@pytest.mark.parametrize(
    "count", [1, pytest.param(MANY, marks=pytest.mark.on_demand)], ids=["few", "many"]
)
@pytest.mark.parametrize("victim", VICTIMS)
def test_what_is_killed_at_a_random_moment_leaves_the_session_and_nothing_else(
    used_home: Path, tmp_path: Path, victim: str, count: int
) -> None:
    """POOLVIZ_KILLS says how many there are of each on demand, POOLVIZ_SEED which moments."""
    rng = random.Random(f"{SEED} {victim}")
    for number in range(count):
        files = tmp_path / str(number)
        files.mkdir()
        trial = Trial(used_home, files)
        kill(trial, victim, rng.uniform(0, SECONDS))
        trial.nothing_is_left()
        trial.the_next_run_starts()


def kill(trial: Trial, victim: str, delay: float) -> None:
    """Kill a process of a run `delay` seconds after its process was there, and check what the
    command and the session say."""
    session = trial.files / "s.poolviz"
    about = f"{victim} killed after {delay:.3f} s"
    with reaped(trial.run(SECONDS)) as command:
        wait_until(lambda: has_all(trial, victim) or command.poll() is not None, "it is there")
        time.sleep(delay)
        for process in victims(trial, victim):
            with suppress(psutil.NoSuchProcess):
                process.kill()
        killed = time.time()
        out, err = command.communicate(timeout=120)
    assert_quiet(err)
    printed = one_object(out)
    until = recorded_until(session)
    if victim in ("command", "both"):
        if until is not None and not has_ended(session):
            assert killed - until <= MOST_LOST, about
        return
    # 1 where the engine or the run failed, 3 where there was no server to work with any more.
    assert command.returncode in (0, 1, 3), f"{about}: {command.returncode}, {err}"
    if printed is None:
        assert command.returncode != 0, about
        return
    assert (until is None) == (printed["samples"] == 0), about
    assert command.returncode != 0 or printed["complete"], about
    if victim == "engine" and not printed["complete"]:
        assert "was killed by SIGKILL" in printed["incomplete_reason"], about
        assert until is None or killed - until <= MOST_LOST, about


def victims(trial: Trial, victim: str) -> Iterator[psutil.Process]:
    """Yield the processes to kill that are there: the parents before their children."""
    for part in VICTIMS[victim]:
        yield from trial.named(part)


def has_all(trial: Trial, victim: str) -> bool:
    """Whether all of them are there, so that a moment can be chosen."""
    return all(trial.named(part) for part in VICTIMS[victim])


def has_ended(session: Path) -> bool:
    """Whether the whole run is in the session."""
    with Recorder.open(session) as recorder:
        return recorder.ended is not None
