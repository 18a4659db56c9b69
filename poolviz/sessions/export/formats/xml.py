"""JUnit XML: the run and each of its conditions as a test case, for CI systems that show tests.

The file is what Ant's JUnit task writes, which Jenkins, GitLab, Azure DevOps and the actions for
GitHub read: one suite, with properties that say what was run. A run that is incomplete is an error;
a condition that is true is a failure, and one for which nothing was counted is an error.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from xml.etree.ElementTree import Element, ElementTree, SubElement, indent

from poolviz.model.parameters import Value
from poolviz.model.text import on_one_line
from poolviz.sessions.export.exporter import Exporter
from poolviz.sessions.export.manifest import run_started, utc
from poolviz.sessions.recorder import Recorder
from poolviz.sessions.summary import RunSummary, no_success
from poolviz.sessions.thresholds import Outcome, Verdict, verdicts

_HOST = "localhost"  # where a report says no other; the machine's name is nobody's business
_RESULTS = {Outcome.CROSSED: "failure", Outcome.NOT_MEASURED: "error"}


def _write(recorder: Recorder, paths: Sequence[Path]) -> None:
    began, summary, checked = run_started(recorder), recorder.summary(), verdicts(recorder)
    started = utc(began.started)
    # The outer element has no attributes, and the time no zone: the strictest schema has neither.
    report = Element("testsuites")
    pool = _text(began.scenario.pool)
    suite = SubElement(report, "testsuite", name=f"poolviz {pool}", package="poolviz", id="0")
    suite.attrib |= {"timestamp": started[:19], "hostname": _HOST}
    properties = SubElement(suite, "properties")
    for name, value in _properties(recorder, summary, started):
        SubElement(properties, "property", name=_text(name), value=_text(value))
    _add_run(suite, pool, summary)
    for verdict in checked:
        _add_condition(suite, pool, verdict)
    SubElement(suite, "system-out").text = "\n".join(_text(each.sentence) for each in checked)
    SubElement(suite, "system-err").text = _text(summary.incomplete_reason or "")
    suite.attrib |= {
        "tests": f"{1 + len(checked)}",
        "failures": f"{len(suite.findall('testcase/failure'))}",
        "errors": f"{len(suite.findall('testcase/error'))}",
        "time": f"{summary.duration_s:.3f}",
    }
    indent(report)
    ElementTree(report).write(paths[0], encoding="utf-8", xml_declaration=True)


def _add_run(suite: Element, pool: str, summary: RunSummary) -> None:
    case = _case(suite, pool, "run", summary.duration_s)
    if summary.incomplete_reason is not None:
        _result(case, "error", "Incomplete", summary.incomplete_reason)
    elif nobody := no_success(summary):
        _result(case, "error", "NoOperationSucceeded", nobody)


def _add_condition(suite: Element, pool: str, verdict: Verdict) -> None:
    case = _case(suite, pool, verdict.condition, 0.0)
    if not verdict.passed:
        _result(case, _RESULTS[verdict.outcome], verdict.outcome.title(), verdict.sentence)


def _case(suite: Element, pool: str, name: str, seconds: float) -> Element:
    return SubElement(
        suite, "testcase", name=_text(name), classname=f"poolviz.{pool}", time=f"{seconds:.3f}"
    )


def _result(case: Element, kind: str, type: str, sentence: str) -> None:
    text = _text(sentence)
    SubElement(case, kind, type=type.replace("_", ""), message=text).text = text


def _properties(
    recorder: Recorder, summary: RunSummary, started: str
) -> Iterator[tuple[str, object]]:
    """Yield what was run, and the figures that people look for first."""
    began = run_started(recorder)
    scenario = began.scenario
    yield "poolviz", began.environment.get("poolviz", "")
    yield "title", scenario.title
    yield "pool", scenario.pool
    yield "use", summary.use or ""
    yield "server", summary.server or ""
    yield "started", started
    yield "seed", scenario.seed
    sections: Mapping[str, Mapping[str, Value]] = {
        "limits": scenario.limits,
        "load": scenario.load,
        "connect": scenario.connect,
    }
    for section, values in sections.items():
        for key, value in values.items():
            yield f"{section}.{key}", "" if value is None else value
    yield "operations", summary.operations
    yield "throughput_per_s", _figure(summary.throughput_per_s)
    yield "timeouts", summary.timeouts
    yield "errors", sum(summary.errors.values())
    yield "wait_p95_s", _figure(summary.wait_time_s.p95)


def _figure(value: float | None) -> str:
    return "" if value is None else f"{value!r}"


def _text(value: object) -> str:
    """Return a value as text that XML can hold: on one line, without control characters."""
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return on_one_line(text).strip()


EXPORTER = Exporter("Test report as JUnit XML", _write)
