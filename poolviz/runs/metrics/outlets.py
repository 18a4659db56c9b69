"""Everything that a run's metrics go to while it goes on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Protocol

from poolviz.sessions.recorder import Recorder


class Outlet(Protocol):
    """Where metrics go to."""

    @property
    def sentence(self) -> str:
        """Where that is, for people."""

    def watch(self, recorder: Recorder) -> None:
        """Give out the metrics of the run that is recorded there, from now on."""

    def close(self) -> None:
        """Give out the last values, and end."""


@contextmanager
def open_outlets(
    address: str | None, collector: str | None, say: Callable[[str], None]
) -> Iterator[tuple[Outlet, ...]]:
    """Yield what serves metrics at `address` and what pushes them to the URL `collector`, as far as
    they are named; close them at the end of the block, after the last sample was recorded.

    InputError where an address can't be used, or the extra that it needs isn't installed. `say`
    hears sentences, from any thread, about what goes wrong later.
    """
    with ExitStack() as stack:
        outlets: list[Outlet] = []
        if address is not None:
            from poolviz.runs.metrics.prometheus import MetricsServer  # noqa: PLC0415 - an extra

            outlets.append(MetricsServer(address))
            stack.callback(outlets[-1].close)
        if collector is not None:
            from poolviz.runs.metrics.otlp import MetricsPusher  # noqa: PLC0415 - an extra

            outlets.append(MetricsPusher(collector, say))
            stack.callback(outlets[-1].close)
        yield tuple(outlets)
