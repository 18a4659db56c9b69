"""The published conventions for metrics of connection pools, and OpenTelemetry's own translation
of their names for Prometheus, are what poolviz writes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.semconv._incubating.attributes import db_attributes
from opentelemetry.semconv._incubating.metrics import db_metrics
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from poolviz.runs.metrics.connection_metrics import METRICS, POOL_NAME, STATE, Instrument, Metric
from poolviz.runs.metrics.prometheus import _family

PUBLISHED = {
    value: name
    for name, value in vars(db_metrics).items()
    if name.startswith("DB_CLIENT_CONNECTION_") and isinstance(value, str)
}


class Meter:
    """Takes down what a convention makes of a meter."""

    def __getattr__(self, kind: str) -> Callable[..., Metric]:
        def create(name: str, description: str, unit: str) -> Metric:
            instrument = Instrument(kind.removeprefix("create_").replace("_", ""))
            return Metric(name, instrument, unit, description)

        return create


def create(metric: Metric, meter: Any) -> Any:
    return getattr(db_metrics, f"create_{PUBLISHED[metric.name].lower()}")(meter)


def test_every_published_metric_of_a_pool_is_there() -> None:
    assert {metric.name for metric in METRICS} == set(PUBLISHED)


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_name_instrument_unit_and_description_are_published(metric: Metric) -> None:
    assert create(metric, Meter()) == metric


def test_the_attributes_are_published() -> None:
    assert POOL_NAME == db_attributes.DB_CLIENT_CONNECTION_POOL_NAME
    assert STATE == db_attributes.DB_CLIENT_CONNECTION_STATE
    states = {each.value for each in db_attributes.DbClientConnectionStateValues}
    assert states == {"idle", "used"}


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_opentelemetry_gives_prometheus_the_same_name_and_type(metric: Metric) -> None:
    registry = CollectorRegistry()
    reader = PrometheusMetricReader(registry=registry)
    provider = MeterProvider([reader], shutdown_on_exit=False)
    instrument = create(metric, provider.get_meter("trial"))
    record = instrument.record if metric.instrument is Instrument.HISTOGRAM else instrument.add
    record(1, {POOL_NAME: "x", STATE: "idle"})
    text = generate_latest(registry).decode()
    provider.shutdown()
    (theirs,) = (
        each for each in text_string_to_metric_families(text) if each.name.startswith("db_")
    )
    ours = _family(metric)
    assert (ours.name, ours.type) == (theirs.name, theirs.type)
    labels = set().union(*(sample.labels for sample in theirs.samples))
    assert {POOL_NAME.replace(".", "_"), STATE.replace(".", "_")} <= labels
