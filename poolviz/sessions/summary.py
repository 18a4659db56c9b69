"""The figures of a run, as `poolviz run --json` prints them, whole and for each segment."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

import msgspec

from poolviz.language import tr, trn
from poolviz.model.histogram import Durations, Histogram
from poolviz.model.messages import Rows, RunEnded, RunStarted
from poolviz.model.parameters import Value
from poolviz.model.sample import ErrorKind, Mark, MarkKind, Sample
from poolviz.sessions.anonymous import Anonymizer
from poolviz.sessions.error_details import Counted, ErrorCounts, ErrorDetails
from poolviz.sessions.totals import Figures, Totals


class SegmentSummary(Figures, frozen=True, kw_only=True):
    """The figures between two changes or faults, and what was in force then. `began_with` says
    which changes and faults began it: `max_overflow 5 → 0`, `kill_connections 5`."""

    from_s: float
    to_s: float
    began_with: list[str]
    limits: dict[str, Value]
    load: dict[str, Value]
    faults: dict[str, Value]


class RunSummary(Figures, frozen=True, kw_only=True):
    """The figures of a whole run.

    `use` says how clients used the pool: the names of the setting `use` in their order, None if a
    session of an earlier version doesn't say. `replays` names the file of the session that was run
    again, None if none was. `server` describes the server, if known. `connect`
    has the arguments that the driver was given. `rows` compares the rows that clients committed
    with those that are there, if the load added rows. `incomplete_reason` is a sentence that says
    why a run isn't `complete`: it failed, was stopped before its time, or couldn't be recorded.
    """

    pool: str | None
    use: str | None
    server: str | None
    connect: dict[str, Value]
    complete: bool
    incomplete_reason: str | None
    replays: str | None = None
    rows: Rows | None
    segments: list[SegmentSummary]


def no_success(summary: RunSummary) -> str:
    """Return the sentence about a run in which no operation succeeded although some were begun;
    "" if one did."""
    connections = summary.connections
    begun = (connections.pending_max, connections.used_max, connections.backlog_max)
    if summary.operations or not (summary.errors or summary.timeouts or any(begun)):
        return ""
    most = max(summary.error_details, key=lambda kind: kind.count, default=None)
    if most is None:
        return tr("No operation succeeded: those that were begun had not ended when the run did.")
    said = f" ({most.message.rstrip('.')})" if most.message else ""
    return trn(
        "No operation succeeded: {name} was raised once{said}.",
        "No operation succeeded: {name} was raised {n:,} times{said}.",
        most.count,
        name=most.name,
        said=said,
    )


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """The newest sample of a run, and what was counted from its beginning until then."""

    last: Sample
    timeouts: int
    create: Durations
    wait: Durations
    use: Durations


class _State(msgspec.Struct, array_like=True):
    """What a SummaryBuilder knows apart from the segments that it has closed."""

    whole: Totals
    current: Totals
    last: Sample | None


class SummaryBuilder:
    """The totals of a run and of its segments. Not thread-safe."""

    def __init__(self) -> None:
        self._whole = Totals()
        self._current = self._of_segment(None)
        self._closed: list[SegmentSummary] = []
        self._last: Sample | None = None

    @classmethod
    def restored(cls, state: bytes, closed: Sequence[bytes]) -> SummaryBuilder:
        """Return a builder that goes on from a `state` with those `closed` segments. ValueError if
        that isn't what `state` and `closed_from` returned."""
        builder = cls()
        try:
            kept = _decode_state(state)
            builder._closed = [_decode_segment(segment) for segment in closed]
        except (msgspec.MsgspecError, TypeError, LookupError, RecursionError) as error:
            raise ValueError(str(error)) from None
        builder._whole, builder._current, builder._last = kept.whole, kept.current, kept.last
        counts = builder._current.error_counts
        builder._current.error_counts = ErrorCounts(kept.whole.error_counts, counts.state())
        return builder

    def state(self) -> bytes:
        """Return what is known so far, without the closed segments, to be stored."""
        return _encode(_State(self._whole, self._current, self._last))

    def closed_from(self, number: int) -> list[bytes]:
        """Return the closed segments from that number on, to be stored."""
        return [_encode(segment) for segment in self._closed[number:]]

    def anonymize(self, names: Anonymizer) -> None:
        """Remove names of servers and people from what is known so far."""
        for totals in (self._whole, self._current):
            totals.error_counts.rewrite(names.kinds, names.text)
        if self._last is not None:
            self._last = names.sample(self._last)
        self._closed = [_anonymous(segment, names) for segment in self._closed]

    @staticmethod
    def anonymous_segment(segment: bytes, names: Anonymizer) -> bytes:
        """Return a segment that `closed_from` returned without names of servers and people."""
        return _encode(_anonymous(_decode_segment(segment), names))

    @property
    def samples(self) -> int:
        """How many samples were added."""
        return self._whole.samples

    def add(self, sample: Sample) -> None:
        """Add the next sample; a new segment number closes the segment before."""
        if self._last is not None and self._last.segment != sample.segment:
            self._closed.append(_segment(self._current, self._last))
            # It begins where the one before ended, exactly.
            self._current = self._of_segment(self._last.t)
        self._whole.add(sample)
        self._current.add(sample)
        self._last = sample

    def _of_segment(self, begin: float | None) -> Totals:
        return Totals(begin=begin, error_counts=ErrorCounts(self._whole.error_counts))

    def error_details(self) -> list[ErrorDetails]:
        """Return the kinds of errors and timeouts so far."""
        return self._whole.error_counts.details()

    def error_kinds(self) -> list[ErrorKind]:
        """Return the kinds of errors and timeouts so far, each as its first one was."""
        return [counted.first for counted in self._whole.error_counts.state()]

    def reading(self) -> Reading | None:
        """Return the newest sample, and what was counted until then; None before the first one."""
        if self._last is None:
            return None
        whole = self._whole
        return Reading(
            last=self._last,
            timeouts=whole.timeouts,
            create=whole.create.pack(),
            wait=whole.wait.pack(),
            use=whole.use.pack(),
        )

    def summary(
        self,
        began: RunStarted | None,
        ended: RunEnded | None,
        trouble: str = "",
        marks: Sequence[Mark] = (),
    ) -> RunSummary:
        """Return the figures so far, of the whole run and of each segment. `trouble` says in a
        sentence why the record isn't whole, and `marks` are those of the run."""
        reason = _incomplete_reason(began, ended) or trouble
        current = [] if self._last is None else [_segment(self._current, self._last)]
        figures = self._whole.figures(None if ended is None else ended.open_at_end)
        segments = _with_beginnings([*self._closed, *current], marks)
        loads = [] if began is None else [began.scenario.load]
        uses = [str(load["use"]) for load in [*loads, *(s.load for s in segments)] if "use" in load]
        return RunSummary(
            pool=None if began is None else began.scenario.pool,
            use=", then ".join(use for use, _ in groupby(uses)) or None,
            server=None if began is None else began.environment.get("server"),
            connect={} if began is None else dict(began.scenario.connect),
            complete=not reason,
            incomplete_reason=reason or None,
            replays=None if began is None else began.scenario.replays or None,
            rows=None if ended is None else ended.rows,
            segments=segments,
            **msgspec.structs.asdict(figures),
        )


def _as_plain(value: object) -> object:
    """Return a histogram or counts of errors as what msgspec encodes."""
    if isinstance(value, Histogram):
        return value.pack()
    if isinstance(value, ErrorCounts):
        return value.state()
    raise NotImplementedError(type(value).__name__)


def _from_plain(kind: type, plain: object) -> object:
    if kind is Histogram:
        return Histogram.of(msgspec.convert(plain, Durations))
    if kind is ErrorCounts:
        return ErrorCounts(kinds=msgspec.convert(plain, list[Counted]))
    raise NotImplementedError(kind.__name__)


_encode = msgspec.msgpack.Encoder(enc_hook=_as_plain).encode
_decode_state = msgspec.msgpack.Decoder(_State, dec_hook=_from_plain).decode
_decode_segment = msgspec.msgpack.Decoder(SegmentSummary).decode


def _with_beginnings(
    segments: Sequence[SegmentSummary], marks: Sequence[Mark]
) -> list[SegmentSummary]:
    """Return the segments with the changes and faults that began them: the engine marks them at
    the moment at which it began the segment."""
    texts: dict[float, list[str]] = {}
    for mark in marks:
        if mark.kind is not MarkKind.NOTE:
            texts.setdefault(mark.t, []).append(mark.text)
    return [
        msgspec.structs.replace(segment, began_with=texts.get(segment.from_s, []))
        for segment in segments
    ]


def _incomplete_reason(began: RunStarted | None, ended: RunEnded | None) -> str:
    """Return why a run isn't complete, in a sentence; "" if it is."""
    if ended is None:
        return tr("The record ends before the run did.")
    planned = None if began is None else began.scenario.duration
    if not ended.failure and ended.stopped and planned is not None:
        return tr("The run was stopped before its {planned:g} s were over.", planned=planned)
    return ended.failure


def _anonymous(segment: SegmentSummary, names: Anonymizer) -> SegmentSummary:
    return msgspec.structs.replace(
        segment,
        limits=names.values(segment.limits),
        load=names.values(segment.load),
        faults=names.values(segment.faults),
        error_details=[
            msgspec.structs.replace(
                kind,
                message=names.text(kind.message),
                last_message=names.text(kind.last_message),
                exception=names.exception(kind.exception),
            )
            for kind in segment.error_details
        ],
    )


def _segment(totals: Totals, last: Sample) -> SegmentSummary:
    return SegmentSummary(
        from_s=totals.begin or 0.0,
        to_s=totals.end,
        began_with=[],
        limits=last.limits,
        load=last.load,
        faults=last.faults,
        **msgspec.structs.asdict(totals.figures()),
    )
