"""The bar over the side panel while several changes are collected, to be made as one."""

from __future__ import annotations

from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from poolviz.language import tr, trn


class CollectedBar(QFrame):
    """Says how many changes wait; its buttons apply or cancel them. Hidden while none are
    collected."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("collected")
        self._words = QLabel()
        self._words.setWordWrap(True)
        self.apply, self.cancel = QPushButton(tr("Apply")), QPushButton(tr("Cancel"))
        self.apply.setProperty("primary", True)
        self.apply.setToolTip(tr("Make these changes at one moment, as one change."))
        self.cancel.setToolTip(tr("Go back to the values before."))
        row = QHBoxLayout()
        for button in (self.apply, self.cancel):
            row.addWidget(button)
        row.addStretch(1)
        column = QVBoxLayout(self)
        column.setContentsMargins(14, 8, 14, 8)
        column.addWidget(self._words)
        column.addLayout(row)
        self.hide()

    def show_collected(self, count: int, *, collecting: bool) -> None:
        """Show that so many changes wait."""
        self._words.setText(
            trn("{n} change waits to be applied.", "{n} changes wait to be applied.", count)
            if count
            else tr("Set several values, then apply them as one change.")
        )
        self.apply.setEnabled(count > 0)
        self.setVisible(collecting)
