"""Which topic of the help a place in the window is about, and the pointer that asks for it.

A widget names its topic by its property `topic`, or, where that depends on the place in it, by a
method `topic_at`. What has neither is about what its parent is about.
"""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QEvent, QObject, QPoint, Qt, Signal
from PySide6.QtGui import QCursor, QKeyEvent, QMouseEvent
from PySide6.QtWidgets import QApplication, QWidget

from poolviz.ui.unexpected import contained

PROPERTY = "topic"


def set_topic(widget: QWidget, topic: str) -> None:
    """Say what a widget is about."""
    widget.setProperty(PROPERTY, topic)


def topic_of(widget: QWidget | None, at: QPoint | None = None) -> str:
    """Return the topic of a widget, at a global position or as a whole; "" if it has none."""
    while widget is not None:
        depends: Callable[[QPoint | None], str] | None = getattr(widget, "topic_at", None)
        if depends is not None:
            found = depends(None if at is None else widget.mapFromGlobal(at))
        else:
            found = str(widget.property(PROPERTY) or "")
        if found:
            return found
        widget = widget.parentWidget()
    return ""


class Places(QObject):
    """Answers which topic the user means: that of what has the focus or is under the pointer.

    The pointer counts if it has moved since the focus last changed.
    """

    asked = Signal(str)  # the topic of what was clicked, "" if that has none

    def __init__(self, window: QWidget) -> None:
        super().__init__(window)
        self._window = window
        self._pointing = False
        self._pointer_then = QPoint()
        application = QApplication.instance()
        assert isinstance(application, QApplication)
        self._application = application
        application.focusChanged.connect(self._note_focus)

    @property
    def topic(self) -> str:
        """The topic that is meant now; "" if there is none."""
        at = QCursor.pos()
        under = self._application.widgetAt(at)
        if under is not None and under.window() is not self._window:
            under = None
        focus = topic_of(self._application.focusWidget())
        pointed = topic_of(under, at)
        return (pointed or focus) if at != self._pointer_then else (focus or pointed)

    def point(self) -> None:
        """Let the next click ask what is under it; Enter asks for what has the focus, and any other
        key ends it."""
        if self._pointing:
            return
        self._pointing = True
        self._application.setOverrideCursor(Qt.CursorShape.WhatsThisCursor)
        self._application.installEventFilter(self)

    def stop(self) -> None:
        """End asking; nothing if it isn't on."""
        if self._pointing:
            self._pointing = False
            self._application.removeEventFilter(self)
            self._application.restoreOverrideCursor()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Take the click or the key that answers."""
        with contained():
            if self._filtered(watched, event):
                return True
        return False

    def _filtered(self, watched: QObject, event: QEvent) -> bool:
        if not isinstance(watched, QWidget):
            return False
        if isinstance(event, QMouseEvent) and event.type() == QEvent.Type.MouseButtonPress:
            self.stop()
            at = event.globalPosition().toPoint()
            self.asked.emit(topic_of(self._application.widgetAt(at), at))
            return True
        if event.type() == QEvent.Type.ShortcutOverride:
            event.accept()  # it is to come as a key that is pressed, and not as a shortcut
            return True
        if isinstance(event, QKeyEvent) and event.type() == QEvent.Type.KeyPress:
            if event.key() in _MODIFIERS:
                return False
            self.stop()
            if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
                self.asked.emit(topic_of(self._application.focusWidget()))
            return True
        return False

    def _note_focus(self) -> None:
        self._pointer_then = QCursor.pos()


_MODIFIERS = (Qt.Key.Key_Shift, Qt.Key.Key_Control, Qt.Key.Key_Alt, Qt.Key.Key_Meta)
