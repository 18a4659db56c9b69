"""Cards: what each change and each fault of a run did, by the figures before and after it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import msgspec

from poolviz.model.errors import ParameterError
from poolviz.model.parameters import show_seconds
from poolviz.model.sample import TICK, Mark, MarkKind
from poolviz.sessions.batches import RULE, is_time, steps_of
from poolviz.sessions.differences import (
    Difference,
    Measured,
    Outcome,
    Part,
    differences,
    too_few,
)
from poolviz.sessions.recorder import Recorder
from poolviz.sessions.statistics import Interval
from poolviz.sessions.summary import SegmentSummary
from poolviz.sessions.thresholds import Scope, Threshold, Verdict

_NAMED = {
    "wait_p95_s": "wait p95",
    "throughput_per_s": "throughput",
    "wait_p50_s": "wait p50",
    "wait_p99_s": "wait p99",
    "pending_mean": "waiting",
    "used_mean": "active",
    "open_mean": "open",
    "use_mean_s": "use mean",
}
_FIRST = ("wait_p95_s", "throughput_per_s")  # of these every card says what became of them
_MOST = 3  # figures in a sentence, where the first ones show nothing


class Card(msgspec.Struct, frozen=True, kw_only=True):
    """What the changes and faults of one moment did, `at_s` seconds after the start.

    `segment` is the number of the segment that they began. `before` is the last one with samples
    enough: where the changes between are close together, all of them are among `changes`.
    `sentence` says it to people. `thresholds` are the conditions of the run that are checked in the
    segment after, by all that was counted in it.
    """

    at_s: float
    segment: int
    changes: list[str]
    keys: list[str]
    outcome: Outcome
    sentence: str
    before: Part
    after: Part
    differences: list[Difference]
    thresholds: list[Verdict]


class SettledSegment(msgspec.Struct, frozen=True, kw_only=True):
    """The figures of the segment `number` without its settling time, with intervals."""

    number: int
    settled: Part
    figures: dict[str, Interval]
    thresholds: list[Verdict]


class Effects(msgspec.Struct, frozen=True, kw_only=True):
    """The segments of a run with their settled figures, and a card for each change and fault.
    `rule` says what is left out, and how intervals are made."""

    rule: str
    segments: list[SettledSegment]
    cards: list[Card]


def effects(recorder: Recorder) -> Effects:
    """Return what the changes and faults of a run did. Reads every sample, of an hour in about a
    second. InputError if the session is damaged."""
    segments, marks = recorder.summary().segments, recorder.marks
    moments: dict[float, list[Mark]] = {}
    for mark in marks:
        if mark.kind is not MarkKind.NOTE:
            moments.setdefault(mark.t, []).append(mark)
    verdicts = _verdicts(recorder, segments)
    settled, cards = [], []
    before: Measured | None = None
    done: list[Mark] = []
    for number, (segment, measured, whole) in enumerate(_measured(recorder, segments), 1):
        settled.append(
            SettledSegment(
                number=number,
                settled=measured.part,
                figures=measured.figures,
                thresholds=verdicts[number],
            )
        )
        done += moments.get(segment.from_s, []) if number > 1 else []
        if before is None:
            before = measured
            continue
        happened = moments.get(segment.from_s, [])
        after = whole if _is_over(happened, segment, segments[number - 2]) else measured
        if happened:
            at = (segment.from_s, number)
            cards.append(_card(at, done, (before, after), verdicts[number]))
        if measured.enough or not before.enough:
            before, done = measured, []
    return Effects(rule=RULE, segments=settled, cards=cards)


def _measured(
    recorder: Recorder, segments: Sequence[SegmentSummary]
) -> list[tuple[SegmentSummary, Measured, Measured]]:
    """Return each segment with what was measured in it once it had settled, and in all of it."""
    found = []
    steps = steps_of(recorder.columns() if segments else (), [each.to_s for each in segments])
    for number, (segment, each) in enumerate(zip(segments, steps, strict=True), 1):
        first = each.settled()
        begin, end = max(float(each.begins[first]), segment.from_s), float(each.ends[-1])
        left_out = begin - segment.from_s if first else 0.0
        measured = Measured(each.batches(first), begin, end, left_out, (number,))
        whole = Measured(each.batches(), segment.from_s, end, 0.0, (number,)) if first else measured
        found.append((segment, measured, whole))
    return found


def _is_over(happened: Sequence[Mark], after: SegmentSummary, before: SegmentSummary) -> bool:
    """Whether only faults happened that were over at once, not those that last, nor their end."""
    return bool(happened) and all(
        mark.kind is MarkKind.FAULT
        and not after.faults.get(mark.key or "")
        and not before.faults.get(mark.key or "")
        for mark in happened
    )


def _card(
    at: tuple[float, int],
    done: Sequence[Mark],
    sides: tuple[Measured, Measured],
    thresholds: list[Verdict],
) -> Card:
    (at_s, number), (before, after) = at, sides
    found = differences(before, after)
    few = too_few(before, after)
    clear = any(each.outcome is Outcome.CLEAR for each in found)
    changes = _joined(done)
    words = _in_words(few, found, before.part, after.part)
    return Card(
        at_s=at_s,
        segment=number,
        changes=changes,
        keys=list(dict.fromkeys(mark.key for mark in done if mark.key is not None)),
        outcome=Outcome.TOO_FEW if few else Outcome.CLEAR if clear else Outcome.NOT_CLEAR,
        sentence=f"{', '.join(changes)}: {words}",
        before=before.part,
        after=after.part,
        differences=found,
        thresholds=thresholds,
    )


def _joined(marks: Sequence[Mark]) -> list[str]:
    """Return the texts of marks, of several changes of one key a single one."""
    texts: list[str] = []
    places: dict[str, tuple[int, Mark]] = {}
    for mark in marks:
        known = places.get(mark.key or "") if mark.kind is MarkKind.CHANGE else None
        end = f" → {_after_arrow(mark.text)}"
        if known is not None and " → " in known[1].text and " → " in mark.text:
            place, first = known
            texts[place] = first.text.rpartition(" → ")[0] + end
            continue
        if mark.kind is MarkKind.CHANGE and mark.key is not None:
            places[mark.key] = (len(texts), mark)
        texts.append(mark.text)
    return texts


def _after_arrow(text: str) -> str:
    return text.rpartition(" → ")[2]


def _in_words(few: str, found: Sequence[Difference], before: Part, after: Part) -> str:
    """Return what differs: the first figures if they do, else others; and all errors, which are
    facts, however few. `few` says in words that there are too few samples."""
    by_name = {each.figure: each for each in found}
    clear = [name for name in _NAMED if by_name[name].outcome is Outcome.CLEAR]
    shown = [name for name in _FIRST if name in clear] or clear[:_MOST]
    words = [few or "no clear difference"] if few or not shown else []
    words += [said(by_name[name]) for name in shown]
    for noun, was, is_ in (
        ("timeouts", before.timeouts, after.timeouts),
        ("errors", before.errors, after.errors),
    ):
        if was or is_:
            words.append(f"{noun} {was:,} → {is_:,}")
    return ", ".join(words)


def said(difference: Difference) -> str:
    """Return a clear difference in words: a time as both values, a rate as what it changed by."""
    name = _NAMED.get(difference.figure, difference.figure)
    before, after = difference.before.value or 0.0, difference.after.value or 0.0
    if is_time(difference.figure):
        return f"{name} {times(before, after)}"
    relative = difference.relative
    if difference.figure == "throughput_per_s" and relative is not None:
        return f"{name} {percent(relative.value or 0.0)}"
    return f"{name} {before:.3g} → {after:.3g}"


def times(before: float, after: float) -> str:
    """Return two times with one unit where they have it in common: `12 → 480 ms`."""
    texts = [show_seconds(float(f"{value:.3g}")) for value in (before, after)]
    (first, unit), (second, other) = (text.rsplit(" ", 1) for text in texts)
    return f"{first} → {second} {other}" if unit == other else f"{texts[0]} → {texts[1]}"


def percent(share: float) -> str:
    """Return a change in percent with its sign, `+22 %`, `−31 %`; from tenfold on as a factor,
    `×12`."""
    if share >= 9:
        return f"×{share + 1:,.3g}" if share < 999 else f"×{share + 1:,.0f}"
    size = abs(share) * 100
    digits = 2 if 99 < size < 99.995 else 0 if size >= 9.95 else 1
    return f"{'−' if share < 0 else '+'}{size:.{digits}f} %"


def _verdicts(
    recorder: Recorder, segments: Sequence[SegmentSummary]
) -> Mapping[int, list[Verdict]]:
    """Return by segment the verdicts on those conditions of the run that are of segments."""
    found: dict[int, list[Verdict]] = {number: [] for number in range(1, len(segments) + 1)}
    conditions = recorder.began.scenario.fail_if if recorder.began is not None else ()
    if not any(conditions):
        return found
    summary, marks = recorder.summary(), recorder.marks
    for text in conditions:
        try:
            threshold = Threshold.parse(text)
        except ParameterError:  # which the verdicts of the whole run say
            continue
        if not threshold.scope.words:
            continue
        for number, segment in threshold.scope.segments(summary, marks).items():
            if number in found and segment.duration_s >= TICK:
                scope = Scope(f"in segment {number}", number=number)
                found[number].append(replace(threshold, scope=scope).verdict(summary, marks))
    return found
