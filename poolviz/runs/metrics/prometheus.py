"""Serving metrics to Prometheus, in its text format or as OpenMetrics, whichever it asks for.

Names follow OpenTelemetry's rules for Prometheus: a dot becomes an underscore, a unit of time
becomes a suffix, units in braces are left out, and counters end with `_total`.

Threads: one accepts, and one serves each request. All end in `close`. Needs prometheus-client, an
extra.
"""

from __future__ import annotations

import logging
import os
import socket
import sys
import threading
from collections.abc import Iterator
from http.server import ThreadingHTTPServer
from itertools import accumulate, groupby
from socketserver import TCPServer
from typing import Any

from poolviz.language import tr, tr_noop
from poolviz.model.errors import InputError
from poolviz.model.version import VERSION
from poolviz.runs.metrics.address import ListenAddress
from poolviz.runs.metrics.connection_metrics import BOUNDS, Buckets, Instrument, Metric, points
from poolviz.sessions.recorder import Recorder

try:
    from prometheus_client.core import (
        CounterMetricFamily,
        GaugeMetricFamily,
        HistogramMetricFamily,
        InfoMetricFamily,
    )
    from prometheus_client.core import Metric as Family
    from prometheus_client.exposition import MetricsHandler
    from prometheus_client.registry import Collector, CollectorRegistry
    from prometheus_client.utils import floatToGoString
except ModuleNotFoundError:
    raise InputError(
        tr_noop(
            "--metrics needs prometheus-client, which this installation lacks: "
            "pip install 'poolviz[prometheus]'."
        )
    ) from None

_PATIENCE = 5.0  # seconds that a client may take for its request, and to take the answer
_MOST_CLIENTS = 20  # at once
_logger = logging.getLogger(__name__)


class MetricsServer:
    """Serves the metrics of the run that it was given to `watch`; of none before."""

    def __init__(self, address: str) -> None:
        """Listen at `address`. InputError where it can't be used."""
        where = ListenAddress.parse(address)
        registry = CollectorRegistry(auto_describe=False)
        self._metrics = _Metrics()
        registry.register(self._metrics)
        try:
            self._server = _Server(where, registry)
        except OSError as error:
            why = error.strerror or str(error)
            raise InputError(
                tr("--metrics {address}: {why}. Give another address.", address=address, why=why)
            ) from None
        host, port = self._server.server_address[:2]
        shown = f"[{host!s}]" if where.family == socket.AF_INET6 else str(host)
        self.url = f"http://{shown}:{port}/metrics"
        self._open = "" if where.loopback else tr(", which other machines can reach")
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.1,), name="metrics", daemon=True
        )
        self._thread.start()

    @property
    def sentence(self) -> str:
        """Where the metrics are."""
        return tr("Metrics for Prometheus are at {url}{open}.", url=self.url, open=self._open)

    def watch(self, recorder: Recorder) -> None:
        """Serve the metrics of the run that is recorded there."""
        self._metrics.recorder = recorder

    def close(self) -> None:
        """End the server, its connections and its threads."""
        self._server.shutdown()
        self._server.close_connections()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    """Serves requests, each in a thread that `server_close` waits for."""

    daemon_threads = False
    request_queue_size = 64  # of connections that aren't accepted yet; five make others wait
    allow_reuse_address = os.name != "nt"  # there, it would take an address that is in use

    def __init__(self, where: ListenAddress, registry: CollectorRegistry) -> None:
        self.address_family = where.family
        self._lock = threading.Lock()  # guards the connections
        self._connections: set[socket.socket] = set()
        super().__init__(where.address, _handler(registry))

    def server_bind(self) -> None:
        """Bind, without asking a name server for the name of this machine, as HTTPServer does."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = self.server_address[:2]  # type: ignore[assignment]

    def verify_request(self, request: Any, client_address: Any) -> bool:  # noqa: ARG002
        """Return whether the request is served: not if so many are that it must be an attack."""
        with self._lock:
            return len(self._connections) < _MOST_CLIENTS

    def process_request(self, request: Any, client_address: Any) -> None:
        """Serve a request in a thread."""
        with self._lock:
            self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Close the connection of a request."""
        with self._lock:
            self._connections.discard(request)
        super().shutdown_request(request)

    def close_connections(self) -> None:
        """End the connections there are, so that the threads that wait for them end."""
        with self._lock:
            for connection in self._connections:
                try:
                    connection.shutdown(socket.SHUT_RDWR)
                except OSError:
                    _logger.debug("a client was gone already")

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002
        """Log what went wrong in a request: a client that is gone is no matter of the user's."""
        gone = isinstance(sys.exception(), OSError)
        _logger.log(
            logging.DEBUG if gone else logging.ERROR, "a request for metrics failed", exc_info=True
        )


def _handler(registry: CollectorRegistry) -> type[MetricsHandler]:
    handler: type[MetricsHandler] = MetricsHandler.factory(registry)
    handler.timeout = _PATIENCE
    return handler


class _Metrics(Collector):
    """Makes the metrics of a run whenever they are asked for."""

    recorder: Recorder | None = None

    def collect(self) -> Iterator[Family]:
        """Yield each metric that the run has."""
        yield InfoMetricFamily(
            "target", "Target metadata", {"service_name": "poolviz", "service_version": VERSION}
        )
        if self.recorder is None:
            return
        for metric, group in groupby(points(self.recorder), lambda point: point.metric):
            family = _family(metric)
            for point in group:
                labels = {_label(key): value for key, value in point.attributes.items()}
                if isinstance(point.value, Buckets):
                    _add_buckets(family, labels, point.value)
                else:
                    total = "_total" if metric.instrument is Instrument.COUNTER else ""
                    family.add_sample(f"{family.name}{total}", labels, point.value)
            yield family


def _family(metric: Metric) -> Family:
    name = _label(metric.name)
    if metric.instrument is Instrument.HISTOGRAM:
        return HistogramMetricFamily(f"{name}_seconds", metric.description, unit="seconds")
    if metric.instrument is Instrument.COUNTER:
        return CounterMetricFamily(name, metric.description)
    return GaugeMetricFamily(name, metric.description)


def _add_buckets(family: Family, labels: dict[str, str], buckets: Buckets) -> None:
    below = accumulate(buckets.counts)
    for bound in (*map(floatToGoString, BOUNDS), "+Inf"):
        family.add_sample(f"{family.name}_bucket", labels | {"le": bound}, next(below))
    family.add_sample(f"{family.name}_count", labels, buckets.count)
    family.add_sample(f"{family.name}_sum", labels, buckets.total)


def _label(name: str) -> str:
    """Return a name of OpenTelemetry's as one of Prometheus'."""
    return name.replace(".", "_")
