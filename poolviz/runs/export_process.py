"""An export in a process of its own, so that whoever asks for it isn't kept from working.

Painting a picture and writing an hour of samples take seconds in which Python would be busy. The
process gets a copy of the session, which may go on being recorded.
"""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import msgspec

from poolviz.language import environment_with_language, tr
from poolviz.model.errors import PoolvizError
from poolviz.runs.export_child import Outcome, Task
from poolviz.sessions.derived import EVERYTHING, Scope, snapshot
from poolviz.sessions.recorder import Recorder
from poolviz.system.files import temporary_folder

EXPORT = "_export"  # the argument by which a packaged program starts as an export
_END_LIMIT = 5.0  # seconds for a cancelled process to end, before it is killed
_BOOT = (
    "import json, sys; sys.path[:] = json.loads(sys.argv.pop()); "
    "from poolviz.runs.export_child import main; main(sys.argv[1:])"
)
_logger = logging.getLogger(__name__)


class ExportCancelled(PoolvizError):
    """An export was cancelled, and nothing was written."""


class ExportProcess:
    """One export to the file `path` in the format of `suffix`. `run` is called by one thread,
    `cancel` by any. `progressed` is called in the thread that runs it, with the share that is
    done."""

    def __init__(
        self,
        recorder: Recorder,
        path: Path,
        suffix: str,
        scope: Scope = EVERYTHING,
        progressed: Callable[[float], None] = lambda _: None,
    ) -> None:
        self.path = path
        self._recorder, self._suffix, self._scope = recorder, suffix, scope
        self._progressed = progressed
        self._lock = threading.Lock()  # guards the two below
        self._process: subprocess.Popen[bytes] | None = None
        self._cancelled = False

    def cancel(self) -> None:
        """End the export; a file that is complete stays."""
        with self._lock:
            self._cancelled = True
            if self._process is not None and self._process.stdin is not None:
                with suppress(OSError):
                    self._process.stdin.close()  # which ends it

    def run(self) -> tuple[Path, ...]:
        """Export, and return the files that were made. Raises ExportCancelled, or PoolvizError with
        the sentence that says why there are none."""
        with temporary_folder() as folder:
            session = folder / "session.poolviz"
            snapshot(self._recorder, session)
            scope = self._scope
            task = Task(
                str(session),
                str(self.path.absolute()),
                self._suffix,
                scope.start,
                scope.end,
                scope.anonymous,
                scope.charts,
            )
            return self._outcome(task)

    def _outcome(self, task: Task) -> tuple[Path, ...]:
        with self._lock:
            if self._cancelled:
                raise self._cancellation()
            self._process = process = subprocess.Popen(
                _command(task),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env=environment_with_language(),
                creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
            )
        outcome = Outcome()
        try:
            assert process.stdout is not None
            for line in process.stdout:
                outcome = msgspec.json.decode(line, type=Outcome)
                if outcome.progress:
                    self._progressed(outcome.progress)
        finally:
            self._end(process)
        if outcome.files:
            return tuple(map(Path, outcome.files))
        if outcome.failure:
            raise PoolvizError(outcome.failure)
        if self._cancelled:
            raise self._cancellation()
        _logger.error("an export ended with %s: %s", process.returncode, outcome.unexpected)
        raise PoolvizError(
            tr(
                "{path} was not written: the export failed unexpectedly. Details are in the log.",
                path=self.path,
            )
        )

    def _end(self, process: subprocess.Popen[bytes]) -> None:
        with self._lock:
            self._process = None
        assert process.stdin is not None
        assert process.stdout is not None
        with suppress(OSError):
            process.stdin.close()
        process.stdout.close()
        try:
            process.wait(_END_LIMIT)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _cancellation(self) -> ExportCancelled:
        return ExportCancelled(
            tr("{file} was cancelled: nothing was written.", file=self.path.name)
        )


def _command(task: Task) -> list[str]:
    argument = msgspec.json.encode(task).decode()
    if getattr(sys, "frozen", False):
        return [sys.executable, EXPORT, argument]
    places = json.dumps([place for place in sys.path if isinstance(place, str)])
    return [sys.executable, "-c", _BOOT, argument, places]
