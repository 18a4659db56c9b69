"""The menu of presets: scenarios that come with poolviz, each with what to watch in it."""

from __future__ import annotations

from html import escape
from pathlib import Path

from PySide6.QtCore import Signal
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QMenu, QWidget

from poolviz.language import in_users_language, tr
from poolviz.model.errors import PoolvizError
from poolviz.model.preset_titles import title_in_words
from poolviz.scenarios.presets import presets
from poolviz.ui.session.notices import Notices, Weight, sentence_of


class PresetMenu(QMenu):
    """Emits which preset was chosen. The presets are read when the menu is first opened."""

    chosen = Signal(Path)
    page_wanted = Signal()  # the page of presets, with their lessons
    file_wanted = Signal()  # one of the user's own scenarios instead

    def __init__(self, notices: Notices, parent: QWidget) -> None:
        super().__init__(parent)
        self._notices = notices
        self._filled = False
        self.setToolTipsVisible(True)
        self.addAction(tr("All presets, with what they teach…")).triggered.connect(self.page_wanted)
        self.addSeparator()
        self._open = self.addAction(tr("Open a scenario…"))
        self._open.triggered.connect(self.file_wanted)
        self.aboutToShow.connect(self.fill)

    def fill(self) -> None:
        """List the presets, unless that was done. Takes about 20 ms."""
        if self._filled:
            return
        try:
            found = presets()
        except PoolvizError as error:
            self._notices.say("presets", sentence_of(error), Weight.BAD)
            return
        self._filled = True
        end = self.insertSeparator(self._open)
        for preset in found:
            action = QAction(title_in_words(preset.title), self)
            action.setObjectName(preset.name)
            action.setToolTip(as_tool_tip(in_users_language(preset.watch)))
            action.triggered.connect(lambda _=False, path=preset.path: self.chosen.emit(path))
            self.insertAction(end, action)


def as_tool_tip(text: str) -> str:
    """Return `text` as rich text, which Qt wraps in a tooltip."""
    return f"<p>{escape(text)}</p>" if text else ""
