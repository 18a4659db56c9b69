"""Rows of the side panel for a text and for a file."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QEvent, QSize, Qt, Signal
from PySide6.QtGui import QFontMetrics, QKeyEvent, QKeySequence
from PySide6.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPlainTextEdit,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from poolviz.language import tr
from poolviz.model.errors import InputError
from poolviz.model.parameters import Parameter, Value
from poolviz.ui.panel.row import Row
from poolviz.ui.style.theme import Theme, text_room
from poolviz.ui.unexpected import contained

_HEIGHT = 22  # pixels at the usual size of texts, like every editor in the panel
_DOTS = 28  # pixels at the usual size of texts: the width of a button with …
_NAME = 118  # pixels for a file's name


class _Line(QLineEdit):
    """A line edit that leaves undo and redo to the window unless its text was edited."""

    restored = Signal()

    def sizeHint(self) -> QSize:
        return QSize(super().sizeHint().width(), round(_HEIGHT * text_room()))

    def minimumSizeHint(self) -> QSize:
        return QSize(super().minimumSizeHint().width(), round(_HEIGHT * text_room()))

    def event(self, event: QEvent) -> bool:
        if event.type() == QEvent.Type.ShortcutOverride and isinstance(event, QKeyEvent):
            keys = QKeySequence.StandardKey
            if not self.isModified() and (event.matches(keys.Undo) or event.matches(keys.Redo)):
                event.ignore()
                return False
        return super().event(event)

    @contained()
    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_Escape and self.isModified():
            self.restored.emit()
        else:
            super().keyPressEvent(event)


class _TextDialog(QDialog):
    """A text of several lines. Emits `taken` with it on OK."""

    taken = Signal(str)

    def __init__(self, title: str, help: str, text: str, parent: QWidget) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle(title)
        self.resize(560, 320)
        about = QLabel(help)
        about.setWordWrap(True)
        about.setProperty("role", "note")
        self.edit = QPlainTextEdit(text)
        self.edit.setAccessibleName(title)
        choices = QDialogButtonBox.StandardButton
        self.buttons = QDialogButtonBox(choices.Ok | choices.Cancel)
        self.buttons.accepted.connect(self.accept)
        self.buttons.rejected.connect(self.reject)
        self.accepted.connect(lambda: self.taken.emit(self.edit.toPlainText()))
        column = QVBoxLayout(self)
        for part in (about, self.edit, self.buttons):
            column.addWidget(part)


class TextRow(Row):
    """A text on one line, with a dialog for longer ones.

    The text is requested on Enter or when the line loses the focus.
    """

    def __init__(self, parameter: Parameter, label: str, badge: str, theme: Theme) -> None:
        super().__init__(parameter, label, badge, theme)
        self.line, self.more = _Line(), _dots(tr("{label}, on several lines", label=label))
        self.line.setAccessibleName(label)
        self.line.setPlaceholderText(tr("empty"))
        self._grid.addWidget(self.more, 0, 1, Qt.AlignmentFlag.AlignRight)
        self._grid.addWidget(self.line, 1, 0, 1, 2)
        self.line.editingFinished.connect(self._entered)
        self.line.restored.connect(lambda: self._show(self._shown))
        self.more.clicked.connect(self._write)
        self.paint_value(parameter.default)

    def paint_value(self, value: Value) -> None:
        """Show `value`, unless another text is being typed."""
        if not (self.line.hasFocus() and self.line.isModified()):
            self._show(value)

    def _show(self, value: Value) -> None:
        if self.line.text() != value:
            self.line.setText(str(value))
            if not self.line.hasFocus():
                self.line.setCursorPosition(0)  # a long text shows its beginning
        self.line.setModified(False)

    def _entered(self) -> None:
        if self.line.isModified():
            self.line.setModified(False)
            self._take(self.line.text())

    def _take(self, text: str) -> None:
        try:
            self.preview(self.parameter.check(text), resting=False)
        except InputError as error:
            self._show(self._shown)
            self.mistaken.emit(str(error))
        else:
            self.commit()

    def _write(self) -> None:
        dialog = _TextDialog(
            self.more.accessibleName(), tr(self.parameter.help), str(self.value), self
        )
        dialog.taken.connect(self._take)
        dialog.open()


class FileRow(Row):
    """The name of a file, with its path as tooltip, and a button to choose one."""

    def __init__(self, parameter: Parameter, label: str, badge: str, theme: Theme) -> None:
        super().__init__(parameter, label, badge, theme)
        self._label = label
        self.file, self.choose = QLabel(), _dots(tr("{label}, choose", label=label))
        self.file.setProperty("role", "muted")
        beside = QHBoxLayout()
        beside.setSpacing(6)
        beside.addWidget(self.file, 0, Qt.AlignmentFlag.AlignRight)
        beside.addWidget(self.choose)
        self._grid.addLayout(beside, 0, 1)
        self.choose.clicked.connect(self._choose)
        self.paint_value(parameter.default)

    def paint_value(self, value: Value) -> None:
        """Show the name of the file at the path `value`."""
        name = Path(str(value)).name if value else tr("no file")
        fits = QFontMetrics(self.file.font()).elidedText(name, Qt.TextElideMode.ElideMiddle, _NAME)
        self.file.setText(fits)
        self.file.setToolTip(str(value))

    def _choose(self) -> None:
        dialog = QFileDialog(self, tr("Choose the {label}", label=self._label))
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.setFileMode(QFileDialog.FileMode.ExistingFile)
        dialog.setNameFilters(
            [tr("Text and CSV files (*.csv *.txt *.dat *.log)"), tr("All files (*)")]
        )
        if self.value:
            dialog.setDirectory(str(Path(str(self.value)).parent))
        dialog.fileSelected.connect(self._take)
        dialog.open()

    def _take(self, path: str) -> None:
        self.preview(path, resting=False)
        self.commit()


class _Dots(QPushButton):
    """A button as high as the editors."""

    def sizeHint(self) -> QSize:
        return QSize(round(_DOTS * text_room()), round(_HEIGHT * text_room()))

    def minimumSizeHint(self) -> QSize:
        return self.sizeHint()


def _dots(name: str) -> QPushButton:
    button = _Dots("…")
    button.setProperty("role", "dots")
    button.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
    button.setAccessibleName(name)
    button.setToolTip(name.capitalize())
    return button
