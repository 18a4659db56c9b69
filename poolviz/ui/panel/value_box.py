"""A box for one number or time: shows it as people write it, takes it as people type it."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QSize, Qt, Signal
from PySide6.QtGui import QKeyEvent, QKeySequence, QValidator, QWheelEvent
from PySide6.QtWidgets import QAbstractSpinBox, QWidget

from poolviz.model.errors import InputError
from poolviz.model.parameters import Numeric, Value

_WIDTH, _HEIGHT = 64, 22


class ValueBox(QAbstractSpinBox):
    """Holds a value of one parameter. Stepping previews; Enter or stopping the box enters."""

    stepped = Signal(object)
    entered = Signal(object)
    mistyped = Signal(str)

    def __init__(self, parameter: Numeric, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._parameter = parameter
        self._value: Value = parameter.default
        self._typed = False  # somebody changed the text and hasn't entered it yet
        # The style sheet gives the arrows no width; with NoButtons it would give the text none.
        self.lineEdit().setTextMargins(8, 0, 8, 0)
        self.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setFixedSize(_WIDTH, _HEIGHT)
        self.editingFinished.connect(self._enter)
        self.lineEdit().textEdited.connect(self._note_typing)
        self.show_value(parameter.default)

    @property
    def value(self) -> Value:
        """The value shown."""
        return self._value

    def show_value(self, value: Value) -> None:
        """Show `value`, unless somebody is typing another."""
        if self._typed and self.hasFocus():
            return
        text = self._parameter.show(value)
        self._value = value
        if text != self.text():
            self.lineEdit().setText(text)
            self.lineEdit().setCursorPosition(0)

    def sizeHint(self) -> QSize:
        """As in the drawing."""
        return QSize(_WIDTH, _HEIGHT)

    def stepBy(self, steps: int) -> None:
        """The arrows, Page Up and Page Down, and the wheel."""
        self._typed = False
        value = self._parameter.check(self._parameter.stepped(float(self._value), steps))
        self.show_value(value)
        self.selectAll()
        self.stepped.emit(value)

    def stepEnabled(self) -> QAbstractSpinBox.StepEnabledFlag:
        """Both ways; the bounds hold by themselves."""
        flag = QAbstractSpinBox.StepEnabledFlag
        return flag.StepUpEnabled | flag.StepDownEnabled

    def validate(self, text: str, position: int) -> tuple[QValidator.State, str, int]:
        """Let anything be typed: what is wrong is said when it is entered."""
        return QValidator.State.Acceptable, text, position

    def event(self, event: QEvent) -> bool:
        """Leave undo and redo to the window, unless there is typing to take back."""
        if event.type() == QEvent.Type.ShortcutOverride and isinstance(event, QKeyEvent):
            keys = QKeySequence.StandardKey
            if not self._typed and (event.matches(keys.Undo) or event.matches(keys.Redo)):
                event.ignore()
                return False
        return super().event(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Escape takes back what was typed."""
        if event.key() == Qt.Key.Key_Escape and self._typed:
            self._restore()
            return
        super().keyPressEvent(event)

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Turn only when chosen, so that scrolling past changes nothing."""
        if self.hasFocus():
            super().wheelEvent(event)
        else:
            event.ignore()

    def _note_typing(self) -> None:
        self._typed = True

    def _enter(self) -> None:
        if not self._typed:
            return
        shown = self._parameter.show(self._value)
        try:
            value = self._parameter.parse_typed(self.lineEdit().text(), shown)
        except InputError as error:
            self._restore()
            self.mistyped.emit(str(error))
            return
        self._typed = False
        self.show_value(value)
        self.entered.emit(value)

    def _restore(self) -> None:
        self._typed = False
        self.lineEdit().setText(self._parameter.show(self._value))
        self.selectAll()
