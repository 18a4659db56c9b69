"""The cards of the run that is shown: on a ribbon below the charts, and opened from their marks."""

from __future__ import annotations

from PySide6.QtCore import QObject, Qt
from PySide6.QtWidgets import QWidget

from poolviz.language import tr
from poolviz.sessions.cards import Card
from poolviz.ui.cards.card_view import CardView
from poolviz.ui.cards.ribbon import CardRibbon
from poolviz.ui.cards.wording import spans
from poolviz.ui.charts.charts_widget import ChartsWidget
from poolviz.ui.session.evaluation import Evaluation
from poolviz.ui.session.notices import Notices

_TOPIC = "card"  # of notices


class Cards(QObject):
    """At most one card is open; the parts that it compares are highlighted on the charts. Belongs
    to the GUI thread."""

    def __init__(
        self, evaluation: Evaluation, charts: ChartsWidget, notices: Notices, parent: QWidget
    ) -> None:
        super().__init__(parent)
        self._evaluation, self._charts, self._notices = evaluation, charts, notices
        self.ribbon, self.view = CardRibbon(), CardView(charts)
        self._at: float | None = None  # when the change was whose card is open
        evaluation.changed.connect(self._show)
        self.ribbon.chosen.connect(self._choose)
        self.view.closed.connect(self.close_card)
        charts.mark_chosen.connect(self.open_at)

    def open_at(self, time: float) -> None:
        """Open the card of the changes at that moment, or say why there is none."""
        card = self._card_at(time)
        if card is not None:
            self._notices.take_back(_TOPIC)
            self._choose(card)
            self.view.setFocus(Qt.FocusReason.OtherFocusReason)
        else:
            sentence = tr(
                "There is no card of this mark: each change and each fault has one, once some "
                "seconds were measured after it."
            )
            self._notices.say(_TOPIC, sentence, passing=True)

    def close_card(self) -> bool:
        """Close the card that is open; return whether one was."""
        was_open = self._at is not None
        focused = self.view.isAncestorOf(self.view.window().focusWidget() or self._charts)
        self._choose(None)
        if focused or self.view.hasFocus():
            self._charts.setFocus(Qt.FocusReason.OtherFocusReason)
        return was_open

    def place(self) -> None:
        """Keep the card that is open beside its mark, as the charts move."""
        if self.view.card is not None:
            self.view.show_card(self.view.card, self._charts.x_of(self.view.card.at_s))

    def _choose(self, card: Card | None) -> None:
        self._at = None if card is None else card.at_s
        if card is not None:
            (begin, _), (_, end) = spans(card)
            self._charts.reveal(card.at_s, begin, end)
        self._show()

    def _card_at(self, time: float) -> Card | None:
        effects = self._evaluation.result.effects
        cards = effects.cards if effects is not None else ()
        return next((card for card in cards if card.at_s == time), None)

    def _show(self) -> None:
        effects = self._evaluation.result.effects
        self.ribbon.show_cards(effects.cards if effects is not None else ())
        card = self._card_at(self._at) if self._at is not None else None
        if card is None:
            self._at = None
        self.ribbon.show_open(self._at)
        self._charts.highlight(spans(card) if card is not None else ())
        self.view.show_card(card, self._charts.x_of(card.at_s) if card is not None else 0.0)
