"""What CI systems show of a run: JUnit XML and a line of Markdown."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterable
from pathlib import Path

import msgspec
import pytest
from junitparser import Error, Failure, JUnitXml, TestSuite

from poolviz.model.messages import Report, RunEnded, RunStarted
from poolviz.sessions.export.exporter import Exporter
from poolviz.sessions.export.registry import exporter_for
from poolviz.sessions.recorder import Recorder
from poolviz.sessions.thresholds import verdicts
from tests.sessions.builders import Tick, began, ended, record, reports, samples

CONDITIONS = ("wait_p95 > 50ms", "wait_p95 > 1s", "use_p95 > 1s in segment 1", "errors > 0")
HOSTILE = 'app/<db>&"x".py:Pool\x1b[31m\uffff\n*bold* @all `code` $x$ https://x.test [a](b)'


def recorded(
    *conditions: str, pool: str = "sqlalchemy.QueuePool", end: RunEnded | None = None
) -> Iterable[Report]:
    """A second with waits of 61 ms, checked by these conditions."""
    begun = began()
    scenario = msgspec.structs.replace(begun.scenario, fail_if=conditions, pool=pool)
    ticks = [Tick(waits=[0.061], operations=2)] * 20
    for report in reports(samples(ticks)):
        if isinstance(report, RunStarted):
            yield msgspec.structs.replace(report, scenario=scenario)
        elif isinstance(report, RunEnded):
            yield end or report
        else:
            yield report


def written(run: Iterable[Report], path: Path) -> str:
    with Recorder() as recorder:
        exporter_for(path).export(record(recorder, run), path)
    return path.read_text(encoding="utf-8")


def suite_of(run: Iterable[Report], folder: Path) -> TestSuite:
    path = folder / "result.xml"
    check_by_schema(ET.fromstring(written(run, path)))
    (suite,) = JUnitXml.fromfile(str(path))
    return suite


def check_by_schema(root: ET.Element) -> None:
    """What the schema of Ant's JUnit task requires, the strictest of those that are in use: the
    elements in their order, and their attributes."""
    assert (root.tag, root.attrib) == ("testsuites", {})
    (suite,) = root
    names = "name package id timestamp hostname tests failures errors time"
    assert set(suite.attrib) == set(names.split())
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", suite.attrib["timestamp"])
    cases = len(suite.findall("testcase"))
    order = ["properties", *["testcase"] * cases, "system-out", "system-err"]
    assert [child.tag for child in suite] == order
    assert suite.attrib["tests"] == f"{cases}"
    for kind in ("failure", "error"):
        assert suite.attrib[f"{kind}s"] == f"{len(suite.findall(f'testcase/{kind}'))}"
    for each in suite[0]:
        assert (each.tag, set(each.attrib)) == ("property", {"name", "value"})
        assert each.attrib["name"]
    for case in suite.iter("testcase"):
        assert set(case.attrib) == {"name", "classname", "time"}
        assert re.fullmatch(r"\d+\.\d+", case.attrib["time"])
        assert len(case) <= 1
        for result in case:
            assert set(result.attrib) == {"type", "message"}


def test_each_condition_is_a_test_case(tmp_path: Path) -> None:
    suite = suite_of(recorded(*CONDITIONS), tmp_path)
    assert (suite.tests, suite.failures, suite.errors) == (5, 1, 1)
    ran, crossed, passed, unmeasured, none = suite
    assert (ran.name, ran.time, ran.result) == ("run", 1.0, [])
    assert (passed.result, none.result) == ([], [])
    (failure,), (error,) = crossed.result, unmeasured.result
    assert isinstance(failure, Failure)
    assert failure.message == "'wait_p95 > 50 ms' is true: wait_p95 was 61 ms."
    assert isinstance(error, Error)
    assert error.message.startswith("'use_p95 > 1 s in segment 1' can't be checked: ")
    assert [case.name for case in (crossed, passed)] == ["wait_p95 > 50 ms", "wait_p95 > 1 s"]
    properties = {each.name: each.value for each in suite.properties()}
    assert properties["pool"] == "sqlalchemy.QueuePool"
    assert (properties["limits.pool_size"], properties["load.clients"]) == ("5", "40")
    assert properties["limits.pool_pre_ping"] == "false"
    assert (properties["operations"], float(properties["wait_p95_s"])) == ("40", 0.061)
    assert "dsn" not in properties


@pytest.mark.parametrize(
    ("end", "message"),
    [
        (RunEnded(0, "The server is gone."), "The server is gone."),
        (RunEnded(0, stopped=True), "The run was stopped before its 20 s were over."),
    ],
)
def test_an_incomplete_run_is_an_error(tmp_path: Path, end: RunEnded, message: str) -> None:
    suite = suite_of(recorded("errors > 0", end=end), tmp_path)
    assert (suite.tests, suite.failures, suite.errors) == (2, 0, 1)
    ran, condition = suite
    (error,) = ran.result
    assert isinstance(error, Error)
    assert error.message == message
    assert condition.result == []
    line = written(recorded("errors > 0", end=end), tmp_path / "summary.md")
    assert line.startswith("**poolviz: incomplete.** ")
    assert message in line


def test_a_run_without_success_is_an_error(tmp_path: Path) -> None:
    def run() -> Iterable[Report]:
        nothing = [Tick(used=(0,), idle=(0,), errors={"PoolError": 3})] * 20
        return reports(samples(nothing))

    suite = suite_of(run(), tmp_path)
    (ran,) = suite
    assert ran.result[0].message.startswith("No operation succeeded")
    assert written(run(), tmp_path / "summary.md").startswith("**poolviz: incomplete.** ")


def test_hostile_names_are_text_in_both(tmp_path: Path) -> None:
    run = list(recorded("errors > 0", "throughput > soon", pool=HOSTILE, end=ended(0, HOSTILE)))
    suite = suite_of(run, tmp_path)
    assert suite.name.startswith('poolviz app/<db>&"x".py:Pool\\x1b[31m\\uffff\\n*bold*')
    line = written(run, tmp_path / "summary.md")
    assert line.count("\n") == 1 and line.endswith("\n")
    bare = re.sub(r"\\[\\`*_{}\[\]<>#|~&:@!]", "", line.removeprefix("**poolviz: incomplete.**"))
    bare = bare.replace("<span>$</span>", "").replace("app/", "")
    assert not re.search(r"[`*_{}\[\]<>#|~&@!$\\]|https?:|\x1b", bare), bare


@pytest.mark.parametrize(
    ("conditions", "outcome", "end"),
    [
        ((), "done", "0 errors."),
        (("errors > 0",), "passed", "0 errors. 1 of 1 threshold passed."),
        (
            ("errors > 0", "wait_p95 > 50ms"),
            "failed",
            r"1 of 2 thresholds passed: 'wait\_p95 \> 50 ms' is true\: wait\_p95 was 61 ms.",
        ),
        (("operations > 1",) * 12, "failed", "And 2 more."),
    ],
)
def test_the_summary_is_one_line(
    tmp_path: Path, conditions: tuple[str, ...], outcome: str, end: str
) -> None:
    line = written(recorded(*conditions), tmp_path / "summary.md")
    assert line.startswith(
        f"**poolviz: {outcome}.** sqlalchemy.QueuePool: 40 operations in 1.0 s, 40.0 a second, "
        "wait p95 61 ms, 0 timeouts, "
    )
    assert line.endswith(f"{end}\n")
    assert line.count("\n") == 1


@pytest.mark.parametrize("name", ["step_summary_6f1c", "SUMMARY.md"])
def test_the_summary_of_a_step_on_github_is_added_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    path = tmp_path / name
    path.write_text("# Tests\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(path))
    written(recorded("errors > 0"), path)
    twice = written(recorded(), path).splitlines()
    assert twice[0] == "# Tests"
    assert [line[:20] for line in twice[1:]] == ["**poolviz: passed.**", "**poolviz: done.** s"]
    other = tmp_path / "other.md"
    other.write_text("old")
    assert "old" not in written(recorded(), other)
    assert sorted(tmp_path.iterdir()) == sorted([path, other])


def test_both_agree_with_the_session(recorder: Recorder, tmp_path: Path) -> None:
    exporter: Exporter = exporter_for(tmp_path / "result.xml")
    exporter.export(recorder, tmp_path / "result.xml")
    (suite,) = JUnitXml.fromfile(str(tmp_path / "result.xml"))
    summary = recorder.summary()
    properties = {each.name: each.value for each in suite.properties()}
    assert float(properties["throughput_per_s"]) == summary.throughput_per_s
    assert float(properties["wait_p95_s"]) == summary.wait_time_s.p95
    assert suite.tests == 1 + len(verdicts(recorder))
