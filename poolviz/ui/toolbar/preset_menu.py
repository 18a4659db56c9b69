"""The menu of presets: scenarios that poolviz brings along, each with what there is to see."""

from __future__ import annotations

from html import escape
from pathlib import Path

from PySide6.QtCore import Signal
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QMenu, QWidget

from poolviz.scenarios.presets import Preset, presets
from poolviz.ui.language import spoken
from poolviz.ui.session.notices import Notices, Weight, sentence_of
from poolviz.ui.session.worker import Worker


class PresetMenu(QMenu):
    """Says which one was chosen. Their files are read by a worker."""

    chosen = Signal(Path)
    file_wanted = Signal()  # none of them, but one of the user's own

    def __init__(self, file_worker: Worker, notices: Notices, parent: QWidget) -> None:
        super().__init__(parent)
        self._notices = notices
        self.setToolTipsVisible(True)
        self._open = self.addAction("Open a scenario…")
        self._open.triggered.connect(self.file_wanted)
        file_worker.do(presets, self._fill, self._complain)

    def _fill(self, found: tuple[Preset, ...]) -> None:
        end = self.insertSeparator(self._open)
        for preset in found:
            action = QAction(preset.title, self)
            action.setObjectName(preset.name)
            action.setToolTip(as_tool_tip(spoken(preset.watch)))
            action.triggered.connect(lambda _=False, path=preset.path: self.chosen.emit(path))
            self.insertAction(end, action)

    def _complain(self, error: Exception) -> None:
        self._notices.say("presets", sentence_of(error), Weight.BAD)


def as_tool_tip(text: str) -> str:
    """`text` so that Qt breaks it into lines."""
    return f"<p>{escape(text)}</p>" if text else ""
