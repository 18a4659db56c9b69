"""Cards: what each change and each fault of a run did, by the figures before and after it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import msgspec

from poolviz.language import tr
from poolviz.model.errors import ParameterError
from poolviz.model.mark_text import mark_in_words
from poolviz.model.sample import TICK, Mark, MarkKind
from poolviz.sessions.batches import RULE
from poolviz.sessions.differences import (
    Difference,
    Measured,
    Outcome,
    Part,
    differences,
    too_few,
)
from poolviz.sessions.differences_in_words import in_words
from poolviz.sessions.measured_segments import measured_segments
from poolviz.sessions.recorder import Recorder
from poolviz.sessions.share_done import ShareDone, unheard
from poolviz.sessions.statistics import Interval
from poolviz.sessions.summary import SegmentSummary
from poolviz.sessions.thresholds import Scope, Threshold, Verdict


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

    @property
    def title(self) -> str:
        """What was changed, in the user's words."""
        return ", ".join(map(mark_in_words, self.changes))


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


def effects(recorder: Recorder, share_done: ShareDone = unheard) -> Effects:
    """Return what the changes and faults of a run did. Reads every sample, of an hour in about a
    second, of which `share_done` hears. InputError if the session is damaged."""
    summary = recorder.summary()
    verdicts = _verdicts(recorder, summary.segments)
    settled, cards = [], []
    before: Measured | None = None
    done: list[Mark] = []
    for number, each in enumerate(measured_segments(recorder, summary, 0, share_done), 1):
        measured = each.settled
        settled.append(
            SettledSegment(
                number=number,
                settled=measured.part,
                figures=measured.figures,
                thresholds=verdicts[number],
            )
        )
        done += each.happened
        if before is None:
            before = measured
            continue
        if each.happened:
            at = (each.segment.from_s, number)
            cards.append(_card(at, done, (before, each.after), verdicts[number]))
        if measured.enough or not before.enough:
            before, done = measured, []
    return Effects(rule=tr(RULE), segments=settled, cards=cards)


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
    words = in_words(few, found, before.part, after.part)
    return Card(
        at_s=at_s,
        segment=number,
        changes=changes,
        keys=list(dict.fromkeys(mark.key for mark in done if mark.key is not None)),
        outcome=Outcome.TOO_FEW if few else Outcome.CLEAR if clear else Outcome.NOT_CLEAR,
        sentence=f"{', '.join(map(mark_in_words, changes))}: {words}",
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
