"""The signals that end poolviz: SIGINT, SIGTERM and SIGHUP, on Windows SIGBREAK.

Python calls a signal's handler in the main thread between two of its instructions, which can be
long after the signal while that thread waits in a library. So a thread of its own hears of signals
and acts. The first ends the process at once, unless a part of the program that has something to
keep has said what to do instead (`handled_by`); another one ends it at once in any case. What a
process that ends at once leaves behind, its children clean up, as they do after SIGKILL.
"""

from __future__ import annotations

import atexit
import os
import signal
import sys

TYPE_CHECKING = False  # this is the first that a command imports, and has to be quick
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType, TracebackType

INTERRUPTED = 130  # the exit status, whichever the signal and whenever it came
# `timeout`, and shells that pass a signal on, send it to the process and to its group.
_SAME = 0.25  # seconds in which further signals count as the first one
_NAMES = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")
ENDING = tuple(getattr(signal, name) for name in _NAMES if hasattr(signal, name))
_REMOVALS = 20  # attempts at a folder in which another thread writes
half_written: set[str] = set()  # files that are removed if the process ends at once
temporary_folders: set[str] = set()  # likewise, with all that is in them


class _State:
    """The first signal and what it does. The main thread sets the action, the thread calls it."""

    seen = False
    listening = False
    action: Callable[[], None] | None = None


def end_at_once() -> None:
    """End the process now, without half-written files and temporary folders. May be called from any
    thread."""
    for path in tuple(half_written):
        try:  # noqa: SIM105 - contextlib takes its time, as pathlib does
            os.unlink(path)  # noqa: PTH108
        except OSError:
            pass  # it isn't there yet, or not any more
    if temporary_folders:
        import shutil  # noqa: PLC0415 - not needed before

        for folder in tuple(temporary_folders):
            # Another thread may still write there: once the folder is gone, it can't.
            for _ in range(_REMOVALS):
                shutil.rmtree(folder, ignore_errors=True)
                if not os.path.exists(folder):  # noqa: PTH110 - pathlib takes its time
                    break
    os._exit(INTERRUPTED)


def interrupted() -> bool:
    """Return whether a signal has asked poolviz to end. May be called from any thread."""
    return _State.seen


class handled_by:  # noqa: N801 - used like a function of contextlib
    """Have the first signal call `action` during a block, in another thread, instead of ending the
    process; the block then ends by itself. Used by the main thread.

    If a signal has come already, an action of an outer block heard of it.
    """

    def __init__(self, action: Callable[[], None]) -> None:
        self._action = action

    def __enter__(self) -> None:
        self._before, _State.action = _State.action, self._action

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        _State.action = self._before


class blocked:  # noqa: N801 - likewise
    """Block the signals in this thread during a block.

    A child that is started meanwhile has them blocked from its first instant on, until it has said
    what becomes of them. This process hears of them all the same, by another thread or
    at the end of the block.
    """

    def __enter__(self) -> None:
        if sys.platform != "win32":
            self._before = signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if sys.platform != "win32":
            signal.pthread_sigmask(signal.SIG_SETMASK, self._before)


def install() -> None:
    """Handle the signals from now on: the first one ends the process at once until `listen`.

    SIGHUP stays ignored if it is: `nohup` asks for that. Call it once, in the main thread.
    """
    for number in ENDING:
        if number != getattr(signal, "SIGHUP", None) or signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, _seen)
    atexit.register(_ignore)  # as the first, so that it is called last


def listen() -> None:
    """Start the thread that hears of signals. Call it once, in the main thread, after `install`
    and once the standard streams are open."""
    from threading import Thread  # noqa: PLC0415 - the handlers stand before this is imported

    reading, writing = os.pipe()
    if sys.platform != "win32":
        os.set_blocking(writing, False)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    Thread(target=_listen, args=(reading,), name="signals", daemon=True).start()
    _State.listening = True


def _ignore() -> None:
    """Ignore signals while Python takes itself down, which would make them end it otherwise than
    before: everything is done."""
    for number in ENDING:
        signal.signal(number, signal.SIG_IGN)


def _seen(_number: int, _frame: FrameType | None) -> None:
    """Handle a signal in the main thread: note it. The other thread acts, as soon as it runs."""
    _State.seen = True
    if not _State.listening:
        end_at_once()


def _listen(pipe: int) -> None:
    """Act upon each signal whose number comes through `pipe`."""
    from time import monotonic  # noqa: PLC0415 - as above

    first = None
    while numbers := os.read(pipe, 4096):
        if not any(number in ENDING for number in numbers):
            continue
        _State.seen = True
        now = monotonic()
        if first is None:
            first = now
            _act()
        elif now - first > _SAME:
            end_at_once()


def _act() -> None:
    action = _State.action
    if action is None:
        end_at_once()
    else:
        try:
            action()
        except Exception:
            import logging  # noqa: PLC0415 - as above

            logging.getLogger(__name__).exception("a signal could not be handled")
            end_at_once()
