"""Any arguments, to every command."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poolviz.load.faults import FAULT_PARAMETERS
from poolviz.load.settings import SETTINGS
from poolviz.pools.registry import listings
from poolviz.scenarios.presets import presets
from tests.fuzz.hostile import DSNS, NUMBERS, ODD, WORDS
from tests.fuzz.promise import Outcome, command, contents, counted, folder, fuzz, keeps_the_promise

pytestmark = pytest.mark.usefixtures("no_runs")

PIPE, LOOP, PLACE, SCENARIO = "pipe.csv", "loop.csv", "folder.csv", "own.toml"
_LIMITS = (
    "pool_size",
    "max_overflow",
    "pool_timeout",
    "minconn",
    "maxconn",
    "min_size",
    "max_size",
)
_KEYS = (*SETTINGS, *FAULT_PARAMETERS, *_LIMITS)
_POOLS = tuple(listing.id for listing in listings())
_PATHS = st.one_of(
    st.sampled_from(
        (
            *(PIPE, LOOP, PLACE, SCENARIO, f"{LOOP}/x.csv", f"./{SCENARIO}", "hard.toml"),
            *("a.csv", "a.json", "a.png", "a.toml", "a.poolviz", "a.CSV", "no/a.csv", "a", ".csv"),
            *("/dev/null", "/dev/zero", "/dev/full", "/proc/a.csv", "/proc/self/mem", "/a" * 3000),
            *(
                "x" * 300 + ".csv",
                "a\0.csv",
                "\ud800.csv",
                "\udc80.csv",
                "\n.csv",
                "é.csv",
                "-.csv",
            ),
        )
    ),
    ODD,
    WORDS.map("{}.csv".format),
)
_VALUES = st.one_of(WORDS, st.sampled_from(_KEYS), _PATHS)
_ASSIGNMENTS = st.one_of(
    st.builds("{}={}".format, st.sampled_from(_KEYS), _VALUES),
    st.builds("{}{}{}".format, WORDS, st.sampled_from(("=", " = ", "==", "")), WORDS),
)
_MOMENTS = st.one_of(
    st.builds("{}:{}".format, NUMBERS, _ASSIGNMENTS | st.sampled_from(_KEYS)), _ASSIGNMENTS, WORDS
)
# The names of classes in packages start a process each, which is tried elsewhere.
_POOL = st.one_of(st.sampled_from(_POOLS), WORDS.filter(lambda text: ":" not in text))
_SCENARIOS = st.sampled_from((SCENARIO, "leak", "undersized", "laek", *(p.name for p in presets())))
_SCOPED = st.builds(
    "errors > 0 {} {}".format,
    st.sampled_from(("in segment", "in any", "in every", "after", "during", "AFTER")),
    st.one_of(WORDS, st.sampled_from(_KEYS), st.just("segment")),
)
_CONDITIONS = st.one_of(WORDS, st.builds("{} > {}".format, st.just("wait_p95"), WORDS), _SCOPED)


def _option(name: str, values: st.SearchStrategy[str]) -> st.SearchStrategy[tuple[str, ...]]:
    return st.one_of(
        values.map(lambda value: (name, value)), values.map(lambda value: (f"{name}={value}",))
    )


_COMMON = (
    _option("--log", _PATHS.filter(lambda path: path != "/dev/zero")),
    _option("--log-level", st.sampled_from(("debug", "ERROR", "x", ""))),
    WORDS.map(lambda word: (word,)),
    st.sampled_from((("--",), ("-x",), ("--nonsense",), ("--help",), ("-h",), ("--version",))),
)
_RUN = (
    _option("--dsn", DSNS),
    _option("--pool", _POOL),
    _option("--limit", _ASSIGNMENTS),
    _option("--load", _ASSIGNMENTS),
    _option("--at", _MOMENTS),
    _option("--duration", WORDS),
    _option("--seed", WORDS),
    _option("--out", _PATHS),
    _option("--fail-if", _CONDITIONS),
    _option("--metrics", st.sampled_from(("x", "1:2:3", "", ":99999", "http://x:1", "-1"))),
    _option("--otlp", WORDS.filter(lambda text: not text.startswith("http"))),
    st.sampled_from((("--json",), ("--quiet",))),
    st.one_of(_SCENARIOS, _PATHS).map(lambda path: (path,)),
)


def _line(
    name: str, *parts: st.SearchStrategy[tuple[str, ...]], most: int = 4
) -> st.SearchStrategy[list[str]]:
    given = st.lists(st.one_of(*parts), max_size=most)
    return given.map(lambda each: [name, *(text for part in each for text in part)])


_TARGETS = st.sampled_from(("--drop", "--scale=0", "--scale=x", "--scale", "--scale=99999999999"))
LINES = st.one_of(
    *(_line("run", *_RUN, *_COMMON, most=6),) * 4,
    _line("export", _PATHS.map(lambda path: (path,)), *_COMMON),
    _line("tables", _option("--dsn", DSNS), _TARGETS.map(lambda text: (text,)), *_COMMON),
    _line("window", _option("--dsn", DSNS), _SCENARIOS.map(lambda path: (path,)), *_COMMON),
    _line("presets", st.just(("--json",)), *_COMMON),
    _line("schema", st.just(("--text",)), *_COMMON),
    _line("pools", st.just(("--json",)), *_COMMON),
    _line("help", st.sampled_from((("run",), ("fail-if",), ("rnu",))), *_COMMON),
    st.lists(WORDS | _PATHS, max_size=3),
)


def prepare(place: Path) -> None:
    """Make in an empty folder what arguments name."""
    os.mkfifo(place / PIPE)
    (place / LOOP).symlink_to(LOOP)
    (place / PLACE).mkdir()
    (place / SCENARIO).write_text("title = 'x'\n")
    (place / "hard.toml").hardlink_to(place / SCENARIO)


def is_log(line: list[str]) -> bool:
    """Return whether a log may have been written, as was asked for."""
    return any(part.startswith("--log") for part in line)


@fuzz(share=0.25, few=40)
@given(LINES)
def test_any_arguments_are_done_or_refused(line: list[str]) -> None:
    with folder() as place:
        prepare(place)
        before = contents(place)
        with counted("command lines", line):
            outcome = command(*line)
        keeps_the_promise(outcome)
        if not is_log(line):
            assert contents(place) == before


PRINTABLE = st.lists(
    st.one_of(
        st.sampled_from(("run", "export", "presets", "schema", "--text", "help", "fail-if", "-h")),
        st.binary(max_size=8).map(lambda data: data.replace(b"\0", b"")).map(os.fsdecode),
        _PATHS.filter(lambda path: "\0" not in path and path.isascii() and len(path) < 5000),
        st.sampled_from(("--limit=\udcff=1", "--dsn=\udcff", "--out=\udcff.csv", "--pool=é", "é")),
    ),
    max_size=4,
)
ENVIRONMENTS = (
    {},
    {"LANG": "C", "LC_ALL": "C"},
    {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    {"PYTHONIOENCODING": "ascii"},
)


@fuzz(share=0.008, few=4)
@given(PRINTABLE, st.sampled_from(ENVIRONMENTS))
def test_any_bytes_as_arguments_of_a_process(line: list[str], given: dict[str, str]) -> None:
    keeps = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "POOLVIZ_HOME": "/nonexistent"}
    with folder() as place, counted("processes", line):
        prepare(place)
        # Without a DSN that leads nowhere a right command line would start a server.
        arguments = [*line, "--dsn", "host=/nonexistent"] if line[:1] == ["run"] else line or ["-h"]
        if arguments[0] not in ("run", "export", "presets", "schema", "help", "-h"):
            arguments = ["help", *arguments]
        done = subprocess.run(
            [sys.executable, "-m", "poolviz", *map(os.fsencode, arguments)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env=keeps | given | {"PYTHONPATH": str(Path(__file__).parents[2])},
            timeout=60,
            check=False,
        )
    keeps_the_promise(
        Outcome(done.returncode, done.stdout.decode(), done.stderr.decode(errors="strict"))
    )


_LONG = (
    "9",
    " ",
    "a",
    ".",
    "-",
    "9.",
    "1e",
    ":",
    "=",
    "/",
    "%",
    "@",
    "'",
    ";",
    "\\",
    "9 s ",
    "and ",
)
_OPTIONS = (
    *("--duration={}", "--duration={}x", "--limit=pool_timeout={}x", "--load=rate={}x", "--at={}x"),
    *(
        "--at=1:clients={}x",
        "--fail-if={}",
        "--fail-if=wait_p95 >{}x",
        "--fail-if=errors > 0 in {}",
        "--seed={}",
        "--pool={}",
    ),
    *("--pool={}:x", "--dsn=postgresql://{}", "--dsn=host={}x", "--dsn=mysql://{}", "--out={}.csv"),
    *(
        "--dsn=postgresql://u:{}x",
        "--dsn=password={}x",
        "--load=sql={}x",
        "{}",
        "--limit={}",
        "-{}",
    ),
)


@pytest.mark.parametrize("option", _OPTIONS)
def test_a_long_argument_takes_no_longer_than_its_length(option: str) -> None:
    for piece in _LONG:
        line = ["run", option.format(piece * (60_000 // len(piece))), "--load=statement=sql"]
        with folder():
            with counted("long arguments", line):
                outcome = command(*line)
            keeps_the_promise(outcome)
