"""The choice of one of several pools that run at the same time, or of all of them."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QLabel, QWidget

from poolviz.language import tr, tr_noop
from poolviz.ui.session.shown_record import WHOLE

_SUM = tr_noop("All pools together")


class MemberChoice(QWidget):
    """A list of the pools of a run, which is there if there are several."""

    chosen = Signal(str)  # a name, or that of the whole

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._members: tuple[str, ...] = ()
        self._list = QComboBox()
        self._list.setObjectName("member")
        self._list.setAccessibleName(tr("The pool that is shown"))
        self._list.setToolTip(tr("Show one of the pools that run at the same time, or their sum."))
        self._list.activated.connect(self._choose)
        row = QHBoxLayout(self)
        row.setContentsMargins(12, 6, 12, 2)
        label = QLabel(tr("Pool"))
        label.setBuddy(self._list)
        row.addWidget(label)
        row.addWidget(self._list)
        row.addStretch(1)
        self.hide()

    def show_members(self, members: tuple[str, ...], shown: str) -> None:
        """Offer these pools, with the one that is shown as the choice."""
        if members != self._members:
            self._members = members
            self._list.clear()
            self._list.addItem(tr(_SUM), WHOLE)
            for name in members:
                self._list.addItem(name, name)
            self.setVisible(bool(members))
        place = self._list.findData(shown)
        if place >= 0 and place != self._list.currentIndex() and not self._list.view().isVisible():
            self._list.setCurrentIndex(place)

    def _choose(self, place: int) -> None:
        self.chosen.emit(self._list.itemData(place))
