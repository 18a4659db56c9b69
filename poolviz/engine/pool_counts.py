"""A pool's own counts, which a user's pool may fail to give, or not return from."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable
from time import perf_counter

from poolviz.language import tr
from poolviz.model.error_text import sentence_part
from poolviz.model.sample import ReportedCounts
from poolviz.pools.custom.places import place_of_error, place_of_thread

_PATIENCE = 0.02  # seconds that a sample waits for a pool's counts
_OLD = 0.2  # seconds after which an answer is of another moment than the sample
_SLOW = 1.0  # seconds after which counts that don't come are reported
_MOST = 2**31
_NO_COUNTS = ReportedCounts()
_logger = logging.getLogger(__name__)


class PoolCounts:
    """Asks a pool for its counts, at each sample.

    If the pool may run a user's code, it is `apart`: asked in a thread of its own. A sample for
    which it doesn't answer in time has no counts. `on_problem` gets a sentence when the pool
    fails or doesn't answer, and an empty one when it does again. One thread at a time calls `read`.
    """

    def __init__(
        self,
        counts: Callable[[], ReportedCounts],
        on_problem: Callable[[str], None],
        *,
        apart: bool,
    ) -> None:
        self._counts, self._on_problem = counts, on_problem
        self._failed = False
        self._asked: queue.SimpleQueue[bool] = queue.SimpleQueue()
        self._answers: queue.SimpleQueue[ReportedCounts | BaseException] = queue.SimpleQueue()
        self._asked_at: float | None = None
        self._thread: threading.Thread | None = None
        if apart:
            self._thread = threading.Thread(target=self._answer, name="pool counts", daemon=True)
            self._thread.start()

    def read(self) -> ReportedCounts:
        """Return the pool's counts; None for each if they can't be had now."""
        counts = self._counts_or_error() if self._thread is None else self._ask(self._thread)
        if isinstance(counts, BaseException):
            self._tell_failure(counts)
            return _NO_COUNTS
        return counts

    def close(self) -> None:
        """Let the thread end, once the pool has answered."""
        self._asked.put(False)

    def _ask(self, thread: threading.Thread) -> ReportedCounts | BaseException:
        """Return what the pool answers, or nothing if it is still busy with an earlier question."""
        if self._asked_at is None:
            self._asked_at = perf_counter()
            self._asked.put(True)
        waited = perf_counter() - self._asked_at
        try:
            answer = self._answers.get(timeout=_PATIENCE if waited < _SLOW else 0.0001)
        except queue.Empty:
            if waited > _SLOW and not self._failed:
                place = place_of_thread(thread.ident)
                where = tr(" It is at {place}.", place=place) if place else ""
                self._tell(
                    tr(
                        "The pool's own counts haven't come for {slow:g} s.{where}",
                        slow=_SLOW,
                        where=where,
                    )
                )
            return _NO_COUNTS
        self._asked_at = None
        if waited > _OLD:
            return _NO_COUNTS
        if self._failed and not isinstance(answer, BaseException):
            self._failed = False
            self._on_problem("")
        return answer

    def _tell_failure(self, error: BaseException) -> None:
        if self._failed:
            return
        _logger.info("the pool's counts can't be read", exc_info=error)
        place = place_of_error(error)
        where = f" ({place})" if place else ""
        self._tell(
            tr(
                "The pool's own counts can't be read: {error}{where}.",
                error=sentence_part(error),
                where=where,
            )
        )

    def _tell(self, sentence: str) -> None:
        self._failed = True
        self._on_problem(tr("{sentence} The run goes on without them.", sentence=sentence))

    def _answer(self) -> None:
        """The thread's."""
        while self._asked.get():
            self._answers.put(self._counts_or_error())

    def _counts_or_error(self) -> ReportedCounts | BaseException:
        try:
            counts = self._counts()
            for count in (counts.open, counts.used, counts.pending):
                if count is not None and not (type(count) is int and 0 <= count < _MOST):
                    return TypeError(f"a count is {count!r}, and not a number of connections")
        except BaseException as error:  # noqa: BLE001 - told by `read`
            return error
        return ReportedCounts(counts.open, counts.used, counts.pending)
