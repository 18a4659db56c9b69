"""Sessions compared: over one axis, by their figures, each with the first one, the baseline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from itertools import takewhile
from pathlib import Path

import msgspec

from poolviz.language import tr, tr_noop, trn
from poolviz.load.fleet import PROCESSES
from poolviz.model.errors import InputError
from poolviz.model.sample import Mark
from poolviz.model.text import on_one_line, shortened
from poolviz.sessions.batches import RULE, Batches
from poolviz.sessions.differences import Difference, Measured, Part, differences, too_few
from poolviz.sessions.differences_in_words import in_words
from poolviz.sessions.file.reader import SessionHeader
from poolviz.sessions.measured_segments import MeasuredSegment, measured_segments
from poolviz.sessions.recorder import Recorder
from poolviz.sessions.share_done import ShareDone, portion, unheard
from poolviz.sessions.statistics import Interval
from poolviz.sessions.summary import RunSummary

START = "start"
MOST = 8  # sessions that are compared at once
METHOD = tr_noop(
    "Intervals are of what varies within a run. Two runs of one scenario differ by what "
    "the machine does beside them too: repeat those that differ by little."
)
_LONGEST_NAME = 60
_WORTH_A_NOTE = 0.05  # of a run
_MOST_MARKS = 8  # in a sentence


class ComparedSession(msgspec.Struct, frozen=True, kw_only=True):
    """A session that is compared. `zero_s` is the moment of its run at which the common axis has
    zero. `note` says in sentences what is wrong with it: it was killed, is incomplete or empty, or
    the load generator was at its limit."""

    name: str
    file: str
    pool: str | None
    server: str | None
    started_utc: str | None
    duration_s: float
    zero_s: float
    complete: bool
    note: str


class Side(msgspec.Struct, frozen=True, kw_only=True):
    """A part of one session: its figures, and what differs from the baseline, which has no
    `differences`. `sentence` says it to people. `part` is None if the session hasn't this part."""

    name: str
    part: Part | None
    figures: dict[str, Interval]
    differences: list[Difference]
    sentence: str


class ComparedPart(msgspec.Struct, frozen=True, kw_only=True):
    """A part of all sessions: the whole of each, or a segment that all of them have."""

    title: str
    sides: list[Side]


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """What two sessions or more have in common, and what differs. The first is the baseline.

    `align` is "start", or the mark at which each session has the zero of the axis. `settings` has
    by its name each fact in which the sessions differ, as text for each of them. `notes` are
    sentences on what can't be compared. `method` says how intervals are made.
    """

    baseline: str
    align: str
    method: str
    sessions: list[ComparedSession]
    notes: list[str]
    settings: dict[str, list[str]]
    parts: list[ComparedPart]


@dataclass(frozen=True)
class Compared:
    """Sessions over one axis: the record of each by its name, and the moment of each run at which
    the axis has zero."""

    names: tuple[str, ...]
    recorders: tuple[Recorder, ...]
    zeros: tuple[float, ...]
    align: str
    share_done: ShareDone = unheard  # hears how much was read when they are compared
    charts: tuple[str, ...] = ()  # the names of those that are drawn; none are all

    @classmethod
    def of(
        cls,
        named: Sequence[tuple[str, Recorder]],
        align: str = START,
        share_done: ShareDone = unheard,
        charts: tuple[str, ...] = (),
    ) -> Compared:
        """Return sessions aligned at their start, or at the first mark of each that `align` names:
        by its key, such as `max_overflow`, or by its text. InputError if one has no such mark."""
        if len(named) < 2:
            raise InputError(tr("Comparing takes two sessions or more."))
        if len(named) > MOST:
            raise InputError(
                tr(
                    "{named} sessions are too many to compare: {most} at most.",
                    named=len(named),
                    most=MOST,
                )
            )
        names = _distinct([name for name, _ in named])
        recorders = tuple(recorder for _, recorder in named)
        zeros = tuple(
            0.0 if align == START else _moment(recorder, align, name)
            for recorder, name in zip(recorders, names, strict=True)
        )
        return cls(names, recorders, zeros, align, share_done, charts)

    @property
    def start(self) -> float:
        """Where the axis begins, in seconds."""
        return min(-zero for zero in self.zeros)

    @property
    def end(self) -> float:
        """Where the axis ends, in seconds."""
        ends = (each.duration - zero for each, zero in zip(self.recorders, self.zeros, strict=True))
        return max(ends)

    @cached_property
    def comparison(self) -> Comparison:
        """What differs. Reads every sample, of an hour in about a second. InputError if a session
        is damaged."""
        return _compared(self)


def name_of(path: Path) -> str:
    """Return what a session is called: the name that the user gave it, or that of its file."""
    return SessionHeader(path).label.name or path.stem


def common_marks(recorders: Sequence[Recorder]) -> list[str]:
    """Return the keys of changes and faults that every session has, in the order of the first."""
    keys = [[mark.key for mark in each.marks if mark.key] for each in recorders]
    return [key for key in dict.fromkeys(keys[0]) if all(key in each for each in keys[1:])]


def _distinct(names: Sequence[str]) -> tuple[str, ...]:
    found: list[str] = []
    for name in names:
        short = shortened(on_one_line(name), _LONGEST_NAME) or "session"
        number, given = 2, short
        while given in found:
            given, number = f"{short} ({number})", number + 1
        found.append(given)
    return tuple(found)


def _moment(recorder: Recorder, align: str, name: str) -> float:
    wanted = align.strip().lower()
    for matches in (
        lambda mark: (mark.key or "").lower() == wanted,
        lambda mark: mark.text.lower() == wanted,
        lambda mark: wanted and wanted in mark.text.lower(),
    ):
        for mark in recorder.marks:
            if matches(mark):
                return mark.t
    raise InputError(
        tr(
            "{name} can't be aligned at '{align}': {has}.",
            name=name,
            align=align,
            has=_has(recorder.marks),
        )
    )


def _has(marks: Sequence[Mark]) -> str:
    if not marks:
        return tr("it has no marks, so align at start")
    texts = list(dict.fromkeys(mark.key or mark.text for mark in marks))
    more = ", …" if len(texts) > _MOST_MARKS else ""
    return tr("it has {texts}{more}", texts=", ".join(texts[:_MOST_MARKS]), more=more)


def _compared(sessions: Compared) -> Comparison:
    summaries = [recorder.summary() for recorder in sessions.recorders]
    segments = []
    each_one = zip(sessions.recorders, summaries, sessions.zeros, strict=True)
    for run, (recorder, summary, zero) in enumerate(each_one, 1):
        done = portion(sessions.share_done, run - 1, len(sessions.names))
        measured = measured_segments(recorder, summary, run, done)
        segments.append([each for each in measured if each.segment.to_s > zero])
    notes = []
    whole = (
        tr("The whole run")
        if sessions.align == START
        else tr("From {align} on", align=sessions.align)
    )
    parts = [_part(sessions.names, whole, [_joined(each, 0) for each in segments])]
    if max(map(len, segments)) > 1:
        alike = _alike(segments)
        for place in range(alike):
            each = [run[place].after for run in segments]
            parts.append(_part(sessions.names, _title(segments[0][place], place), each))
        if alike < max(map(len, segments)):
            notes.append(
                trn(
                    "Segments are compared one by one as long as all sessions have the same "
                    "changes and faults: the first.",
                    "Segments are compared one by one as long as all sessions have the same "
                    "changes and faults: the first {n}.",
                    alike,
                )
            )
    lengths = [recorder.duration for recorder in sessions.recorders]
    if min(lengths) < 0.98 * max(lengths):
        shown = ", ".join(
            tr("{name} {length:.1f} s", name=name, length=length)
            for name, length in zip(sessions.names, lengths, strict=True)
        )
        notes.append(tr("The sessions are of different lengths: {shown}.", shown=shown))
    return Comparison(
        baseline=sessions.names[0],
        align=sessions.align,
        method=f"{tr(RULE)} {tr(METHOD)}",
        sessions=[
            _session(*each)
            for each in zip(
                sessions.names, sessions.recorders, summaries, sessions.zeros, strict=True
            )
        ],
        notes=notes,
        settings=_settings(sessions.recorders),
        parts=parts,
    )


def _joined(segments: Sequence[MeasuredSegment], part: int) -> Measured | None:
    """Return what was measured in several segments together; None if nothing was."""
    known = [each.after for each in segments if each.after.seconds > 0]
    if not known:
        return None
    return Measured(
        Batches.joined([each.batches for each in known]),
        known[0].begin,
        known[-1].end,
        sum(each.settling for each in known),
        (*known[0].seed, part, len(known)),
    )


def _alike(segments: Sequence[Sequence[MeasuredSegment]]) -> int:
    """Return how many segments all sessions have that began with the same changes and faults; the
    first ones do, whatever they began with."""
    fewest = min(map(len, segments))
    if not fewest:
        return 0
    places = zip(*(run[1:fewest] for run in segments), strict=True)
    return 1 + len(list(takewhile(_began_alike, places)))


def _began_alike(segments: Sequence[MeasuredSegment]) -> bool:
    begun = [[(mark.kind, mark.key) for mark in each.happened] for each in segments]
    return all(each == begun[0] for each in begun[1:])


def _title(segment: MeasuredSegment, place: int) -> str:
    texts = ", ".join(mark.words for mark in segment.happened)
    return tr("Segment {number}{begun}", number=place + 1, begun=f": {texts}" if texts else "")


def _part(names: Sequence[str], title: str, measured: Sequence[Measured | None]) -> ComparedPart:
    baseline, *_ = measured
    sides = []
    for name, each in zip(names, measured, strict=True):
        found: list[Difference] = []
        sentence = ""
        if each is None:
            sentence = tr("nothing was recorded")
        elif each is not baseline and baseline is None:
            sentence = tr("nothing was recorded of {name}", name=names[0])
        elif each is not baseline and baseline is not None:
            found = differences(baseline, each)
            few = too_few(
                baseline, each, (tr("of {name}", name=names[0]), tr("of {name}", name=name))
            )
            sentence = in_words(few, found, baseline.part, each.part)
        sides.append(
            Side(
                name=name,
                part=None if each is None else each.part,
                figures={} if each is None else each.figures,
                differences=found,
                sentence=sentence,
            )
        )
    return ComparedPart(title=title, sides=sides)


def _session(name: str, recorder: Recorder, summary: RunSummary, zero: float) -> ComparedSession:
    began = recorder.began
    notes = [summary.incomplete_reason or "", recorder.trouble]
    if not summary.samples:
        notes.append(tr("Nothing was recorded in it."))
    strained = summary.load_generator.strained_s
    if strained > _WORTH_A_NOTE * recorder.duration:
        notes.append(
            tr(
                "The load generator was at its own limit for {strained:.1f} s: what differs may "
                "be the machine's doing.",
                strained=strained,
            )
        )
    moment = None if began is None else datetime.fromtimestamp(began.started, UTC)
    return ComparedSession(
        name=name,
        file="" if recorder.path is None else recorder.path.name,
        pool=summary.pool,
        server=summary.server,
        started_utc=None if moment is None else moment.isoformat(timespec="seconds"),
        duration_s=recorder.duration,
        zero_s=zero,
        complete=summary.complete,
        note=" ".join(dict.fromkeys(filter(None, notes))),
    )


def _settings(recorders: Sequence[Recorder]) -> dict[str, list[str]]:
    """Return the facts in which sessions differ as they began; "–" where one hasn't that."""
    facts = [_facts(recorder) for recorder in recorders]
    names = dict.fromkeys(name for each in facts for name in each)
    found = {name: [each.get(name, "–") for each in facts] for name in names}
    return {name: texts for name, texts in found.items() if len(set(texts)) > 1}


def _facts(recorder: Recorder) -> Mapping[str, str]:
    if recorder.began is None:
        return {}
    scenario = recorder.began.scenario
    plain = {"pool": scenario.pool, "seed": scenario.seed, "duration": scenario.duration}
    processes = {PROCESSES: scenario.fleet.get(PROCESSES, 1)}
    found = {**plain, **processes, **scenario.limits, **scenario.load, **scenario.connect}
    return {
        name: shortened(on_one_line(str(value)), 200)
        for name, value in {**found, **recorder.began.environment}.items()
    }
