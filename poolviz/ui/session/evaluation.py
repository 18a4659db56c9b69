"""What came of the run that is shown: its figures, and what each change did, made by a worker."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic

import msgspec
from PySide6.QtCore import QObject, Signal

from poolviz.model.errors import InputError
from poolviz.model.sample import MarkKind
from poolviz.sessions.cards import Effects, effects
from poolviz.sessions.recorder import Recorder
from poolviz.sessions.result_text import Block, blocks
from poolviz.sessions.side_by_side import Pair, side_by_side
from poolviz.sessions.thresholds import verdicts
from poolviz.ui.session.shown_record import ShownRecord
from poolviz.ui.session.worker import Worker

_EVERY = 1.0  # seconds between two evaluations of a run that goes on
_EFFECTS_EVERY = 2.0  # seconds between two looks at what its changes did, which reads all samples
_SHARE = 0.05  # of the time that the latter may take, whatever the length of the run


@dataclass(frozen=True)
class Evaluated:
    """What came of a run, or of the part of it until now. `against` has its figures beside those of
    the run that is drawn behind it, if one is. `problem` says why there are no figures."""

    blocks: tuple[Block, ...] = ()
    effects: Effects | None = None
    against: tuple[Pair, ...] = ()
    problem: str = ""


@dataclass(frozen=True)
class _Work:
    """What is evaluated: the record that is shown, `live` while it grows, and `behind` it another.
    `known` are the effects that were found last, which stand where they aren't wanted anew."""

    recorder: Recorder
    whole: bool
    live: bool
    behind: Recorder | None
    with_effects: bool
    known: Effects | None


class Evaluation(QObject):
    """The evaluation of what `shown` shows, once it has ended, and now and then while it goes on.
    Belongs to the GUI thread; `worker`, which closes records too, reads and counts."""

    changed = Signal()  # `result` is another

    def __init__(
        self, shown: ShownRecord, worker: Worker, live: Callable[[], bool], parent: QObject
    ) -> None:
        super().__init__(parent)
        self._shown, self._worker, self._live = shown, worker, live
        self.result = Evaluated()
        self._recorder: Recorder | None = None  # that `result` is of
        self._state: tuple[object, ...] = ()  # of what was evaluated last
        self._working = False
        self._next = self._effects_next = 0.0
        shown.changed.connect(self.update)
        shown.member_changed.connect(self.update)
        shown.ghost.changed.connect(self.update)

    def update(self) -> None:
        """Evaluate what is shown, if there is something new in it and it is time. Costs almost
        nothing otherwise."""
        recorder, ghost = self._shown.recorder, self._shown.ghost.recorder
        if recorder is not self._recorder:
            self._recorder, self._state = recorder, ()
            self._next = self._effects_next = 0.0
            self._take(Evaluated())
        if recorder is None or recorder.last is None or self._working:
            return
        live, now = self._live(), monotonic()
        state = recorder.revision, live, ghost
        if state == self._state or (live and now < self._next):
            return
        changed = any(mark.kind is not MarkKind.NOTE for mark in recorder.marks)
        work = _Work(
            recorder=recorder,
            whole=recorder is self._shown.whole,
            live=live,
            behind=ghost if ghost is not recorder else None,
            with_effects=not live or (changed and now >= self._effects_next),
            known=self.result.effects,
        )
        self._working, self._state = True, state
        self._next = now + _EVERY
        self._worker.do(
            lambda: _evaluate(work), lambda found: self._found(work, *found), self._fail
        )

    def _found(self, work: _Work, result: Evaluated, seconds: float) -> None:
        self._working = False
        if work.with_effects:
            self._effects_next = monotonic() + max(_EFFECTS_EVERY, seconds / _SHARE)
        if work.recorder is self._recorder:
            self._take(result)
        self.update()  # it may have ended, or be another, since

    def _fail(self, error: BaseException) -> None:
        self._working = False
        if not isinstance(error, InputError):
            raise error
        self._take(Evaluated(problem=str(error)))

    def _take(self, result: Evaluated) -> None:
        if result != self.result:
            self.result = result
            self.changed.emit()


def _evaluate(work: _Work) -> tuple[Evaluated, float]:
    """Return what came of a run, and the seconds that took. Called in a worker's thread."""
    began = monotonic()
    recorder = work.recorder
    summary = recorder.summary()
    if work.live:  # a run that goes on isn't incomplete
        summary = msgspec.structs.replace(summary, incomplete_reason=None)
    did = effects(recorder) if work.with_effects else work.known
    checked = verdicts(recorder) if work.whole else ()
    against: list[Pair] = []
    if work.behind is not None:
        against = side_by_side(work.behind.summary(), summary)
    pools = [(name, recorder.member(name).summary()) for name in recorder.members]
    found = blocks(summary, recorder.marks, checked, did, pools if work.whole else ())
    return Evaluated(tuple(found), did, tuple(against)), monotonic() - began
