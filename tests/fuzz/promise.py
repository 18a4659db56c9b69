"""What poolviz promises of any input, and the account of how many inputs have been tried."""

from __future__ import annotations

import io
import os
import re
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, TypeVar

from hypothesis import HealthCheck, Phase, settings

from poolviz.commands.cli import run_command_line

INPUTS = int(os.environ.get("POOLVIZ_FUZZ", "0"))  # in all, if many are asked for
MARK = "m4rk3d"  # stands in every password
STATUSES = frozenset({0, 1, 2, 3, 99, 130})
# Seconds of processor time, of this process and its children; several times as many where each
# line is counted for the coverage.
SLOWEST = 5.0 if sys.gettrace() is None else 20.0
_HANG = 60  # seconds until what runs in this process is given up
_SENTENCE = re.compile(
    r"poolviz: .*[.?:]|Usage: .*|Try .*|poolviz: (DEBUG|INFO|WARNING|ERROR): .* \([\w.]+\)"
)
Test = TypeVar("Test", bound=Callable[..., Any])


@dataclass
class _Account:
    """How many inputs each test has tried, and its slowest one."""

    tried: Counter[str]
    slowest: dict[str, tuple[float, float, str]]  # seconds, of them processor time, the input


account = _Account(Counter(), {})
_NONE = (0.0, 0.0, "")


def fuzz(share: float, few: int = 20) -> Callable[[Test], Test]:
    """Have a test try `few` inputs, or its share of as many as POOLVIZ_FUZZ asks for."""
    number = max(few, round(INPUTS * share)) if INPUTS else few
    phases = (Phase.generate,) if INPUTS else (Phase.generate, Phase.shrink)  # to take no longer
    return settings(
        max_examples=number,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        database=None,
        phases=phases,
    )


@contextmanager
def counted(test: str, what: object) -> Iterator[None]:
    """Count an input, and end it if it hangs. Its processor time must be short: how long it waits
    for a processor says nothing of it."""
    began, worked = time.perf_counter(), _processor_time()
    with _alarm():
        yield
    took, work = time.perf_counter() - began, _processor_time() - worked
    account.tried[test] += 1
    if took > account.slowest.get(test, _NONE)[0]:
        account.slowest[test] = took, work, ascii(what)[:200]
    assert work < SLOWEST, f"{ascii(what)[:500]} took {work:.1f} s"


def _processor_time() -> float:
    """Return the seconds that this process and its children that have ended had a processor."""
    return sum(os.times()[:4])


@contextmanager
def _alarm() -> Iterator[None]:
    def give_up(_number: int, _frame: FrameType | None) -> None:
        raise TimeoutError(f"it hasn't ended after {_HANG} s")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(_HANG)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@dataclass(frozen=True)
class Outcome:
    """How a command ended, and what it printed."""

    status: int
    out: str
    err: str


@contextmanager
def folder() -> Iterator[Path]:
    """Work in an empty folder."""
    before = Path.cwd()
    with tempfile.TemporaryDirectory(prefix="fuzz-") as made:
        os.chdir(made)
        try:
            yield Path(made)
        finally:
            os.chdir(before)


def command(*arguments: str) -> Outcome:
    """Run a command line in this process."""
    out, err = io.BytesIO(), io.BytesIO()
    with (
        io.TextIOWrapper(out, encoding="utf-8", write_through=True) as stdout,
        io.TextIOWrapper(
            err, encoding="utf-8", errors="backslashreplace", write_through=True
        ) as stderr,
        redirect_stdout(stdout),
        redirect_stderr(stderr),
    ):
        status = run_command_line(list(arguments))
        return Outcome(status, out.getvalue().decode(), err.getvalue().decode())


def keeps_the_promise(outcome: Outcome) -> None:
    """Check the status, and that every mistake is told in a printable sentence without a secret."""
    assert outcome.status in STATUSES, outcome
    shown = outcome.out + outcome.err
    assert "Traceback (most recent" not in shown, outcome
    assert MARK not in shown, outcome
    if outcome.status in (2, 3):
        lines = outcome.err.splitlines()
        assert 1 <= len(lines) <= 25, outcome
        for line in lines:
            assert line.isprintable(), outcome
            assert len(line) < 1000, outcome
            assert _SENTENCE.fullmatch(line), outcome


def sentence_of(error: Exception) -> None:
    """Check that an error's message is printable and short, and has no secret."""
    text = str(error)
    assert text.strip()
    assert MARK not in text
    for line in text.split("\n"):
        assert line.isprintable()
        assert len(line) < 1000


def unchanged(before: dict[str, bytes], place: Path) -> None:
    """Check that a folder has what it had."""
    assert contents(place) == before


def contents(place: Path) -> dict[str, bytes]:
    """Return the files in a folder."""
    found = {}
    for path in place.iterdir():
        with suppress(OSError):
            found[path.name] = path.read_bytes() if path.is_file() else b""
    return found


def report() -> Iterator[str]:
    """Yield a line for each test, and one for all: how many inputs, and the slowest."""
    for test, number in account.tried.items():
        yield f"{test}: {number:,} inputs, the slowest {_shown(account.slowest.get(test, _NONE))}"
    if account.tried:
        total = sum(account.tried.values())
        yield f"{total:,} inputs in all, the slowest {_shown(max(account.slowest.values()))}"


def _shown(slowest: tuple[float, float, str]) -> str:
    took, work, what = slowest
    return f"{took:.2f} s, {work:.2f} s of a processor: {what[:100]}"


assert sys.platform != "win32"  # the alarm needs signals
