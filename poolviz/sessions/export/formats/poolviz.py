"""A session file. It holds also what could not be written to the session's own file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from poolviz.sessions.derived import session_rows
from poolviz.sessions.export.exporter import Exporter
from poolviz.sessions.file.background_writer import check_new_session
from poolviz.sessions.file.format import write_session
from poolviz.sessions.recorder import Recorder
from poolviz.sessions.share_done import ShareDone


def _write(recorder: Recorder, paths: Sequence[Path], share_done: ShareDone) -> None:
    if not recorder.copy(paths[0]):
        write_session(paths[0], session_rows(recorder, share_done))


EXPORTER = Exporter("Session", _write, check_path=check_new_session, long=True)
