"""Pushing metrics to a collector by OpenTelemetry's protocol (OTLP) over HTTP.

The SDK's own instruments take single measurements; ours are counted already. So the data that the
SDK would make of them is made here, and its exporter sends it, with the headers, certificates and
compression that OpenTelemetry's environment variables name.

Threads: one pushes, and ends in `close`. Needs opentelemetry-sdk and its exporter, an extra.
"""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Callable
from typing import Any
from weakref import WeakSet

from poolviz.language import tr, tr_noop
from poolviz.model.errors import InputError
from poolviz.model.text import on_one_line, shortened
from poolviz.model.version import VERSION
from poolviz.runs.metrics.address import CollectorAddress
from poolviz.runs.metrics.connection_metrics import (
    BOUNDS,
    Buckets,
    Instrument,
    Metric,
    Point,
    Points,
    points,
)
from poolviz.sessions.recorder import Recorder

try:
    import requests
    from google.protobuf.message import DecodeError
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
    from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
        ExportMetricsServiceResponse,
    )
    from opentelemetry.sdk.metrics import export as data
    from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope
    from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
except ModuleNotFoundError:
    raise InputError(
        tr_noop(
            "--otlp needs opentelemetry-sdk and its exporter, which this installation lacks: "
            "pip install 'poolviz[otlp]'."
        )
    ) from None

_EVERY = 5.0  # seconds between two pushes
_PATIENCE = 3.0  # seconds that a push may take, repetitions included
_GRACE = 1.0  # seconds beyond that, for a busy machine
_LONGEST_ANSWER = 64 * 1024  # bytes
_TOO_LATE = tr_noop("it doesn't answer in time")
_GRPC = 4317  # the port of OTLP over gRPC, which isn't spoken here
_CUMULATIVE = data.AggregationTemporality.CUMULATIVE
_EXPORTERS_LOG = "opentelemetry.exporter.otlp.proto.http.metric_exporter"
_logger = logging.getLogger(__name__)


class MetricsPusher:
    """Pushes the metrics of the run that it was given to `watch`, every few seconds and at the end.

    What goes wrong is told by `say`, once until a push succeeds again. `say` is called from the
    pushing thread.
    """

    def __init__(
        self,
        url: str,
        say: Callable[[str], None],
        *,
        every: float = _EVERY,
        patience: float = _PATIENCE,
    ) -> None:
        """Prepare for pushing to `url`; InputError where it is none. Connects to nothing.

        Pushes are `every` so many seconds, and none takes longer than `patience`.
        """
        self._address = CollectorAddress.parse(url)
        self._say, self._every, self._patience = say, every, patience
        # It logs each failure, and what was tried, which the one sentence here is about.
        logging.getLogger(_EXPORTERS_LOG).setLevel(logging.CRITICAL)
        self._session = _Session(direct=self._address.loopback)
        self._exporter = OTLPMetricExporter(
            endpoint=self._address.url, session=self._session, timeout=patience
        )
        self._resource = _resource()
        self._recorder: Recorder | None = None
        self._failing = False
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._push_until_closed, name="otlp", daemon=True)

    @property
    def sentence(self) -> str:
        """Where the metrics are pushed to."""
        return tr("Metrics are pushed to {shown}.", shown=self._address.shown)

    def watch(self, recorder: Recorder) -> None:
        """Push the metrics of the run that is recorded there. Called once."""
        self._recorder = recorder
        self._thread.start()

    def close(self) -> None:
        """Push what was counted until now, and end. Blocks for some seconds at most, also where the
        collector doesn't answer."""
        self._closing.set()
        if self._thread.ident is not None:
            self._thread.join(2 * self._patience + _GRACE)  # one under way, and the last one
        self._session.cut_off()
        if self._thread.ident is not None:
            self._thread.join(_GRACE)
        self._exporter.shutdown()

    def _push_until_closed(self) -> None:
        try:
            over = False
            while not over:
                over = self._closing.wait(self._every)
                self._push()
        except Exception as error:
            _logger.exception("pushing metrics failed")
            self._say(
                tr(
                    "No more metrics are pushed to {shown}: {error!r}.",
                    shown=self._address.shown,
                    error=error,
                )
            )

    def _push(self) -> None:
        recorder = self._recorder
        assert recorder is not None
        found = points(recorder)
        if recorder.began is None or not found:
            return
        done = self._exporter.export(_metrics_data(found, self._resource, recorder.began.started))
        failing = done is not data.MetricExportResult.SUCCESS
        if failing and not self._failing:
            self._say(
                tr(
                    "Metrics can't be pushed to {shown}: {reason}.",
                    shown=self._address.shown,
                    reason=self._reason(),
                )
            )
        elif self._failing and not failing:
            self._say(tr("Metrics are pushed to {shown} again.", shown=self._address.shown))
        self._failing = failing

    def _reason(self) -> str:
        why = self._session.trouble or tr("the collector doesn't take them")
        if self._address.port == _GRPC:
            why += tr(". Its port is OTLP's over gRPC; over HTTP, as here, it is usually 4318")
        return why


class _Session(requests.Session):
    """Requests that end, whatever the server does, and that say what was wrong.

    `direct` requests go to the address itself, whatever proxy the environment names.
    """

    def __init__(self, *, direct: bool) -> None:
        super().__init__()
        self.trust_env = not direct
        self.trouble = ""
        self._lock = threading.Lock()  # guards the sockets
        self._sockets: WeakSet[socket.socket] = WeakSet()
        for adapter in self.adapters.values():
            manager: Any = getattr(adapter, "poolmanager")  # noqa: B009 - the base class has none
            manager.pool_classes_by_scheme = {
                "http": self._watched(HTTPConnectionPool),
                "https": self._watched(HTTPSConnectionPool),
            }

    def request(self, *args: Any, **options: Any) -> requests.Response:
        """Send a request and read the answer. Raises what `requests` raises."""
        late = threading.Event()
        limit = threading.Timer(options.get("timeout") or _PATIENCE, self._cut_late, (late,))
        limit.daemon = True
        limit.start()
        try:
            response = super().request(*args, **options | {"stream": True})
            with response:
                response._content = response.raw.read(_LONGEST_ANSWER, decode_content=False)
            if late.is_set():  # half an answer may look like one
                raise requests.Timeout
            if response.ok and (refusal := _refusal(response)):
                raise requests.RequestException(refusal)  # which the exporter takes for success
        except Exception as error:
            self.trouble = tr(_TOO_LATE) if late.is_set() else _cause(error)
            raise
        finally:
            limit.cancel()
        self.trouble = _refusal(response)
        return response

    def _cut_late(self, late: threading.Event) -> None:
        late.set()
        self.cut_off()

    def cut_off(self) -> None:
        """End what is under way: whoever waits for an answer gets an error."""
        with self._lock:
            sockets = list(self._sockets)
        for each in sockets:
            try:
                each.shutdown(socket.SHUT_RDWR)
            except OSError:
                _logger.debug("a connection to the collector was closed already")

    def _watched(self, pool: type[HTTPConnectionPool]) -> type[HTTPConnectionPool]:
        """Return a class of connection pools whose connections can be cut off."""
        connections: Any = pool.ConnectionCls
        session = self

        class Connection(connections):  # type: ignore[misc]
            def connect(self) -> None:
                super().connect()
                with session._lock:
                    session._sockets.add(self.sock)

        return type(pool.__name__, (pool,), {"ConnectionCls": Connection})


def _cause(error: BaseException) -> str:
    """Return what is wrong with a request, in words for a sentence: the innermost reason there is,
    which the libraries wrap in errors of their own."""
    found: BaseException | None = error
    words = type(error).__name__
    while found is not None:
        if isinstance(found, TimeoutError | requests.Timeout):
            return tr(_TOO_LATE)
        if isinstance(found, OSError) and found.strerror:
            return on_one_line(found.strerror)
        inner = [found.__cause__, getattr(found, "reason", None), *found.args]
        words = next((each for each in found.args if isinstance(each, str) and each), words)
        found = next((each for each in inner if isinstance(each, BaseException)), None)
    return on_one_line(shortened(words, 200))


def _refusal(response: requests.Response) -> str:
    """Return why a collector hasn't taken what it was sent, in words for a sentence; "" if it has.
    A redirect, which isn't followed, leads to a page for people."""
    if not response.ok or response.is_redirect:
        return tr(
            "it answers {status_code} {value}",
            status_code=response.status_code,
            value=on_one_line(response.reason or ""),
        ).strip()
    try:
        partial = ExportMetricsServiceResponse.FromString(response.content).partial_success
    except DecodeError:
        return tr("it answers as no collector does")
    if not partial.rejected_data_points:
        return ""
    why = on_one_line(shortened(partial.error_message, 200)) or tr("no reason")
    return tr(
        "it rejects {rejected_data_points} values: {why}",
        rejected_data_points=partial.rejected_data_points,
        why=why,
    )


def _resource() -> Resource:
    """Return what sends the metrics: poolviz, unless OpenTelemetry's variables say otherwise."""
    named = Resource.create()
    if not str(named.attributes.get(SERVICE_NAME, "")).startswith("unknown_service"):
        return named
    return named.merge(Resource({SERVICE_NAME: "poolviz", SERVICE_VERSION: VERSION}))


def _metrics_data(found: Points, resource: Resource, started: float) -> data.MetricsData:
    begin, now = round(started * 1e9), time.time_ns()
    by_metric: dict[Metric, list[Point]] = {}
    for point in found:
        by_metric.setdefault(point.metric, []).append(point)
    metrics = [_metric(metric, each, begin, now) for metric, each in by_metric.items()]
    scope = data.ScopeMetrics(InstrumentationScope("poolviz", VERSION), metrics, schema_url="")
    return data.MetricsData([data.ResourceMetrics(resource, [scope], schema_url="")])


def _metric(metric: Metric, found: list[Point], begin: int, now: int) -> data.Metric:
    series: data.Histogram | data.Sum
    if metric.instrument is Instrument.HISTOGRAM:
        histograms = [
            _histogram(point, point.value, begin, now)
            for point in found
            if isinstance(point.value, Buckets) and point.value.count
        ]
        series = data.Histogram(histograms, _CUMULATIVE)
    else:
        numbers = [
            data.NumberDataPoint(dict(point.attributes), begin, now, point.value)
            for point in found
            if isinstance(point.value, int)
        ]
        series = data.Sum(numbers, _CUMULATIVE, metric.instrument is Instrument.COUNTER)
    return data.Metric(metric.name, metric.description, metric.unit, series)


def _histogram(point: Point, buckets: Buckets, begin: int, now: int) -> data.HistogramDataPoint:
    return data.HistogramDataPoint(
        attributes=dict(point.attributes),
        start_time_unix_nano=begin,
        time_unix_nano=now,
        count=buckets.count,
        sum=buckets.total,
        bucket_counts=list(buckets.counts),
        explicit_bounds=list(BOUNDS),
        min=buckets.low,
        max=buckets.high,
    )
