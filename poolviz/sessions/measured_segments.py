"""The segments of a run as they were measured: once they had settled, and in all of their time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from poolviz.model.sample import Mark, MarkKind
from poolviz.sessions.batches import steps_of
from poolviz.sessions.differences import Measured
from poolviz.sessions.recorder import Recorder
from poolviz.sessions.share_done import ShareDone, unheard
from poolviz.sessions.summary import RunSummary, SegmentSummary


@dataclass(frozen=True)
class MeasuredSegment:
    """A segment, and the changes and faults that `happened` when it began. `settled` is what was
    measured in it once it had settled, and `after` what shows what happened: all of its time,
    where that was a fault which is over at once."""

    segment: SegmentSummary
    happened: tuple[Mark, ...]
    settled: Measured
    after: Measured


def measured_segments(
    recorder: Recorder, summary: RunSummary, run: int = 0, share_done: ShareDone = unheard
) -> Iterator[MeasuredSegment]:
    """Yield the segments of a `summary` of what is recorded. Of several that are compared, each
    `run` has a number. Reads every sample: InputError if the session is damaged. `share_done` hears
    how much was read."""
    segments = summary.segments
    moments: dict[float, list[Mark]] = {}
    for mark in recorder.marks:
        if mark.kind is not MarkKind.NOTE:
            moments.setdefault(mark.t, []).append(mark)
    ends = [each.to_s for each in segments]
    columns = recorder.columns(share_done)
    steps = steps_of(columns, ends, segments[0].from_s) if segments else ()
    for number, (segment, each) in enumerate(zip(segments, steps, strict=True)):
        first = each.settled()
        begin, end = max(float(each.begins[first]), segment.from_s), float(each.ends[-1])
        left_out = begin - segment.from_s if first else 0.0
        seed = (run, number)
        settled = Measured(each.batches(first), begin, end, left_out, seed)
        happened = tuple(moments.get(segment.from_s, ())) if number else ()
        after = settled
        if first and number and _is_over(happened, segment, segments[number - 1]):
            after = Measured(each.batches(), segment.from_s, end, 0.0, seed)
        yield MeasuredSegment(segment, happened, settled, after)


def _is_over(happened: Sequence[Mark], after: SegmentSummary, before: SegmentSummary) -> bool:
    """Whether only faults happened that were over at once, not those that last, nor their end."""
    return bool(happened) and all(
        mark.kind is MarkKind.FAULT
        and not after.faults.get(mark.key or "")
        and not before.faults.get(mark.key or "")
        for mark in happened
    )
