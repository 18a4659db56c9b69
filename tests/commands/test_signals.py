"""Signals at any moment of a command, and standard streams that can't be written."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psutil
import psycopg2
import pytest

from poolviz.servers.dispatch import drop_tables
from tests.commands.trials import (
    SEED,
    Trial,
    assert_quiet,
    is_listening,
    one_object,
    reaped,
    recorded_until,
    sleep_until,
)
from tests.servers.fixtures import ask, open_home, wait_until

SIGNALS = [signal.SIGTERM, signal.SIGHUP, signal.SIGINT]
# They share a handler: one of them stands for all where each takes a run of its own.
ONE_SIGNAL = [
    signal.SIGTERM,
    *(pytest.param(sign, marks=pytest.mark.on_demand) for sign in SIGNALS[1:]),
]
INTERRUPTED = 130
MANY = int(os.environ.get("POOLVIZ_SIGNALS", "200"))


@pytest.fixture(autouse=True)
def _hangups_are_not_ignored() -> Iterator[None]:
    """Children inherit an ignored SIGHUP, and then keep ignoring it, if the tests run in nohup."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.fixture
def trial(tmp_path: Path) -> Iterator[Trial]:
    with open_home() as home:
        yield Trial(home, tmp_path)


@pytest.mark.parametrize(
    "count", [3, pytest.param(MANY, marks=pytest.mark.on_demand)], ids=["few", "many"]
)
def test_a_signal_at_a_random_moment_ends_a_run_with_its_results(
    trial: Trial, tmp_path: Path, count: int
) -> None:
    """POOLVIZ_SIGNALS says how many there are on demand, POOLVIZ_SEED which moments."""
    began = time.monotonic()
    with reaped(trial.run(2)) as process:
        process.communicate(timeout=120)
    whole = time.monotonic() - began
    rng = random.Random(SEED)
    for number in range(count):
        sign = SIGNALS[number % len(SIGNALS)]
        delay = rng.uniform(0, whole)
        files = tmp_path / str(number)
        files.mkdir()
        if number % 10 == 9:  # the very first start, with initdb
            with open_home() as home:
                interrupt(Trial(home, files), sign, delay)
        else:
            interrupt(Trial(trial.home, files), sign, delay)


def interrupt(trial: Trial, sign: signal.Signals, delay: float) -> None:
    """Send a signal after `delay` seconds, and check what comes of it."""
    about = f"{sign.name} after {delay:.3f} s"
    began = time.monotonic()
    with reaped(trial.run(2)) as process:
        signal_at(process, sign, began + delay)
        out, err = process.communicate(timeout=60)
    assert_quiet(err)
    printed = one_object(out)
    whole = process.returncode == 0 and printed["complete"]  # it was over before
    assert process.returncode == INTERRUPTED or whole, f"{about}: {process.returncode}, {err}"
    sentences = [line for line in err.splitlines() if "PostgreSQL" not in line]
    assert len(sentences) <= 2, f"{about}: {err}"  # why it is incomplete, the files
    session, figures = trial.files / "s.poolviz", trial.files / "figures.json"
    assert (printed is None) == (not session.exists()) == (not figures.exists()), f"{about}: {err}"
    if printed is not None:
        assert recorded_until(session) is not None or printed["samples"] == 0
        assert json.loads(figures.read_text())["operations"] == printed["operations"]
    trial.nothing_is_left()


def signal_at(process: subprocess.Popen[str], sign: signal.Signals, moment: float) -> None:
    """Send a signal at a moment of `time.monotonic`, but not before Python itself has started."""
    wait_until(lambda: is_listening(process) or process.poll() is not None, "Python has started")
    sleep_until(moment)
    process.send_signal(sign)


@pytest.mark.parametrize("sign", ONE_SIGNAL)
def test_a_signal_during_the_first_preparation_leaves_nothing(
    trial: Trial, sign: signal.Signals
) -> None:
    with reaped(trial.run(2)) as process:
        wait_until(lambda: trial.named("bin/initdb"), "initdb has started")
        process.send_signal(sign)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (INTERRUPTED, "")
    assert_quiet(err)
    trial.nothing_is_left()
    assert not list(trial.home.rglob("data-new-*"))
    trial.the_next_run_starts()


def test_an_initdb_that_is_killed_is_one_sentence_and_the_next_start_succeeds(
    trial: Trial,
) -> None:
    with reaped(trial.run(2)) as process:
        wait_until(lambda: trial.named("bin/initdb"), "initdb has started")[0].kill()
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (3, "")
    assert_quiet(err)
    assert "PostgreSQL can't create its data" in err.splitlines()[-1]
    trial.nothing_is_left()
    trial.the_next_run_starts()


def test_several_that_start_at_once_the_very_first_time_all_run(trial: Trial) -> None:
    started = [trial.start("run", "--duration", "0.3", "--json", "--quiet") for _ in range(2)]
    for process in started:
        with reaped(process):
            out, err = process.communicate(timeout=180)
        assert (process.returncode, err) == (0, "")
        assert json.loads(out)["operations"] > 0
    trial.nothing_is_left()


@pytest.mark.parametrize(
    "count", [2, pytest.param(MANY // 10, marks=pytest.mark.on_demand)], ids=["few", "many"]
)
def test_a_signal_during_an_export_leaves_whole_files_or_none(trial: Trial, count: int) -> None:
    with reaped(trial.run(2)) as process:
        process.communicate(timeout=120)
    session = str(trial.files / "s.poolviz")
    rng = random.Random(SEED)
    names = ("a.csv", "a.png", "a.json", "b.poolviz", "a.toml")
    whole: dict[str, bytes] = {}
    longest = 0.0
    for number in range(count + 1):  # the first one isn't interrupted
        folder = trial.files / str(number)
        folder.mkdir()
        files = [str(folder / name) for name in names]
        sign, delay = SIGNALS[number % len(SIGNALS)], rng.uniform(0, longest)
        began = time.monotonic()
        with reaped(trial.start("export", session, *files)) as process:
            if number:
                signal_at(process, sign, began + delay)
            _, err = process.communicate(timeout=120)
        longest = longest or time.monotonic() - began
        assert process.returncode in ((INTERRUPTED, 0) if number else (0,)), err
        assert_quiet(err)
        for path in folder.iterdir():
            size = len(whole.setdefault(path.name, path.read_bytes()))
            assert path.stat().st_size == size, f"{path} after {delay:.3f} s"
    assert {"a.csv", "a.events.csv", "a.manifest.json", *names[1:]} == set(whole)
    trial.nothing_is_left()


def running(trial: Trial, seconds: float) -> subprocess.Popen[str]:
    """Return a run whose load has begun."""
    process = trial.run(seconds)
    wait_until((trial.files / "s.poolviz").exists, "the session is being written")
    return process


def test_a_signal_while_a_server_keeps_its_tables_back_ends_the_command(
    trial: Trial, conninfo: str
) -> None:
    waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted"
    with closing(psycopg2.connect(conninfo)) as other, other.cursor() as cursor:
        drop_tables(conninfo)
        cursor.execute("CREATE SCHEMA poolviz")  # not committed: another one waits for that
        load = ("--load", "statement=read", "--create-tables", "--json")
        with reaped(trial.start("run", "--dsn", conninfo, *load)) as process:
            wait_until(lambda: ask(conninfo, waiting) > 0, "it waits for the schema")
            process.send_signal(signal.SIGTERM)
            out, err = process.communicate(timeout=30)
        assert (process.returncode, out) == (INTERRUPTED, "")
        assert_quiet(err)
        trial.nothing_is_left()


@pytest.mark.parametrize("sign", ONE_SIGNAL)
def test_a_second_signal_ends_a_run_at_once(trial: Trial, sign: signal.Signals) -> None:
    with reaped(running(trial, 60)) as process:
        engine = trial.named("engine_child")
        engine[0].suspend()  # so that the first one takes its time
        process.send_signal(sign)
        time.sleep(0.4)  # more than what counts as one signal
        before = time.monotonic()
        process.send_signal(sign)
        process.wait(60)
        assert time.monotonic() - before < 2
        engine[0].kill()  # a stopped process doesn't see that its parent has ended
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (INTERRUPTED, "")
    assert_quiet(err)
    assert recorded_until(trial.files / "s.poolviz") is not None
    trial.nothing_is_left()


def test_a_signal_that_is_sent_twice_counts_once(trial: Trial) -> None:
    """`timeout` signals the process and its group, supervisors each process of theirs."""
    with reaped(running(trial, 60)) as process:
        for _ in range(20):
            process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=60)
    assert process.returncode == INTERRUPTED
    assert one_object(out)["incomplete_reason"] == "The run was stopped before its 60 s were over."
    assert_quiet(err)


def test_signals_to_every_process_end_a_run_with_its_results(trial: Trial) -> None:
    with reaped(running(trial, 60)) as process:
        for each in (*trial.named("poolviz run"), *trial.named("engine_child")):
            each.send_signal(signal.SIGTERM)
        for each in trial.named("watchdog.py"):
            each.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=60)
    assert process.returncode == INTERRUPTED
    assert one_object(out)["errors"] == {}
    assert_quiet(err)
    trial.nothing_is_left()


def test_a_hangup_that_is_ignored_stays_ignored(trial: Trial) -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with reaped(running(trial, 2)) as process:
        process.send_signal(signal.SIGHUP)
        out, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert one_object(out)["complete"] is True


def shell(command: str, home: Path | None = None) -> tuple[int, str, str]:
    """Run a line of bash in which $POOLVIZ is poolviz; status, standard output, standard error."""
    environment = {**os.environ, "POOLVIZ": f"{sys.executable} -m poolviz"}
    if home is not None:
        environment["POOLVIZ_HOME"] = str(home)
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {command}"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env=environment,
    )
    return done.returncode, done.stdout, done.stderr


FULL = "The result can't be written to standard output (No space left on device)"


@pytest.mark.parametrize(
    "what",
    [
        *("schema", "--version"),
        *(
            pytest.param(e, marks=pytest.mark.on_demand)
            for e in ("pools", "--help", "help fail-if")
        ),
    ],
)
def test_a_result_that_nobody_reads_or_that_has_no_space(what: str) -> None:
    status, _, err = shell(f"$POOLVIZ {what} > /dev/full")
    assert (status, err.count("\n")) == (1, 1)
    assert FULL in err
    assert shell(f"$POOLVIZ {what} >&-") == (0, "", "")
    assert shell(f"$POOLVIZ {what} <&- >&- 2>&-") == (0, "", "")
    status, _, err = shell(f"$POOLVIZ {what} | true")
    assert (status in (0, 1), err) == (True, "")  # 0 if it had written before its reader ended


def test_a_mistake_that_cannot_be_told_keeps_its_status() -> None:
    for where in ("2>&-", "2>/dev/full"):
        assert shell(f"$POOLVIZ run --pool nonsense {where}") == (2, "", "")


def test_a_run_goes_on_whatever_becomes_of_its_streams(trial: Trial) -> None:
    session = trial.files / "s.poolviz"
    run = f"$POOLVIZ run --duration 0.3 --out {session}"
    status, _, err = shell(f"{run} > /dev/full", trial.home)
    assert (status, FULL in err) == (1, True)
    assert recorded_until(session) is not None
    for where in (">&-", "2>/dev/full", "<&- >&- 2>&-", "2> >(true)"):
        session.unlink()
        status, out, err = shell(f"{run} {where}", trial.home)
        assert status == 0, (where, err)
        assert_quiet(err)
        assert ("operations" in out) == (">&-" not in where.replace("2>&-", ""))
        assert recorded_until(session) is not None
    trial.nothing_is_left()


def test_the_handlers_stand_before_anything_heavy_is_imported() -> None:
    code = "import poolviz.__main__, poolviz.system.interrupts, sys; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    loaded = set(done.stdout.split())
    assert not loaded & {"threading", "logging", "pathlib", "click", "msgspec", "numpy"}


def test_an_engine_is_deaf_to_signals_from_its_first_instant(trial: Trial) -> None:
    from poolviz.runs.spawned_engine import spawn_engine

    engine = spawn_engine()
    try:
        for sign in SIGNALS * 3:
            os.kill(engine.process.pid, sign)
        child = psutil.Process(engine.process.pid)
        wait_until(lambda: child.num_threads() > 1, "the engine's own code runs")
        for sign in SIGNALS:
            os.kill(engine.process.pid, sign)
        assert engine.process.poll() is None
    finally:
        engine.close()
    assert -engine.process.returncode not in SIGNALS
