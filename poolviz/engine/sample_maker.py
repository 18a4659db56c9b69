"""Makes samples of the events that an engine has taken."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from poolviz.engine.event_counter import EventCounter, Tick
from poolviz.model.differing_counts import LONG_APART, not_given_back
from poolviz.model.messages import EventsTaken, ProblemReported, Report, SampleTaken
from poolviz.model.sample import Sample


class SampleMaker:
    """Makes the samples of one run. One thread at a time calls `reports`, with what the engine
    sent, in order.

    Of a `users` pool it compares the pool's own counts with what clients hold.
    """

    def __init__(self, *, users: bool) -> None:
        self._users = users
        self._counter: EventCounter | None = None
        self._segment = 0
        self._apart_for = 0  # samples on end

    def reports(self, report: Report) -> Iterator[Report]:
        """Return what to report in place of a report of the engine: a sample where that has its
        events, and else the same."""
        if not isinstance(report, EventsTaken):
            yield report
            return
        if self._counter is None:
            self._counter = EventCounter(shares=report.events.shares)
        sample = report.sample
        if sample.segment != self._segment:
            self._segment = sample.segment
            self._counter.begin_segment()
        sample = _completed(sample, self._counter.count(report.events))
        if self._users and (sentence := self._compared(sample)):
            yield ProblemReported("counts", sentence)
        yield SampleTaken(sample)

    def _compared(self, sample: Sample) -> str:
        """Return a sentence once if the pool counts more connections in use than clients hold, for
        `LONG_APART` samples on end: some aren't given back."""
        used, held = sample.reported_counts.used, sample.used.high
        self._apart_for = self._apart_for + 1 if used is not None and used > held else 0
        return not_given_back(f"{used}", f"{held}") if self._apart_for == LONG_APART else ""


def _completed(sample: Sample, tick: Tick) -> Sample:
    """Return a sample with what was counted."""
    return msgspec.structs.replace(
        sample,
        **tick.levels,
        operations=tick.operations,
        timeouts=tick.timeouts,
        opened=tick.opened,
        closed=tick.closed,
        wait=tick.wait.pack(),
        use=tick.use.pack(),
        create=tick.create.pack(),
        retry=tick.retry.pack(),
        per_client=tick.per_client,
        longest_waits=tick.longest_waits,
        waits_unfinished=tick.unfinished,
        oldest_age=tick.oldest_age,
        mean_age=tick.mean_age,
        lanes=tick.lanes,
    )
