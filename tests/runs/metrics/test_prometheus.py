"""Metrics are served to Prometheus while a run goes on, and nothing of it is left afterwards."""

from __future__ import annotations

import http.client
import json
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

import pytest
from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client.parser import text_string_to_metric_families

from poolviz.commands.cli import run_command_line
from poolviz.model.errors import InputError
from poolviz.runs.metrics.connection_metrics import BOUNDS, POOLER
from poolviz.runs.metrics.prometheus import MetricsServer
from poolviz.sessions.recorder import Recorder
from tests.runs.metrics.collectors import threads, wait_for
from tests.sessions.builders import Tick, record, reports, samples, ticks

Values = dict[tuple[str, str], float]  # by the name of a sample, and what tells it from its like
PREFIX = "db_client_connection_"


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    with Recorder() as recorder:
        yield record(recorder, reports(samples(ticks(100))))


@pytest.fixture
def served(recorder: Recorder) -> Iterator[MetricsServer]:
    server = MetricsServer("127.0.0.1:0")
    server.watch(recorder)
    try:
        yield server
    finally:
        server.close()


def scraped(url: str, accept: str = "text/plain") -> str:
    with urlopen(Request(url, headers={"Accept": accept}), timeout=10) as answer:
        text: str = answer.read().decode()
    return text


def values_of(text: str, pool: str = "sqlalchemy.QueuePool") -> Values:
    """The values in Prometheus' text, as its own parser reads them."""
    found: Values = {}
    for family in text_string_to_metric_families(text):
        assert family.documentation
        for sample in family.samples:
            if family.name == "target_info":
                continue
            labels = dict(sample.labels)
            named = labels.pop(f"{PREFIX}pool_name")
            if named != pool and POOLER in (named, pool):
                continue  # the pooler in between is a pool of its own
            assert named == pool
            key = (sample.name.removeprefix(PREFIX), "".join(labels.values()))
            assert key not in found
            found[key] = sample.value
    return found


def check_histograms(values: Values) -> None:
    for time_ in ("wait", "use", "create"):
        name = f"{time_}_time_seconds"
        buckets = [value for (each, _), value in values.items() if each == f"{name}_bucket"]
        assert len(buckets) == len(BOUNDS) + 1
        assert buckets == sorted(buckets)
        assert buckets[-1] == values[f"{name}_bucket", "+Inf"] == values[f"{name}_count", ""]


def test_what_is_served_is_what_was_recorded(served: MetricsServer, recorder: Recorder) -> None:
    values = values_of(scraped(served.url))
    check_histograms(values)
    pooler = recorder.pooler
    assert pooler is not None
    assert values_of(scraped(served.url), POOLER) == {
        ("count", "idle"): pooler.sv_idle,
        ("count", "used"): pooler.sv_active,
        ("pending_requests", ""): pooler.cl_waiting,
    }
    summary, last = recorder.summary(), recorder.last
    assert last is not None
    assert values["count", "idle"] == last.idle.last
    assert values["count", "used"] == last.used.last
    assert values["max", ""] == last.capacity
    assert values["idle_max", ""] == 5
    assert ("idle_min", "") not in values
    assert values["pending_requests", ""] == last.pending.last
    assert values["timeouts_total", ""] == summary.timeouts
    times = summary.wait_time_s
    assert times.mean is not None
    assert values["wait_time_seconds_count", ""] == times.count
    assert values["wait_time_seconds_sum", ""] == pytest.approx(times.mean * times.count)


def test_openmetrics_is_served_to_who_asks_for_it(served: MetricsServer) -> None:
    text = scraped(served.url, "application/openmetrics-text; version=1.0.0")
    families = {each.name: each for each in openmetrics.text_string_to_metric_families(text)}
    assert families[f"{PREFIX}wait_time_seconds"].unit == "seconds"
    assert families[f"{PREFIX}timeouts"].type == "counter"
    assert families["target"].type == "info"


def test_a_bucket_holds_what_is_up_to_its_bound() -> None:
    waits = [0.5e-5, 1.5e-5, 3e-4, 0.03, 0.03, 4.0, 300.0]
    with Recorder() as recorder:
        record(recorder, reports(samples([Tick(waits=waits)])))
        server = MetricsServer("0")
        server.watch(recorder)
        values = values_of(scraped(server.url))
        server.close()
    for bound in BOUNDS:
        assert values["wait_time_seconds_bucket", str(bound)] == sum(
            wait <= bound for wait in waits
        )
    assert values["wait_time_seconds_sum", ""] == pytest.approx(sum(waits))


def test_a_run_is_watched_while_it_goes_on(conninfo: str) -> None:
    run = subprocess.Popen(
        [
            *(sys.executable, "-m", "poolviz", "run", "--dsn", conninfo),
            *("--pool", "psycopg_pool.ConnectionPool", "--limit", "min_size=2"),
            *("--load", "clients=4", "--duration", "20", "--json", "--metrics", "127.0.0.1:0"),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert run.stderr is not None
    try:
        url = ""
        for line in run.stderr:
            if found := re.search(r"http://127\.0\.0\.1:\d+/metrics", line):
                url = found[0]
                break
        assert url
        pool = "psycopg_pool.ConnectionPool"
        first: Values = {}

        def measured() -> bool:
            first.update(values_of(scraped(url), pool))
            return first.get(("use_time_seconds_count", ""), 0) > 20

        wait_for(measured, 60)
        wait_for(
            lambda: (
                values_of(scraped(url), pool)["use_time_seconds_count", ""]
                > first["use_time_seconds_count", ""]
            )
        )
        second = values_of(scraped(url), pool)
        check_histograms(second)
        for name, value in second.items():
            if name[0].endswith(("_total", "_count", "_sum", "_bucket")):
                assert value >= first[name], name
        assert second["idle_min", ""] == 2
        assert 0 < second["count", "used"] + second["count", "idle"] <= second["max", ""]
    finally:
        run.terminate()
        out, _ = run.communicate(timeout=60)
    assert json.loads(out)["use_time_s"]["count"] >= second["use_time_seconds_count", ""]
    port = urlsplit(url).port
    assert port is not None
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=5)


def test_before_a_run_there_are_no_metrics_of_one() -> None:
    server = MetricsServer("0")
    assert values_of(scraped(server.url)) == {}
    server.close()
    assert "metrics" not in threads()


def test_slow_and_rude_clients_end_with_the_server(recorder: Recorder) -> None:
    server = MetricsServer("127.0.0.1:0")
    server.watch(recorder)
    port = urlsplit(server.url).port
    assert port is not None
    before = threading.active_count()
    clients = [socket.create_connection(("127.0.0.1", port), timeout=10) for _ in range(30)]
    clients[0].sendall(b"GET /metrics HTTP/1.1\r\nHost: x")
    clients[1].sendall(b"\x16\x03\x01\x02\x00 TLS to a server that has none\r\n\r\n")
    clients[2].close()
    wait_for(lambda: threading.active_count() > before)
    begun = time.monotonic()
    server.close()
    assert time.monotonic() - begun < 4, "it waited for a client"
    for client in clients:
        client.close()
    assert threading.active_count() <= before - 1


def test_many_idle_clients_keep_nobody_from_the_metrics_for_long(served: MetricsServer) -> None:
    port = urlsplit(served.url).port
    assert port is not None
    clients = [socket.create_connection(("127.0.0.1", port), timeout=10) for _ in range(40)]

    def answered() -> bool:
        try:
            return "db_client" in scraped(served.url)
        except (OSError, http.client.HTTPException):
            return False

    wait_for(answered)
    for client in clients:
        client.close()


def test_a_busy_port_is_said_before_the_run(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        assert run_command_line(["run", "--metrics", address, "--duration", "1"]) == 2
    assert capsys.readouterr().err == (
        f"poolviz: --metrics {address}: Address already in use. Give another address.\n"
    )


@pytest.mark.parametrize(
    ("address", "url"),
    [
        ("0", "http://127.0.0.1:"),
        (":0", "http://127.0.0.1:"),
        (" localhost:0 ", "http://127.0.0.1:"),
        ("127.0.0.1:0", "http://127.0.0.1:"),
    ],
)
def test_without_a_host_it_is_loopback(address: str, url: str) -> None:
    server = MetricsServer(address)
    try:
        assert server.url.startswith(url)
        assert server.sentence == f"Metrics for Prometheus are at {server.url}."
        assert "target_info" in scraped(server.url)
    finally:
        server.close()


def test_another_host_is_taken_only_by_name_and_said() -> None:
    server = MetricsServer("0.0.0.0:0")
    try:
        assert server.sentence.endswith("/metrics, which other machines can reach.")
    finally:
        server.close()


@pytest.mark.parametrize(
    "address",
    [
        "",
        ":",
        "x",
        "localhost",
        "1.2.3.4",
        "h:99999",
        "h:-1",
        "http://h:1",
        "h:1:x",
        "h:²",
    ],
)
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(InputError) as caught:
        MetricsServer(address)
    assert "it takes HOST:PORT, such as 127.0.0.1:9464" in str(caught.value)


@pytest.mark.parametrize("address", ["no-such-host.invalid:9464", "203.0.113.7:9464", "a\0b:1"])
def test_an_address_that_is_not_of_this_machine_is_one_sentence(address: str) -> None:
    with pytest.raises(InputError) as caught:
        MetricsServer(address)
    assert str(caught.value).startswith("--metrics ")
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    ("option", "module", "extra"),
    [
        ("--metrics=9464", "prometheus_client", "prometheus"),
        ("--otlp=http://127.0.0.1:4318", "opentelemetry", "otlp"),
    ],
)
def test_without_the_extra_its_name_is_said(
    option: str, module: str, extra: str, tmp_path: Path
) -> None:
    code = f"""
import sys
sys.modules["{module}"] = None
from poolviz.commands.cli import run_command_line
sys.exit(run_command_line(["run", "--duration", "1", "{option}"]))
"""
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"poolviz: {option.partition('=')[0]} needs ")
    assert done.stderr.endswith(f"pip install 'poolviz[{extra}]'.\n")
