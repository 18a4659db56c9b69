"""What can go wrong at a press or a pull: a button for each passing fault, a slider for each that
stands."""

from __future__ import annotations

from collections.abc import Mapping

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QGridLayout, QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from poolviz.load.faults import FAULTS
from poolviz.model.parameters import Kind, Parameter, Value
from poolviz.ui.panel.row import NumberRow
from poolviz.ui.panel.section import SPACING
from poolviz.ui.panel.value_box import ValueBox
from poolviz.ui.style.theme import Theme

_SPELL = 2.0  # seconds that a fault with an end lasts until another time is typed


class Spell(QWidget):
    """A fault that lasts for a time: a button, and a box for the time."""

    def __init__(self, parameter: Parameter, words: str) -> None:
        super().__init__()
        self.button, self.box = _button(f"{words} ▸"), ValueBox(parameter)
        self.box.show_value(_SPELL)
        self.box.setAccessibleName(f"{words}, for how long")
        line = QHBoxLayout(self)
        line.setContentsMargins(0, 0, 0, 0)
        line.setSpacing(SPACING)
        line.addWidget(self.button, 1)
        line.addWidget(self.box)


class FaultPanel(QWidget):
    """Every fault there is. Emits what is to go wrong; shows what stands."""

    injected = Signal(str, object)
    mistaken = Signal(str)

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self.buttons: dict[str, QPushButton] = {}  # of the passing ones
        self.boxes: dict[str, ValueBox] = {}
        self.rows: dict[str, NumberRow] = {}  # of those that stand
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(SPACING)
        self._presses = QGridLayout()
        self._presses.setSpacing(SPACING)
        self._column.addLayout(self._presses)
        for key, fault in FAULTS.items():
            words = key.replace("_", " ")
            if fault.standing:
                self._add_row(key, fault.parameter, words, theme)
            elif fault.parameter.kind is Kind.SWITCH:
                self._add_press(key, words)
            else:
                self._add_spell(key, fault.parameter, words)
        self._reasons = dict.fromkeys(self.buttons, "")  # why a button is grey
        for key, button in self.buttons.items():
            self._describe(key, button, "")

    @property
    def standing(self) -> dict[str, Value]:
        """The faults that are shown to stand."""
        return {k: row.value for k, row in self.rows.items() if row.value != row.parameter.default}

    def show_faults(self, standing: Mapping[str, Value], reasons: Mapping[str, str]) -> None:
        """The faults that stand, and why some, or all of them, can't be had."""
        for key, row in self.rows.items():
            value = standing.get(key, row.parameter.default)
            row.show_value(value, "" if value == row.parameter.default else "on")
            row.set_reason(reasons.get(key, ""))
        for key, button in self.buttons.items():
            reason = reasons.get(key, "")
            if reason != self._reasons[key]:
                self._reasons[key] = reason
                self._describe(key, button, reason)

    def end(self) -> None:
        """Put an end to all that stands."""
        for key in self.standing:
            self.injected.emit(key, self.rows[key].parameter.default)

    def set_theme(self, theme: Theme) -> None:
        """Paint in other colours."""
        for row in self.rows.values():
            row.set_theme(theme)

    def _describe(self, key: str, button: QPushButton, reason: str) -> None:
        button.setEnabled(not reason)
        if key in self.boxes:
            self.boxes[key].setEnabled(not reason)
        parts = [reason] if reason else []
        parts.append(FAULTS[key].parameter.help)
        button.setToolTip("".join(f"<p>{part}</p>" for part in parts))

    def _add_press(self, key: str, words: str) -> None:
        button = self.buttons[key] = _button(words)
        button.clicked.connect(lambda: self.injected.emit(key, True))
        place = len(self.buttons) - 1
        self._presses.addWidget(button, place // 2, place % 2)

    def _add_spell(self, key: str, parameter: Parameter, words: str) -> None:
        spell = Spell(parameter, words)
        self.buttons[key], self.boxes[key] = spell.button, spell.box
        spell.button.clicked.connect(lambda: self.injected.emit(key, spell.box.value))
        spell.box.mistyped.connect(self.mistaken)
        self._column.addWidget(spell)

    def _add_row(self, key: str, parameter: Parameter, words: str, theme: Theme) -> None:
        row = self.rows[key] = NumberRow(parameter, words, "", theme)
        row.setObjectName(key)
        row.committed.connect(self.injected)
        row.mistaken.connect(self.mistaken)
        self._column.addWidget(row)


def _button(words: str) -> QPushButton:
    button = QPushButton(words[0].upper() + words[1:])
    button.setProperty("role", "fault")
    return button
