"""A ribbon of cards below the charts: one for each change and fault, in a few words."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QEvent, QObject, QSize, Qt, Signal
from PySide6.QtGui import QFontMetrics, QKeyEvent, QWheelEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QPushButton, QScrollArea, QSizePolicy, QWidget

from poolviz.language import tr
from poolviz.sessions.cards import Card
from poolviz.ui.cards.wording import in_short
from poolviz.ui.style.theme import text_room
from poolviz.ui.unexpected import contained

_HEIGHT = 30  # pixels at the usual size of texts
_WIDEST = 300  # pixels of a card's words
_MOST = 100  # cards, the newest ones
_STEP = 120  # pixels, a notch of the wheel


class CardRibbon(QScrollArea):
    """Hidden without cards. Tab reaches the first card, or the one that is open; arrows go on to
    the others, Return and a click open one."""

    chosen = Signal(object)  # the Card to open, or None: the one that is open is to be closed

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("ribbon")
        self.setAccessibleName(tr("What changes did"))
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setWidgetResizable(True)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._cards: list[Card] = []
        self.buttons: list[QPushButton] = []
        self._content = QWidget()
        self._row = QHBoxLayout(self._content)
        self._row.setContentsMargins(10, 2, 10, 4)
        self._row.setSpacing(6)
        self._row.addStretch(1)
        self.setWidget(self._content)
        self._open: float | None = None  # when the change of the card was that is open
        self.hide()

    def sizeHint(self) -> QSize:
        """Return the height of one line of cards."""
        return QSize(super().sizeHint().width(), round(_HEIGHT * text_room()))

    def minimumSizeHint(self) -> QSize:
        """Return the height of one line of cards."""
        return QSize(super().minimumSizeHint().width(), round(_HEIGHT * text_room()))

    @property
    def cards(self) -> Sequence[Card]:
        """Those that are shown, in order of time."""
        return self._cards

    def show_cards(self, cards: Sequence[Card]) -> None:
        """Show these cards, the newest of which is scrolled into view when it is new."""
        grown = len(cards) > len(self._cards)
        self._cards = list(cards[-_MOST:])
        while len(self.buttons) < len(self._cards):
            self.buttons.append(self._new_button())
        for button in self.buttons[len(self._cards) :]:
            button.hide()
        for button, card in zip(self.buttons, self._cards, strict=False):
            self._write(button, card)
            button.show()
        self.setVisible(bool(self._cards))
        if grown and self._open is None:
            self._content.adjustSize()
            bar = self.horizontalScrollBar()
            bar.setValue(bar.maximum())

    def show_open(self, at: float | None) -> None:
        """Show which card is open, by the time of its change; None if none is."""
        self._open = at
        for button, card in zip(self.buttons, self._cards, strict=False):
            button.setChecked(card.at_s == at)
            if card.at_s == at:
                self.ensureWidgetVisible(button)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Let arrows go from card to card, and Return open one."""
        pressed = isinstance(event, QKeyEvent) and event.type() == QEvent.Type.KeyPress
        with contained():
            if pressed and isinstance(event, QKeyEvent) and isinstance(watched, QPushButton):
                return self._take_key(watched, event)
        return False

    def _take_key(self, watched: QPushButton, event: QKeyEvent) -> bool:
        place, last = self.buttons.index(watched), len(self._cards) - 1
        match event.key():
            case Qt.Key.Key_Left:
                place -= 1
            case Qt.Key.Key_Right:
                place += 1
            case Qt.Key.Key_Home:
                place = 0
            case Qt.Key.Key_End:
                place = last
            case Qt.Key.Key_Return | Qt.Key.Key_Enter:
                watched.click()
                return True
            case _:
                return False
        button = self.buttons[min(max(place, 0), last)]
        button.setFocus(Qt.FocusReason.TabFocusReason)
        self.ensureWidgetVisible(button)
        return True

    @contained()
    def wheelEvent(self, event: QWheelEvent) -> None:
        """Scroll sideways."""
        turned = event.angleDelta()
        bar = self.horizontalScrollBar()
        bar.setValue(bar.value() - round((turned.x() or turned.y()) / 120 * _STEP))
        event.accept()

    def _new_button(self) -> QPushButton:
        button = QPushButton()
        button.setProperty("role", "card")
        button.setCheckable(True)
        button.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        button.installEventFilter(self)
        place = len(self.buttons)
        button.clicked.connect(lambda on: self._choose(place, on))
        self._row.insertWidget(place, button)
        return button

    def _choose(self, place: int, on: bool) -> None:
        self.chosen.emit(self._cards[place] if on else None)

    def _write(self, button: QPushButton, card: Card) -> None:
        words = in_short(card)
        if button.accessibleName() != words:
            button.setAccessibleName(words)
            metrics = QFontMetrics(button.font())
            shown = metrics.elidedText(words, Qt.TextElideMode.ElideMiddle, _WIDEST)
            button.setText(shown.replace("&", "&&"))
        if button.toolTip() != card.sentence:
            button.setToolTip(card.sentence)
        button.setChecked(card.at_s == self._open)
