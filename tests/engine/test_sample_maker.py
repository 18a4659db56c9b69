"""Events that cross the pipe become the samples that they would become where they were taken."""

from __future__ import annotations

from collections.abc import Sequence

from poolviz.engine.meter import ConnectionEventBuffer, EventTaker
from poolviz.engine.sample_maker import SampleMaker
from poolviz.load import event_buffer as events
from poolviz.load.event_buffer import EventBuffer
from poolviz.model.differing_counts import LONG_APART
from poolviz.model.messages import (
    EventsTaken,
    ProblemReported,
    Report,
    SampleTaken,
    pack,
    unpack_report,
)
from poolviz.model.sample import Level, ReportedCounts, Sample

NOTHING = Level()


class Taking:
    """An engine's side: a connection, a client, and the events that are taken of them."""

    def __init__(self, *, used_by_pool: int | None = None) -> None:
        self.connections, self.buffer = ConnectionEventBuffer(), EventBuffer(4)
        self.taker = EventTaker(self.connections)
        self.counts = ReportedCounts(used=used_by_pool)

    def operate(self, *kinds: int) -> None:
        for kind in kinds:
            self.buffer.note(kind)
            self.buffer.stamp()

    def take(self, *, segment: int = 0, last: bool = False) -> EventsTaken:
        taken, _ = self.taker.take([self.buffer], 0, last=last)
        sample = Sample(
            index=0, t=(taken.end - self.taker.began) * 1e-9, span=0.05, segment=segment,
            open=NOTHING, used=NOTHING, idle=NOTHING, overflow=NOTHING, pending=NOTHING,
            retrying=NOTHING, limits={}, load={}, reported_counts=self.counts,
        )  # fmt: skip
        return EventsTaken(sample, taken)


def samples(reports: Sequence[Report]) -> list[Sample]:
    return [report.sample for report in reports if isinstance(report, SampleTaken)]


def test_a_sample_is_the_same_on_the_other_side_of_the_pipe() -> None:
    taking, here, there = Taking(), SampleMaker(users=False), SampleMaker(users=False)
    taking.connections.opened(0.002)
    made: list[Sample] = []
    for kinds in (
        (events.REQUESTED, events.ACQUIRED),
        (),
        (events.RELEASED, events.REQUESTED),
        (events.TIMED_OUT, events.REQUESTED),
    ):
        taking.operate(*kinds)
        report = taking.take(last=len(made) == 3)
        made += samples(list(here.reports(report)))
        crossed = unpack_report(pack(report))
        assert samples(list(there.reports(crossed))) == made[-1:]
    assert [sample.used.last for sample in made] == [1, 1, 0, 0]
    assert [sample.open.last for sample in made] == [1] * 4
    assert (sum(sample.operations for sample in made), made[3].timeouts) == (1, 1)
    assert [sample.use.count for sample in made] == [0, 0, 1, 0]
    # The use began two samples before it ended, and the last acquire isn't over.
    assert made[2].use.total > made[1].t - made[0].t
    assert [sample.wait.count for sample in made] == [1, 0, 0, 2]
    assert made[3].waits_unfinished == 1
    assert made[0].per_client == {4: 0}


def test_the_longest_wait_of_a_client_begins_anew_with_a_segment() -> None:
    taking, maker = Taking(), SampleMaker(users=False)
    made: list[Sample] = []
    for segment in (0, 0, 1):
        taking.operate(events.REQUESTED)
        if not made:
            made += samples(list(maker.reports(taking.take())))  # the first wait is the longest
        taking.operate(events.FAILED)
        made += samples(list(maker.reports(taking.take(segment=segment))))
    first, _, last = (sample.longest_waits.get(4, 0.0) for sample in made[1:])
    assert first > last > 0


def test_a_users_pool_that_counts_too_many_is_reported_once() -> None:
    taking, maker = Taking(used_by_pool=3), SampleMaker(users=True)
    reports = [list(maker.reports(taking.take())) for _ in range(2 * LONG_APART)]
    problems = [each for made in reports for each in made if isinstance(each, ProblemReported)]
    assert [type(report) for report in reports[LONG_APART - 1]] == [ProblemReported, SampleTaken]
    assert len(problems) == 1
    assert "counts 3 connections in use while clients hold 0" in problems[0].sentence
    ours = SampleMaker(users=False)
    assert all(len(list(ours.reports(taking.take()))) == 1 for _ in range(2 * LONG_APART))
