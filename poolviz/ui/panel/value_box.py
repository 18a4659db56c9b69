"""A box for a number or a time, with its unit."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QSize, Qt, Signal
from PySide6.QtGui import QKeyEvent, QKeySequence, QValidator, QWheelEvent
from PySide6.QtWidgets import QAbstractSpinBox, QSizePolicy, QWidget

from poolviz.model.errors import InputError
from poolviz.model.parameters import Numeric, Value
from poolviz.ui.language import typed_value
from poolviz.ui.style.theme import text_room
from poolviz.ui.unexpected import contained

_WIDTH, _HEIGHT = 64, 22  # pixels at the usual size of texts
_MARGIN = 8  # pixels beside the text
_EDGE = 4  # pixels that the border and the cursor take


class ValueBox(QAbstractSpinBox):
    """Holds a value of one parameter.

    Emits `stepped` for each step, `entered` on Enter or when the box loses the focus.
    """

    stepped = Signal(object)
    entered = Signal(object)
    mistyped = Signal(str)

    def __init__(self, parameter: Numeric, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._parameter = parameter
        self._value: Value = parameter.default
        self._typed = False  # the text was edited and not entered yet
        # The style sheet gives the arrows no width; with NoButtons it would give the text none.
        self.lineEdit().setTextMargins(_MARGIN, 0, _MARGIN, 0)
        self.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        self.editingFinished.connect(self._enter)
        self.lineEdit().textEdited.connect(self._note_typing)
        self.show_value(parameter.default)

    @property
    def value(self) -> Value:
        """The value shown."""
        return self._value

    def show_value(self, value: Value) -> None:
        """Show `value`, unless another one is being typed."""
        if self._typed and self.hasFocus():
            return
        text = self._parameter.shown(value)
        self._value = value
        if text != self.text():
            self.lineEdit().setText(text)
            self.lineEdit().setCursorPosition(0)
            self.updateGeometry()

    def sizeHint(self) -> QSize:
        """Return the usual size, or a wider one for a long value."""
        wide = self.fontMetrics().horizontalAdvance(self._parameter.shown(self._value))
        room = text_room()
        return QSize(max(round(_WIDTH * room), wide + 2 * (_MARGIN + _EDGE)), round(_HEIGHT * room))

    def minimumSizeHint(self) -> QSize:
        """Return the size that it has: it doesn't shrink."""
        return self.sizeHint()

    @contained()
    def stepBy(self, steps: int) -> None:
        """Step by the arrow keys, Page Up, Page Down and the wheel."""
        self._typed = False
        value = self._parameter.check(self._parameter.stepped(float(self._value), steps))
        self.show_value(value)
        self.selectAll()
        self.stepped.emit(value)

    def stepEnabled(self) -> QAbstractSpinBox.StepEnabledFlag:
        """Allow steps both ways: `stepBy` keeps the bounds."""
        flag = QAbstractSpinBox.StepEnabledFlag
        return flag.StepUpEnabled | flag.StepDownEnabled

    def validate(self, text: str, position: int) -> tuple[QValidator.State, str, int]:
        """Accept any text: it is checked when it is entered."""
        return QValidator.State.Acceptable, text, position

    def event(self, event: QEvent) -> bool:
        """Leave undo and redo to the window unless the text was edited."""
        if event.type() == QEvent.Type.ShortcutOverride and isinstance(event, QKeyEvent):
            keys = QKeySequence.StandardKey
            if not self._typed and (event.matches(keys.Undo) or event.matches(keys.Redo)):
                event.ignore()
                return False
        return super().event(event)

    @contained()
    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Restore the value on Escape."""
        if event.key() == Qt.Key.Key_Escape and self._typed:
            self._restore()
            return
        super().keyPressEvent(event)

    @contained()
    def wheelEvent(self, event: QWheelEvent) -> None:
        """Ignore the wheel without focus, so that scrolling the panel changes nothing."""
        if self.hasFocus():
            super().wheelEvent(event)
        else:
            event.ignore()

    def _note_typing(self) -> None:
        self._typed = True

    def _enter(self) -> None:
        if not self._typed:
            return
        try:
            value = typed_value(self._parameter, self.lineEdit().text(), self._value)
        except InputError as error:
            self._restore()
            self.mistyped.emit(str(error))
            return
        self._typed = False
        self.show_value(value)
        self.entered.emit(value)

    def _restore(self) -> None:
        self._typed = False
        self.lineEdit().setText(self._parameter.shown(self._value))
        self.selectAll()
