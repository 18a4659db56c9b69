"""Metrics are pushed to a collector, and no collector disturbs a run."""

from __future__ import annotations

import json
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsPartialSuccess,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.metrics.v1 import metrics_pb2

from poolviz.commands.cli import run_command_line
from poolviz.model.errors import InputError
from poolviz.runs.metrics.connection_metrics import BOUNDS, METRICS, POOLER, Instrument
from poolviz.runs.metrics.otlp import MetricsPusher
from poolviz.sessions.recorder import Recorder
from tests.runs.metrics.collectors import (
    Collector,
    answers_a_byte_at_a_time,
    answers_without_end,
    bad_collector,
    collector,
    free_port,
    hangs_up,
    is_no_server_of_http,
    never_answers,
    threads,
    wait_for,
)
from tests.sessions.builders import STARTED, record, reports, samples, ticks


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    with Recorder() as recorder:
        yield record(recorder, reports(samples(ticks(100))))


def by_name(collector: Collector) -> dict[str, metrics_pb2.Metric]:
    """The metrics of the newest request."""
    (resource,) = collector.received[-1].resource_metrics
    (scope,) = resource.scope_metrics
    assert scope.scope.name == "poolviz"
    attributes = {each.key: each.value.string_value for each in resource.resource.attributes}
    assert attributes["service.name"] == "poolviz"
    return {metric.name: metric for metric in scope.metrics}


def attributes_of(point: Any) -> dict[str, str]:
    return {each.key: each.value.string_value for each in point.attributes}


def test_a_collector_gets_what_was_recorded(recorder: Recorder) -> None:
    heard: list[str] = []
    with collector() as server:
        pusher = MetricsPusher(f"{server.url}/", heard.append)
        pusher.watch(recorder)
        pusher.close()
        found = by_name(server)
    assert (len(server.received), heard, server.paths) == (1, [], {"/v1/metrics"})
    assert "otlp" not in threads()
    summary, last = recorder.summary(), recorder.last
    assert last is not None
    for metric in METRICS:
        if metric.name.endswith("idle.min"):
            assert metric.name not in found  # QueuePool has no such limit
            continue
        sent = found[metric.name]
        assert (sent.unit, sent.description) == (metric.unit, metric.description)
        kind = "histogram" if metric.instrument is Instrument.HISTOGRAM else "sum"
        assert sent.WhichOneof("data") == kind
        data = getattr(sent, kind)
        assert data.aggregation_temporality == metrics_pb2.AGGREGATION_TEMPORALITY_CUMULATIVE
        if kind == "sum":
            assert data.is_monotonic == (metric.instrument is Instrument.COUNTER)
        for point in data.data_points:
            assert point.start_time_unix_nano == round(STARTED * 1e9)
            expected = {"db.client.connection.pool.name": "sqlalchemy.QueuePool"}
            shown = attributes_of(point)
            if shown["db.client.connection.pool.name"] == POOLER:
                continue
            shown.pop("db.client.connection.state", None)
            assert shown == expected
    counts = {
        attributes_of(point)["db.client.connection.state"]: point.as_int
        for point in found["db.client.connection.count"].sum.data_points
        if attributes_of(point)["db.client.connection.pool.name"] != POOLER
    }
    assert counts == {"idle": last.idle.last, "used": last.used.last}
    (idle_max,) = found["db.client.connection.idle.max"].sum.data_points
    assert idle_max.as_int == 5
    for name, times in (
        ("wait_time", summary.wait_time_s),
        ("use_time", summary.use_time_s),
        ("create_time", summary.create_time_s),
    ):
        (point,) = found[f"db.client.connection.{name}"].histogram.data_points
        assert times.mean is not None
        assert (point.count, point.max) == (times.count, times.max)
        assert point.sum == pytest.approx(times.mean * times.count, rel=1e-12)
        assert list(point.explicit_bounds) == list(BOUNDS)
        assert sum(point.bucket_counts) == point.count
        assert len(point.bucket_counts) == len(BOUNDS) + 1


def test_a_run_pushes_while_it_goes_on_and_its_last_values_at_the_end(
    conninfo: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with collector() as server:
        way = ("--load", "clients=4", "--duration", "1", "--json", "--otlp", server.url)
        assert run_command_line(["run", "--dsn", conninfo, *way]) == 0
        printed = capsys.readouterr()
        found = by_name(server)
    result = json.loads(printed.out)
    assert f"Metrics are pushed to {server.url}/v1/metrics." in printed.err
    (waits,) = found["db.client.connection.wait_time"].histogram.data_points
    assert waits.count == result["wait_time_s"]["count"] > 0
    (uses,) = found["db.client.connection.use_time"].histogram.data_points
    assert uses.count == result["use_time_s"]["count"]
    counts = [point.as_int for point in found["db.client.connection.count"].sum.data_points]
    assert counts == [0, 0], "the pool is closed"
    assert "otlp" not in threads()


BAD: dict[str, tuple[Callable[[socket.socket, threading.Event], None], str]] = {
    "never answers": (never_answers, "it doesn't answer in time"),
    "hangs up": (hangs_up, ""),
    "a byte at a time": (answers_a_byte_at_a_time, "it doesn't answer in time"),
    "without end": (answers_without_end, r"it answers 400 \x1b[31mBad"),
    "no HTTP": (is_no_server_of_http, ""),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_collector_is_one_sentence_and_has_an_end(recorder: Recorder, kind: str) -> None:
    behave, said = BAD[kind]
    heard: list[str] = []
    before = threading.active_count()
    with bad_collector(behave) as url:
        pusher = MetricsPusher(url, heard.append, every=0.05, patience=0.5)
        pusher.watch(recorder)
        wait_for(lambda: heard)
        begun = time.monotonic()
        pusher.close()
        assert time.monotonic() - begun < 12
        assert "otlp" not in threads()
    assert len(heard) == 1, heard
    assert heard[0].startswith(f"Metrics can't be pushed to {url}/v1/metrics: ")
    assert heard[0].isprintable()
    assert said in heard[0]
    assert "Traceback" not in heard[0] and "Error(" not in heard[0]
    wait_for(lambda: threading.active_count() <= before)


@pytest.mark.parametrize(("status", "said"), [(404, "it answers 404 Not Found"), (401, "401")])
def test_a_refusal_is_said_once(recorder: Recorder, status: int, said: str) -> None:
    heard: list[str] = []
    with collector(status) as server:
        pusher = MetricsPusher(server.url, heard.append, every=0.02)
        pusher.watch(recorder)
        wait_for(lambda: len(server.received) > 2)
        server.status = 200
        wait_for(lambda: len(heard) > 1)
        pusher.close()
    assert [said in heard[0], heard[1].endswith("/v1/metrics again."), len(heard)] == [
        True,
        True,
        2,
    ]


PARTIAL = ExportMetricsPartialSuccess(rejected_data_points=3, error_message="too\nmany series")


@pytest.mark.parametrize(
    ("status", "answer", "said"),
    [
        (302, b"", "it answers 302 Found."),
        (200, b"<html>Welcome", "it answers as no collector does."),
        (
            200,
            ExportMetricsServiceResponse(partial_success=PARTIAL).SerializeToString(),
            "it rejects 3 values: too\\nmany series.",
        ),
    ],
)
def test_success_that_is_none_is_said(
    recorder: Recorder, status: int, answer: bytes, said: str
) -> None:
    heard: list[str] = []
    with collector(status, answer) as server:
        pusher = MetricsPusher(server.url, heard.append)
        pusher.watch(recorder)
        pusher.close()
    assert heard == [f"Metrics can't be pushed to {server.url}/v1/metrics: {said}"]


def test_a_collector_that_is_not_there_costs_a_run_no_more_than_seconds(
    conninfo: str, capsys: pytest.CaptureFixture[str]
) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    way = ("--load", "clients=2", "--duration", "0.5", "--json", "--otlp", url)
    begun = time.monotonic()
    assert run_command_line(["run", "--dsn", conninfo, *way]) == 0
    assert time.monotonic() - begun < 30
    printed = capsys.readouterr()
    assert json.loads(printed.out)["complete"] is True
    found = re.findall(r"Metrics can't be pushed to .*", printed.err)
    assert found == [f"Metrics can't be pushed to {url}/v1/metrics: Connection refused."]


def test_a_proxy_of_the_environment_gets_nothing_that_is_for_loopback(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    with collector() as proxy, collector() as server:
        monkeypatch.setenv("http_proxy", proxy.url)
        pusher = MetricsPusher(server.url, [].append)
        pusher.watch(recorder)
        pusher.close()
        assert (len(proxy.received), len(server.received)) == (0, 1)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "4318",
        "localhost:4318",
        "ftp://h",
        "http://",
        "http://[::1",
        "http://h:x",
        "http://h:99999",
    ],
)
def test_what_is_no_url_is_refused(url: str) -> None:
    with pytest.raises(InputError) as caught:
        MetricsPusher(url, [].append)
    assert str(caught.value).endswith("such as http://127.0.0.1:4318.")


def test_a_password_in_the_url_is_never_shown(recorder: Recorder) -> None:
    heard: list[str] = []
    url = f"http://ann:hunter2@127.0.0.1:{free_port()}/v1/metrics?key=hunter2"
    pusher = MetricsPusher(url, heard.append)
    pusher.watch(recorder)
    pusher.close()
    assert len(heard) == 1
    assert "hunter2" not in heard[0] + pusher.sentence
