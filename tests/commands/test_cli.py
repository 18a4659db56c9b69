"""The command line as users meet it: results, files, exit statuses, and one sentence a mistake."""

from __future__ import annotations

import csv
import html
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from poolviz.commands.cli import run_command_line
from poolviz.load.settings import SETTINGS
from poolviz.model.scenario import LANGUAGES
from poolviz.pools.registry import POOLS
from poolviz.runs.runner import Runner
from poolviz.scenarios.presets import presets
from poolviz.scenarios.toml_file import read_draft
from poolviz.sessions.recorder import Recorder
from tests.commands.trials import small_disk
from tests.servers.fixtures import PROJECT, open_home, wait_until

SHORT = ["--load", "clients=4", "--duration", "0.6"]


@pytest.fixture
def run(
    conninfo: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: Any,
) -> Iterator[Any]:
    """Runs a command line in an empty folder; its status, standard output, standard error."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))  # the window's log

    def command(*arguments: str) -> tuple[int, str, str]:
        status = run_command_line([str(argument) for argument in arguments])
        printed = capsys.readouterr()
        return status, printed.out, printed.err

    return command


def poolviz(*arguments: str, **options: Any) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "poolviz", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


@pytest.mark.parametrize("pool", [id for id, p in POOLS.items() if "postgresql" in p.servers])
def test_run_prints_one_json_object(run: Any, conninfo: str, pool: str) -> None:
    result = short_run(run, pool, conninfo, 1 if POOLS[pool].one_client else 4)
    assert result["throughput_per_s"] == pytest.approx(
        result["operations"] / result["duration_s"], rel=1e-6
    )
    assert set(result["wait_time_s"]) == {"count", "mean", "p50", "p95", "p99", "max"}
    assert len(result["segments"]) == 1


@pytest.mark.parametrize("pool", [id for id, p in POOLS.items() if "sqlite" in p.servers])
def test_a_pool_is_run_on_sqlite(run: Any, tmp_path: Path, pool: str) -> None:
    short_run(run, pool, f"sqlite:///{tmp_path}/some.db", 1 if POOLS[pool].one_client else 4)
    assert (tmp_path / "some.db").exists()


@pytest.mark.parametrize("pool", [id for id, p in POOLS.items() if "mysql" in p.servers])
def test_a_pool_is_run_on_mysql(run: Any, mysql_url: str, pool: str) -> None:
    # Clients that share one connection of PyMySQL's break it: see the pool's `about`.
    alone = POOLS[pool].one_client or POOLS[pool].shares
    short_run(run, pool, mysql_url, 1 if alone else 4)


def short_run(run: Any, pool: str, dsn: str, clients: int) -> Any:
    """What a run of half a second prints; nothing went wrong in it, and nothing is left open."""
    how = ("--load", f"clients={clients}", "--duration", "0.6", "--json", "--quiet")
    status, out, err = run("run", "--dsn", dsn, "--pool", pool, *how)
    result = json.loads(out)
    assert (status, err) == (0, "")
    assert result["pool"] == pool
    assert result["operations"] > 0
    assert result["errors"] == {}
    assert result["timeouts"] == 0
    assert result["connections"]["open_after_close"] == 0
    return result


def test_changes_make_segments_with_their_limits(run: Any, conninfo: str) -> None:
    status, out, _ = run(
        *("run", "--dsn", conninfo, "--pool", "psycopg2.ThreadedConnectionPool"),
        *("--limit", "minconn=2", "--limit", "maxconn=8", "--load", "clients=6"),
        *("--at", "0.4:maxconn=3", "--at", "800ms:maxconn=8", "--duration", "1.2", "--json"),
    )
    assert status == 0
    segments = json.loads(out)["segments"]
    assert [segment["limits"]["maxconn"] for segment in segments] == [8, 3, 8]
    assert segments[1]["from_s"] == pytest.approx(segments[0]["to_s"])


def test_every_out_is_written(run: Any, conninfo: str, tmp_path: Path) -> None:
    files = [tmp_path / name for name in ("a.csv", "a.json", "a.png", "a.poolviz", "b.poolviz")]
    outs = [part for file in files for part in ("--out", str(file))]
    status, _, _ = run("run", "--dsn", conninfo, *SHORT, *outs)
    assert status == 0
    with files[0].open(newline="") as text:
        rows = list(csv.DictReader(text))
    figures = json.loads(files[1].read_text())
    assert figures["operations"] == sum(int(row["operations"]) for row in rows) > 0
    assert files[2].read_bytes().startswith(b"\x89PNG")
    for session in files[3:]:
        with Recorder.open(session) as recorder:
            assert recorder.summary().operations == figures["operations"]
    status, _, _ = run("export", "--tidy", str(files[3]), str(tmp_path / "b.csv"))
    assert status == 0
    with (tmp_path / "b.csv").open(newline="") as text:
        rows = [row for row in csv.DictReader(text) if row["series"] == "operations"]
    assert figures["operations"] == sum(int(row["value"]) for row in rows)
    assert not [path for path in tmp_path.iterdir() if path.name[0] not in "ab"]


def test_a_session_is_exported_afterwards(run: Any, conninfo: str, tmp_path: Path) -> None:
    assert run("run", "--dsn", conninfo, *SHORT, "--out", "run.poolviz", "--quiet")[0] == 0
    status, _, err = run("export", "run.poolviz", "run.csv", "run.json", "run.png")
    names = "run.csv, run.events.csv, run.manifest.json, run.json, run.png"
    assert (status, err) == (0, f"poolviz: Wrote {names}.\n")
    assert (tmp_path / "run.png").stat().st_size > 10_000
    chosen = ["--charts", "wait, throughput", "--charts", "server", "--charts", "wait"]
    assert run("export", "run.poolviz", "run.svg", "run.html", *chosen)[0] == 0
    picture, page = ((tmp_path / name).read_text("utf-8") for name in ("run.svg", "run.html"))
    for title in ("Wait to acquire", "Throughput", "The server's view"):
        assert f">{title}</text>" in html.unescape(picture)
    drawn = re.findall(r'<div id="chart-(\w+)"', page)
    assert drawn == ["wait", "throughput", "server"]


def test_a_scenario_file_is_run(run: Any, conninfo: str, tmp_path: Path) -> None:
    (tmp_path / "burst.toml").write_text(
        'pool = "sqlalchemy.QueuePool"\nduration = "800ms"\nseed = 7\n'
        "[limits]\npool_size = 2\n[load]\nclients = 3\nthink_time = '2ms'\n"
        "[[changes]]\nat = 0.4\nclients = 6\n"
    )
    status, out, _ = run("run", "burst.toml", "--dsn", conninfo, "--json")
    assert status == 0
    segments = json.loads(out)["segments"]
    assert [segment["load"]["clients"] for segment in segments] == [3, 6]
    assert segments[0]["limits"]["pool_size"] == 2


def test_a_run_is_saved_as_a_scenario_that_repeats_it(run: Any, conninfo: str) -> None:
    status, _, err = run(
        *("run", "--dsn", conninfo, "--load", "clients=4", "--duration", "1.2", "--quiet"),
        *("--limit", "pool_size=3", "--seed", "5", "--at", "0.3:pool_size=2"),
        *("--at", "0.3:leak_every=1000", "--at", "600ms:kill_backend", "--at", "0.9:clients=6"),
        *("--out", "run.poolviz", "--out", "run.toml", "--fail-if", "operations < 1"),
    )
    assert (status, err) == (0, "")
    first = read_draft(Path("run.toml"))
    assert (first.limits["pool_size"], first.load["clients"], first.seed) == (3, 4, 5)
    assert (first.duration, first.fail_if, first.dsn) == (1.2, ["operations < 1"], None)
    happened = [(key, value) for change in first.changes for key, value in change.items()]
    assert [one for one in happened if one[0] != "at"] == [
        ("pool_size", 2),
        ("leak_every", 1000),
        ("kill_backend", True),
        ("clients", 6),
    ]
    assert run("export", "run.poolviz", "again.toml")[0] == 0
    assert Path("again.toml").read_text() == Path("run.toml").read_text()
    assert run("run", "again.toml", "--dsn", conninfo, "--quiet", "--out", "third.toml")[0] == 0
    third = read_draft(Path("third.toml"))
    assert (third.limits, third.load) == (first.limits, first.load)
    assert [set(change) for change in third.changes] == [set(change) for change in first.changes]


def test_a_preset_is_run_by_its_name(run: Any, conninfo: str, tmp_path: Path) -> None:
    name = presets()[0].name
    status, out, _ = run("run", name, "--dsn", conninfo, "--duration", "0.6", "--json")
    assert status == 0
    assert json.loads(out)["operations"] > 0
    (tmp_path / name).write_text("nonsense = 1\n")  # a file of that name goes first
    status, _, err = run("run", name)
    assert (status, err.count("nonsense")) == (2, 1)


def test_presets_are_listed_with_what_to_watch(run: Any) -> None:
    status, out, _ = run("presets", "--json")
    listed = json.loads(out)["presets"]
    assert status == 0
    assert [preset["name"] for preset in listed] == [preset.name for preset in presets()]
    text = run("presets")[1]
    for preset in listed:
        assert preset["title"]
        assert set(preset["watch"]) == set(LANGUAGES)
        assert all(said.count(". ") == 1 and said[-1] == "." for said in preset["watch"].values())
        assert preset["name"] in text
        assert preset["watch"]["en"] in text


def test_the_schema_is_printed_for_editors_and_for_people(run: Any) -> None:
    status, out, _ = run("schema")
    assert status == 0
    assert json.loads(out)["$schema"].endswith("2020-12/schema")
    text = run("schema", "--text")[1]
    assert all(f"  {key}: " in text for key in SETTINGS)


def test_files_are_looked_for_where_they_are_named(run: Any, conninfo: str, tmp_path: Path) -> None:
    """In a scenario from its folder, in an option from the working folder."""
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "times.txt").write_text("1ms\n")
    (tmp_path / "here.txt").write_text("2ms\n")
    (tmp_path / "deep" / "own.toml").write_text(
        "[load]\nthink_distribution = 'file'\nthink_file = 'times.txt'\n"
        "hold_distribution = 'file'\nhold_file = 'nowhere.txt'\n"
    )
    command = ("run", "deep/own.toml", "--dsn", conninfo, *SHORT)
    status, _, err = run(*command)
    assert status == 2
    assert "nowhere.txt can't be read" in err
    assert run(*command, "--load", "hold_file=here.txt", "--quiet")[0] == 0


def test_a_crossed_threshold_ends_with_99(run: Any, conninfo: str) -> None:
    ways = ("--fail-if", "operations > 0", "--fail-if", "errors > 0")
    status, out, err = run("run", "--dsn", conninfo, *SHORT, *ways, "--json", "--quiet")
    assert status == 99
    assert json.loads(out)["operations"] > 0
    assert "operations > 0" in err
    assert "errors" not in err


def test_a_threshold_of_a_segment_is_checked_on_its_figures(run: Any, conninfo: str) -> None:
    ways = ("--at", "0.3:clients=2", "--fail-if", "operations > 0 after clients")
    passed = ("--fail-if", "operations < 1 in any segment", "--fail-if", "errors > 0 in segment 9")
    status, out, err = run("run", "--dsn", conninfo, *SHORT, *ways, *passed, "--json", "--quiet")
    assert status == 99
    result = json.loads(out)
    after, in_any, ninth = result["thresholds"]
    assert (after["outcome"], after["segment"]) == ("crossed", 2)
    assert after["value"] == result["segments"][1]["operations"]
    assert in_any["outcome"] == "passed"
    assert in_any["value"] == min(each["operations"] for each in result["segments"])
    assert (ninth["outcome"], ninth["value"], ninth["segment"]) == ("not_measured", None, None)
    assert [after["sentence"] in err, in_any["sentence"] in err] == [True, False]
    assert "'errors > 0 in segment 9' can't be checked: the run had 2 segments." in err


BAD = {
    "unknown pool": ["run", "--pool", "sqlalchemy.QuePool"],
    "unknown limit": ["run", "--limit", "pool_sise=4"],
    "unknown setting": ["run", "--load", "client=4"],
    "unknown change": ["run", "--at", "3:pool_sise=4"],
    "unknown option": ["run", "--bogus"],
    "unknown command": ["rnu"],
    "wrong type": ["run", "--limit", "pool_size=many"],
    "out of bounds": ["run", "--limit", "pool_size=0"],
    "minconn over maxconn": [
        *("run", "--pool", "psycopg2.ThreadedConnectionPool"),
        *("--limit", "minconn=9", "--limit", "maxconn=3"),
    ],
    "minconn over a later maxconn": [
        *("run", "--pool", "psycopg2.ThreadedConnectionPool", "--limit", "minconn=5"),
        *("--at", "3:maxconn=4"),
    ],
    "negative time": ["run", "--duration=-1"],
    "no time": ["run", "--duration", "soon"],
    "a change after the end": ["run", "--duration", "3", "--at", "5:clients=1"],
    "half a change": ["run", "--at", "5"],
    "no such file": ["run", "nowhere.toml"],
    "not TOML": ["run", "bad.toml"],
    "a scenario with an unknown key": ["run", "unknown.toml"],
    "a scenario with a wrong type": ["run", "wrong.toml"],
    "neither a file nor a preset": ["run", "healthypool"],
    "a change of nothing": ["run", "--at", "5:clients"],
    "a fault of nothing": ["run", "--at", "5:kill_bakend"],
    "a fault with a wrong value": ["run", "--at", "5:leak_every=often"],
    "output over the scenario": ["run", "right.toml", "--out", "right.toml"],
    "unwritable output": ["run", "--out", "nowhere/graph.png"],
    "an output that is a folder": ["run", "--out", "folder.csv"],
    "an output over another file": ["run", "--out", "notes.poolviz"],
    "unknown format": ["run", "--out", "graph.bmp"],
    "bad threshold": ["run", "--fail-if", "wait > soon"],
    "unknown segment": ["run", "--fail-if", "errors > 0 in segment x"],
    "unknown change of a threshold": ["run", "--fail-if", "errors > 0 after pool_sise"],
    "not a session": ["export", "notes.poolviz", "a.csv"],
    "no session": ["export", "nowhere.poolviz", "a.csv"],
    "an unknown chart": ["export", "run.poolviz", "a.png", "--charts", "wait,waits"],
    "charts of data alone": ["export", "run.poolviz", "a.csv", "--charts", "wait"],
    "no chart": ["export", "run.poolviz", "a.png", "--charts", ","],
    "a truncated session": ["export", "cut.poolviz", "a.csv"],
    "bad DSN": ["run", "--dsn", "postgresql://u:hunter2@[::1/x"],
}


@pytest.mark.parametrize("arguments", BAD.values(), ids=BAD.keys())
def test_a_mistake_gets_one_sentence_and_nothing_is_written(
    run: Any, conninfo: str, tmp_path: Path, arguments: list[str]
) -> None:
    (tmp_path / "bad.toml").write_text("pool = \n")
    (tmp_path / "unknown.toml").write_text("poool = 'x'\n")
    (tmp_path / "wrong.toml").write_text("[load]\nclients = 'many'\n")
    (tmp_path / "right.toml").write_text("seed = 3\n")
    (tmp_path / "notes.poolviz").write_text("not a session\n")
    (tmp_path / "folder.csv").mkdir()
    if "cut.poolviz" in arguments:
        run("run", "--dsn", conninfo, *SHORT, "--out", "whole.poolviz")
        whole = tmp_path / "whole.poolviz"
        (tmp_path / "cut.poolviz").write_bytes(whole.read_bytes()[:6000])
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    status, out, err = run(*arguments)
    assert status == 2
    assert out == ""
    assert len(err.splitlines()) == 1, err
    assert err.startswith("poolviz: ")
    assert err.rstrip()[-1] in ".?"
    assert "Traceback" not in err
    assert "hunter2" not in err
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_several_mistakes_are_told_at_once(run: Any, tmp_path: Path) -> None:
    (tmp_path / "five.toml").write_text(
        'duration = "soon"\n[limits]\npool_size = -3\nnope = 1\n[load]\nclients = 1.5\nthink = 2\n'
    )
    status, _, err = run("run", "five.toml")
    assert status == 2
    assert [line.split(":")[1] for line in err.splitlines()] == [
        f" five.toml, line {line}" for line in (1, 3, 4, 6, 7)
    ]
    options = ("--limit", "pool_sise=3", "--at", "3:clients=x", "--fail-if", "wait > 3")
    assert len(run("run", "five.toml", *options)[2].splitlines()) == 8


def test_without_a_server_the_status_is_3(run: Any) -> None:
    status, out, err = run("run", "--dsn", "postgresql://u:hunter2@127.0.0.1:1/x", "--json")
    assert (status, out) == (3, "")
    assert "127.0.0.1:1" in err
    assert "hunter2" not in err


def test_ctrl_c_ends_a_run_with_its_results(conninfo: str) -> None:
    process = poolviz("run", "--dsn", conninfo, "--duration", "600", "--json")
    assert process.stderr is not None
    assert "of 600 s" in process.stderr.readline()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert json.loads(out)["operations"] > 0
    assert "Traceback" not in err


def test_a_killed_run_leaves_its_session_and_no_server(tmp_path: Path) -> None:
    with open_home() as home:
        session = tmp_path / "killed.poolviz"
        process = poolviz(
            *("run", "--duration", "600", "--out", str(session)),
            env={**os.environ, "POOLVIZ_HOME": str(home)},
        )
        assert process.stderr is not None
        line = ""
        while "of 600 s" not in line:
            line = process.stderr.readline()
        started = psutil.Process(process.pid).children(recursive=True)
        assert any("postgres" in child.name() for child in started)
        process.kill()
        process.communicate()
        wait_until(lambda: not any(child.is_running() for child in started), "the server to end")
    with Recorder.open(session) as recorder:
        assert recorder.duration >= 3.5
        assert recorder.ended is None


def test_without_a_display_the_window_becomes_a_run(conninfo: str, tmp_path: Path) -> None:
    bare = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    scenario = tmp_path / "short.toml"
    scenario.write_text("duration = 1\n")
    process = poolviz(str(scenario), "--dsn", conninfo, cwd=tmp_path, env=bare)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    sentence = err.splitlines()[0]
    assert "no display" in sentence
    named = [word for word in sentence.replace(".csv.", ".csv").split() if "QueuePool_" in word]
    assert [Path(name).suffix for name in named] == [".png", ".csv"]
    assert all((tmp_path / name).stat().st_size > 1000 for name in named)
    assert "operations" in out


def test_the_package_runs_from_the_source_tree() -> None:
    process = poolviz("--version", cwd=PROJECT)
    out, _ = process.communicate(timeout=60)
    assert out.startswith("poolviz ")


def test_a_run_in_which_nothing_succeeds_ends_with_1_and_says_why(run: Any, conninfo: str) -> None:
    load = ("--load", "statement=sql", "--load", "sql=SELEC 1")
    status, out, err = run("run", "--dsn", conninfo, *SHORT, *load, "--json", "--quiet")
    result = json.loads(out)
    assert (status, result["operations"], result["complete"]) == (1, 0, True)
    assert err.startswith("poolviz: No operation succeeded: SyntaxError was raised ")
    assert 'times (syntax error at or near "SELEC"' in err
    assert len(err.splitlines()) == 1
    crossed = run("run", "--dsn", conninfo, *SHORT, *load, "--quiet", "--fail-if", "errors > 0")
    assert crossed[0] == 99
    assert "No operation succeeded" in crossed[2]


def test_a_run_in_which_nobody_is_asked_for_anything_is_done(run: Any, conninfo: str) -> None:
    for load in (("clients=0",), ("arrivals=open", "rate=0"), ("think_time=600",)):
        options = [part for each in load for part in ("--load", each)]
        status, out, err = run("run", "--dsn", conninfo, *SHORT, *options, "--json", "--quiet")
        result = json.loads(out)
        assert (status, err, result["complete"]) == (0, "", True), load
        if load != ("think_time=600",):
            assert result["operations"] == 0


def test_a_file_that_cannot_be_written_at_the_end_takes_no_other_with_it(
    run: Any, conninfo: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "gone"
    folder.mkdir()
    begin = Runner.begin

    def begin_and_lose_a_folder(*arguments: Any, **named: Any) -> None:
        begin(*arguments, **named)
        folder.rmdir()

    monkeypatch.setattr(Runner, "begin", begin_and_lose_a_folder)
    files = ("--out", "gone/a.csv", "--out", "b.json")
    status, out, err = run("run", "--dsn", conninfo, *SHORT, *files, "--json", "--quiet")
    assert (status, len(err.splitlines())) == (1, 1)
    assert "gone/a.csv" in err
    assert json.loads(out)["operations"] == json.loads(Path("b.json").read_text())["operations"]


def test_a_session_that_could_not_be_written_whole_makes_a_run_incomplete(
    run: Any, conninfo: str, tmp_path: Path
) -> None:
    with small_disk(tmp_path / "small", "80k"):
        files = ("--out", "small/s.poolviz", "--out", "small/x.csv", "--out", "x.json")
        load = ("--load", "clients=4", "--duration", "3")
        status, out, err = run("run", "--dsn", conninfo, *load, *files, "--json", "--quiet")
        assert not list((tmp_path / "small").glob(".poolviz-*"))
    result = json.loads(out)
    assert (status, result["complete"]) == (1, False)
    assert "Can't write the session to small/s.poolviz" in result["incomplete_reason"]
    assert result["operations"] == json.loads(Path("x.json").read_text())["operations"] > 0
    sentences = err.splitlines()
    assert len(sentences) == 2
    assert "Can't write small/x.csv: No space left on device." in sentences[0]
    assert result["incomplete_reason"] in sentences[1]
