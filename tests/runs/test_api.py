"""poolviz from Python: a run, its result, its session, and from where it may be called."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import Any

import psutil
import pytest

import poolviz
from poolviz.model.errors import InputError
from poolviz.model.messages import Report, SampleTaken
from poolviz.runs.run import Run
from tests.servers.fixtures import open_home, wait_until

QUICK = {"clients": 3, "statement": "select_1", "think_time": 0.01}
SCRIPT = """
import poolviz
print("imported by", __name__)
with poolviz.run(dsn={dsn!r}, load={load!r}, duration=0.4) as result:
    print("operations", result.operations > 0, result.pool)
"""


def test_a_run_gives_the_figures_and_the_session(conninfo: str, tmp_path: Path) -> None:
    changes = [{"at": 0.4, "pool_size": 2}, {"at": "600ms", "kill_backend": True}]
    with poolviz.run(
        limits={"pool_size": 1, "max_overflow": 0},
        load=QUICK,
        changes=changes,
        duration="0.8",
        dsn=conninfo,
    ) as result:
        assert isinstance(result, poolviz.Result)
        assert result.operations > 0
        assert result.pool == "sqlalchemy.QueuePool"
        assert [segment.limits["pool_size"] for segment in result.segments] == [1, 2, 2]
        began_with = [segment.began_with for segment in result.segments]
        assert began_with == [[], ["pool_size 1 → 2"], ["kill_backend"]]
        assert result.wait_time_s.count >= result.operations
        assert [mark.key for mark in result.marks] == ["pool_size", "kill_backend"]
        assert result.session.duration_s == pytest.approx(result.duration_s, abs=0.2)
        assert sum(sample.operations for sample in result.session.samples()) == result.operations
        saved = tmp_path / "kept.poolviz"
        assert result.session.export(saved) == (saved,)
        as_json = json.loads(json.dumps(result.to_dict()))
        assert as_json["operations"] == result.operations
        assert [mark["key"] for mark in as_json["marks"]] == ["pool_size", "kill_backend"]
    with poolviz.open_session(saved) as session:
        assert session.summary().operations == result.operations
        assert session.scenario.limits["pool_size"] == 1


def test_a_session_that_is_kept_is_whole_when_its_run_returns(
    conninfo: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POOLVIZ_SESSIONS", str(tmp_path))
    result = poolviz.run(load=QUICK, duration=0.3, dsn=conninfo, keep=True)
    assert result.session.path is not None
    with poolviz.open_session(result.session.path) as session:
        assert session.summary().complete
        assert session.summary().operations == result.operations
    assert sum(sample.operations for sample in result.session.samples()) == result.operations
    result.session.close()


def test_a_scenario_is_a_file_a_preset_a_mapping_or_a_scenario(
    conninfo: str, tmp_path: Path
) -> None:
    file = tmp_path / "mine.toml"
    file.write_text("duration = 0.3\n[load]\nclients = 2\n")
    mapping = {"duration": 0.3, "load": {"clients": 2}}
    found = []
    for given in (file, str(file), mapping):
        with poolviz.run(given, dsn=conninfo) as result:
            found.append(result.session.scenario)
    assert found[0] == found[1] == found[2]
    with poolviz.run(found[0], dsn=conninfo) as result:
        assert result.session.scenario == found[0]
    with poolviz.run("healthy_pool", dsn=conninfo, duration=0.3) as result:
        assert result.session.scenario.title


def test_another_pool_leaves_the_scenarios_limits_behind(conninfo: str) -> None:
    scenario = {"pool": "sqlalchemy.QueuePool", "limits": {"pool_size": 3}, "duration": 0.3}
    with poolviz.run(scenario, pool="psycopg2.ThreadedConnectionPool", dsn=conninfo) as result:
        assert set(result.session.scenario.limits) == {"minconn", "maxconn"}


def test_mistakes_are_errors_of_poolviz(conninfo: str) -> None:
    with pytest.raises(poolviz.InputError, match="pool_sise"):
        poolviz.run(limits={"pool_sise": 3}, dsn=conninfo)
    with pytest.raises(poolviz.ServerError):
        poolviz.run(dsn="postgresql://nobody@127.0.0.1:1/none", duration=0.3)
    with pytest.raises(poolviz.PoolvizError, match="There is no file"):
        poolviz.open_session("nowhere.poolviz")


@pytest.mark.parametrize("way", ["file", "standard input", "-c"])
def test_a_script_without_a_guard_is_imported_once(conninfo: str, tmp_path: Path, way: str) -> None:
    text = SCRIPT.format(dsn=conninfo, load=QUICK)
    file = tmp_path / "script.py"
    file.write_text(text)
    arguments = {"file": [str(file)], "standard input": ["-"], "-c": ["-c", text]}[way]
    done = subprocess.run(
        [sys.executable, *arguments],
        input=text if way == "standard input" else "",
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=Path(poolviz.__file__).parents[1],
    )
    assert done.stdout.splitlines() == [
        "imported by __main__",
        "operations True sqlalchemy.QueuePool",
    ], done.stderr


def test_importing_a_part_does_not_import_the_whole() -> None:
    code = "import poolviz, poolviz.model.errors, sys; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    loaded = set(done.stdout.split())
    assert not {name.partition(".")[0] for name in loaded} & {"numpy", "psycopg2", "PySide6"}
    assert "poolviz.runs" not in loaded


def test_every_name_of_the_api_is_there() -> None:
    assert {name for name in poolviz.__all__ if getattr(poolviz, name) is None} == set()
    assert set(poolviz.__all__) <= set(dir(poolviz))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = poolviz.nothing


def test_a_run_that_fails_has_what_was_measured_until_then(tmp_path: Path) -> None:
    with open_home() as home, pytest.MonkeyPatch.context() as patch:
        patch.setenv("POOLVIZ_HOME", str(home))

        def kill_the_engine() -> None:
            engine = wait_until(the_engine, "the engine is there")
            wait_until(busy.is_set, "the load has begun")
            engine.kill()

        busy = threading.Event()
        hear = Run._hear

        def hear_and_tell(run: Run, report: Report) -> None:
            hear(run, report)
            if isinstance(report, SampleTaken) and report.sample.operations:
                busy.set()

        patch.setattr(Run, "_hear", hear_and_tell)
        killer = threading.Thread(target=kill_the_engine)
        killer.start()
        with pytest.raises(poolviz.RunFailed, match="was killed by SIGKILL") as failed:
            poolviz.run(load=QUICK, duration=60)
        killer.join()
    assert failed.value.exit_status == 1
    assert failed.value.result is not None
    with failed.value.result as result:
        assert result.operations > 0
        assert (result.complete, result.incomplete_reason) == (False, str(failed.value))
        assert sum(sample.operations for sample in result.session.samples()) == result.operations
        assert result.to_dict()["complete"] is False
        saved = tmp_path / "kept.json"
        result.session.export(saved)
    manifest = json.loads(saved.read_text())["manifest"]
    assert (manifest["complete"], manifest["failure"]) == (False, str(failed.value))


def the_engine() -> psutil.Process | None:
    for child in psutil.Process().children():
        with suppress(psutil.Error):
            if "engine_child" in " ".join(child.cmdline()):
                return child
    return None


def test_a_run_whose_pool_cannot_be_opened_has_no_result(conninfo: str) -> None:
    with pytest.raises(poolviz.PoolvizError) as failed:
        poolviz.run(
            pool="psycopg2.ThreadedConnectionPool",
            load=QUICK,
            duration=0.3,
            dsn=f"{conninfo} options='-c no.such=1 -c nonsense'",
        )
    assert getattr(failed.value, "result", None) is None


ODD_REQUESTS: tuple[tuple[object, dict[str, Any]], ...] = (
    ({1: 2}, {}),
    ({"watch": {1: "x"}}, {}),
    ({"watch": {"en": "\ud800"}}, {}),
    ({"limits": {1: 2}}, {}),
    ({"changes": [{1: 2, "at": 1}]}, {}),
    (5, {}),
    ("a\0", {}),
    (None, {"limits": {1: 2}}),
    (None, {"limits": 5}),
    (None, {"changes": [5]}),
    (None, {"pool": 5}),
    (None, {"dsn": 5}),
    (None, {"seed": "x"}),
    (None, {"duration": object()}),
    (None, {"load": {"statement": "sql", "sql": "\ud800"}}),
)


@pytest.mark.parametrize(("scenario", "arguments"), ODD_REQUESTS, ids=range(len(ODD_REQUESTS)))
def test_arguments_of_any_kind_are_mistakes_in_a_sentence(
    scenario: Any, arguments: dict[str, Any]
) -> None:
    arguments = {"dsn": "sqlite:////nonexistent/x.db"} | arguments
    with pytest.raises(InputError) as caught:
        poolviz.run(scenario, **arguments)
    for problem in caught.value.problems:
        assert problem.isprintable()
        assert problem.endswith(".")


def test_tuples_and_other_mappings_are_as_good_as_lists_and_dictionaries() -> None:
    changes = ({"at": 1, "clients": 2},)
    with pytest.raises(poolviz.PoolvizError, match="There is no folder"):
        poolviz.run(MappingProxyType({"changes": changes}), dsn="sqlite:////nonexistent/x.db")
