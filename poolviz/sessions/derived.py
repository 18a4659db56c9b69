"""Sessions that are made of another one, to be exported: a part of it, or one that names nobody.

What is made is a session file of its own, in a temporary folder, so that every format and chart
has it as it has any other, and nothing else of the session can get into an export.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import msgspec

from poolviz.language import tr
from poolviz.model.errors import InputError
from poolviz.model.messages import PART, RunEnded, RunStarted
from poolviz.model.sample import Mark, Sample
from poolviz.model.text import on_one_line
from poolviz.sessions.anonymous import Anonymizer
from poolviz.sessions.file.columns import Columns
from poolviz.sessions.file.format import (
    Counts,
    Place,
    Row,
    Settings,
    Table,
    pack,
    write_session,
)
from poolviz.sessions.file.kept_lanes import KeptLanes
from poolviz.sessions.file.packing import Packer, StoredSums, as_rows, counts_row
from poolviz.sessions.file.reader import SessionHeader, SessionReader
from poolviz.sessions.holds import US
from poolviz.sessions.recorder import Recorder
from poolviz.sessions.share_done import ShareDone, portion, unheard
from poolviz.sessions.summary import SummaryBuilder
from poolviz.sessions.sweep_record import SweepRecord
from poolviz.system.files import temporary_folder

_MESSAGES = ("error_kinds", "error_counts")


@dataclass(frozen=True)
class Scope:
    """Which part of a session is exported, in seconds since its run began; None is its beginning or
    its end. `anonymous`: no host, user, database or file of the user's is named. `charts` are those
    that are drawn, by name; none are all."""

    start: float | None = None
    end: float | None = None
    anonymous: bool = False
    charts: tuple[str, ...] = ()

    @property
    def is_whole(self) -> bool:
        """All figures are exported, as they are."""
        return self.start is None and self.end is None and not self.anonymous

    def check(self) -> None:
        """Raise InputError if there is no such part in any session."""
        start, end = self.start or 0.0, math.inf if self.end is None else self.end
        if not 0 <= start < math.inf or math.isnan(end):
            raise InputError(tr("A part of a session begins at 0 s or later."))
        if end <= 0:
            raise InputError(tr("A part of a session ends after 0 s."))
        if end <= start:
            raise InputError(
                tr(
                    "There is nothing between {start:g} and {end:g} s: exchange them.",
                    start=start,
                    end=end,
                )
            )


EVERYTHING = Scope()


@contextmanager
def derived(
    recorder: Recorder, scope: Scope, share_done: ShareDone = unheard
) -> Iterator[Recorder]:
    """Open what `scope` says of a session, for the length of the block.

    `share_done` hears how much of it is made, and may raise. InputError if there is nothing in that
    part or its file can't be written.
    """
    if scope.is_whole or recorder.began is None:
        yield recorder
        return
    scope.check()
    in_part = scope.start is not None or scope.end is not None
    steps = 1 + in_part + scope.anonymous
    with temporary_folder() as folder:
        path = folder / "session.poolviz"
        with _written(path):
            snapshot(recorder, path, portion(share_done, 0, steps))
        if in_part:
            with Recorder.open(path) as whole:
                rows = _part(whole, scope, portion(share_done, 1, steps))
                path = _written_rows(path, "part", rows)
        if scope.anonymous:
            rows = _anonymous(SessionReader(path), portion(share_done, steps - 1, steps))
            path = _written_rows(path, "anonymous", rows)
        with Recorder.open(path) as made:
            yield made


def snapshot(recorder: Recorder, path: Path, share_done: ShareDone = unheard) -> None:
    """Write a session to `path`, where no file may be: of one that is being recorded, what was
    committed. OSError or InputError if it can't be written."""
    if recorder.copy(path):
        return
    is_member = recorder.began is not None and recorder.began.member
    kept = recorder.path is not None and recorder.path.exists() and not recorder.trouble
    if kept and not is_member and recorder.path is not None:
        SessionReader(recorder.path).copy(path)
    else:
        write_session(path, session_rows(recorder, share_done))


def _written_rows(path: Path, name: str, rows: Iterator[Row]) -> Path:
    """Write rows to a session beside `path`, and return its path."""
    made = path.with_name(f"{name}{path.suffix}")
    with _written(made):
        write_session(made, rows)
    return made


def part_of(recorder: Recorder) -> tuple[float, float]:
    """Return from when to when the session was recorded, in seconds since its run began."""
    if recorder.began is None or PART not in recorder.began.environment:
        return 0.0, recorder.duration
    segments = recorder.summary().segments
    return (segments[0].from_s if segments else 0.0), recorder.duration


@contextmanager
def _written(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        why = error.strerror or error
        raise InputError(
            tr("Can't write to the folder {parent}: {why}.", parent=path.parent.parent, why=why)
        ) from None


def session_rows(recorder: Recorder, share_done: ShareDone = unheard) -> Iterator[Row]:
    """Yield the rows of a session file that holds what is recorded. `share_done` hears how much of
    it was read."""
    members = [recorder.member(name) for name in recorder.members]
    for number, each in enumerate((recorder, *members)):
        assert each.began is not None
        done = portion(share_done, number, 1 + len(members))
        samples = each.samples(share_done=done)
        yield from _rows(_Record(each.began, each.marks, samples, each), number, len(members))


class _Record(NamedTuple):
    """What a member of a session is made of: what began it, its marks and samples, and what it is
    taken from."""

    began: RunStarted
    marks: tuple[Mark, ...]
    samples: Iterator[Sample]
    source: Recorder


def _rows(record: _Record, number: int, members: int) -> Iterator[Row]:
    source = record.source
    packer = Packer(number, KeptLanes(None, source.lane_states))
    sums, has_lanes = SummaryBuilder(), False
    yield packer.began(record.began)
    for mark in record.marks:
        yield packer.mark(mark)
    for sample in record.samples:
        yield from as_rows(packer.sample(sample, sums)[1])
        sums.add(sample)
        has_lanes = bool(sample.lanes)
    if not has_lanes and source.lane_states(0, round(source.duration / US)):
        yield from as_rows(packer.rest(sums))
    ended = source.ended
    if ended is not None:
        if PART in record.began.environment:
            ended = msgspec.structs.replace(ended, rows=None)  # of the whole run
        yield packer.ended(ended)
    missing = source.missing
    further = 0 if number else members
    counts = msgspec.structs.replace(packer.counts, missing=missing, members=further)
    yield counts_row(counts, number)


def _part(whole: Recorder, scope: Scope, share_done: ShareDone) -> Iterator[Row]:
    """Yield the rows of a part: the samples whose middle lies in it, and the changes, faults and
    notes in their time. Segments are numbered anew, and conditions, of the whole run, go."""
    start = scope.start or 0.0
    end = whole.duration if scope.end is None else min(scope.end, whole.duration)
    pools = (whole, *(whole.member(name) for name in whole.members))
    found = [
        _part_of(each, start, end, portion(share_done, number, len(pools)))
        for number, each in enumerate(pools)
    ]
    parts = [part for part in found if part is not None]
    if found[0] is None:
        which = tr("to {end:g} s", end=end) if start < end else tr("s on")
        raise InputError(
            tr(
                "There is nothing from {start:g} {which}: the session has {duration:g} s.",
                start=start,
                which=which,
                duration=whole.duration,
            )
        )
    for number, part in enumerate(parts):
        yield from _rows(part, number, len(parts) - 1)


def _part_of(source: Recorder, start: float, end: float, share_done: ShareDone) -> _Record | None:
    """Return a part of one member; None if there is nothing of it."""
    assert source.began is not None
    samples = _within(source, start, end, share_done)
    first = next(samples, None)
    if first is None:
        return None
    begin = first.t - first.span
    part = tr(
        "{begin:.2f} to {end:.2f} s of {duration:.2f} s",
        begin=begin,
        end=end,
        duration=source.duration,
    )
    began = msgspec.structs.replace(
        source.began,
        scenario=msgspec.structs.replace(source.began.scenario, fail_if=()),
        environment={**source.began.environment, PART: part},
    )
    marks = tuple(mark for mark in source.marks if begin <= mark.t <= end)
    kept = _with_kinds(chain([first], samples), source, first.segment)
    return _Record(began, marks, kept, source)


def _within(whole: Recorder, start: float, end: float, share_done: ShareDone) -> Iterator[Sample]:
    for sample in whole.samples(start, end, share_done):
        if start <= sample.t - sample.span / 2 < end:
            yield sample


def _with_kinds(samples: Iterable[Sample], whole: Recorder, segment: int) -> Iterator[Sample]:
    """Yield samples with their segments counted from `segment`, and each kind of error described
    where it comes first: in the whole session it may have been before."""
    kinds = {kind.number: kind for kind in whole.error_kinds()}
    seen: set[int] = set()
    for sample in samples:
        seen.update(kind.number for kind in sample.error_kinds)
        begin = sample.t - sample.span
        unseen = [each.number for each in sample.error_counts if each.number not in seen]
        described = [
            msgspec.structs.replace(kinds[number], first=begin)
            for number in unseen
            if number in kinds
        ]
        seen.update(unseen)
        yield msgspec.structs.replace(
            sample, segment=sample.segment - segment, error_kinds=[*sample.error_kinds, *described]
        )


def _anonymous(reader: SessionReader, share_done: ShareDone) -> Iterator[Row]:
    """Yield the rows of a session without what names a server or a user."""
    members = [SessionHeader(reader.path, number) for number in range(1, len(reader.members) + 1)]
    names = Anonymizer([reader.began, *(member.began for member in members)])
    samples = 0
    for table, place, body in reader.rows():
        if table == "chunks":
            samples += int(place[2])
            share_done(samples / max(reader.stored.counts.samples, 1))
        kept = _anonymous_body(table, place, body, names)
        if kept is not None:
            yield table, place, kept


def _anonymous_body(table: Table, place: Place, body: bytes, names: Anonymizer) -> bytes | None:
    """Return the body of a row; None if there is to be none."""
    match table:
        case "meta":
            return _anonymous_meta(str(place[0]), int(place[1]), body, names)
        case "settings":
            force = msgspec.msgpack.decode(body, type=Settings)
            return pack(Settings(*map(names.values, (force.limits, force.load, force.faults))))
        case "samples":
            return pack(names.sample(msgspec.msgpack.decode(body, type=Sample)))
        case "chunks":
            return _anonymous_chunk(body, names)
        case "segments":
            return SummaryBuilder.anonymous_segment(body, names)
        case "marks":
            return pack(names.mark(msgspec.msgpack.decode(body, type=Mark)))
        case "bins":
            return body  # numbers only


def _anonymous_meta(key: str, member: int, body: bytes, names: Anonymizer) -> bytes | None:
    match key:
        case "began":
            began = names.began(msgspec.msgpack.decode(body, type=RunStarted))
            name = tr("pool {member}", member=member) if began.member else ""
            return pack(msgspec.structs.replace(began, member=name))
        case "ended":
            return pack(names.ended(msgspec.msgpack.decode(body, type=RunEnded)))
        case "counts":
            return pack(msgspec.msgpack.decode(body, type=Counts))
        case "state":
            stored = msgspec.msgpack.decode(body, type=StoredSums)
            builder = SummaryBuilder.restored(stored.state, [])
            builder.anonymize(names)
            return pack(StoredSums(stored.samples, builder.state()))
        case "sweep":
            return SweepRecord.unpack(body).anonymous().pack()
    return None  # what the user calls the session


def _anonymous_chunk(body: bytes, names: Anonymizer) -> bytes:
    columns = Columns.unpack(body)
    if not any(name in columns.rare for name in _MESSAGES):
        return body
    change: dict[str, Callable[..., object]] = {
        "error_kinds": names.kinds,
        "error_counts": names.counts,
    }
    rare = {
        name: {n: change[name](value) for n, value in values.items()} if name in change else values
        for name, values in columns.rare.items()
    }
    return Columns(columns.count, columns.columns, rare).pack()


def title_of_part(recorder: Recorder) -> str:
    """Return which part of a session this is, to follow a title; "" for a whole one."""
    if recorder.began is None:
        return ""
    return on_one_line(recorder.began.environment.get(PART, ""))
