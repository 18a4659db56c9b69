"""The faults: a button for each one that happens once, a row for each one that stays on."""

from __future__ import annotations

from collections.abc import Mapping

from PySide6.QtCore import QEvent, Signal
from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import QGridLayout, QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from poolviz.language import tr
from poolviz.load.faults import FAULTS, Fault
from poolviz.model.parameters import Numeric, Parameter, Value
from poolviz.ui.elided_button import ElidedButton
from poolviz.ui.help_places import set_topic
from poolviz.ui.panel.editors import row_for
from poolviz.ui.panel.row import Row
from poolviz.ui.panel.section import SPACING
from poolviz.ui.panel.value_box import ValueBox
from poolviz.ui.style.theme import Theme
from poolviz.ui.unexpected import contained


class AmountButton(QWidget):
    """A button that injects a fault of some amount, and a box for the amount: mostly a time."""

    def __init__(self, parameter: Numeric, amount: Value, label: str) -> None:
        super().__init__()
        self.button, self.box = _button(f"{label} ▸"), ValueBox(parameter)
        self.box.show_value(amount)
        self.box.setAccessibleName(tr("{label}, amount", label=label))
        line = QHBoxLayout(self)
        line.setContentsMargins(0, 0, 0, 0)
        line.setSpacing(SPACING)
        line.addWidget(self.button, 1)
        line.addWidget(self.box)


class FaultPanel(QWidget):
    """Every fault. Emits `injected` with a fault's key and amount; shows the faults that are on.

    It is made for a place `room` pixels wide.
    """

    injected = Signal(str, object)
    mistaken = Signal(str)
    explained = Signal(str)  # the topic of the help that is asked for

    def __init__(self, theme: Theme, room: int) -> None:
        super().__init__()
        self._room, self._columns = room, 0  # of the buttons without an amount
        self.buttons: dict[str, QPushButton] = {}  # of faults that happen once
        self.boxes: dict[str, ValueBox] = {}
        self.rows: dict[str, Row] = {}  # of faults that stay on
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(SPACING)
        self._grid = QGridLayout()
        self._grid.setSpacing(SPACING)
        self._column.addLayout(self._grid)
        for key, fault in FAULTS.items():
            label = tr(key.replace("_", " "))
            if fault.standing:
                self._add_row(fault.parameter, label, theme)
            elif fault.parameter.bare is not None:
                self._add_button(key, fault.parameter.bare, label)
            else:
                self._add_amount_button(fault, label)
        self._reasons = dict.fromkeys(self.buttons, "")  # why a button is disabled
        for key, button in self.buttons.items():
            self._describe(key, button, "")
        self._arrange()

    @property
    def standing(self) -> dict[str, Value]:
        """The faults that are shown as on."""
        return {k: row.value for k, row in self.rows.items() if row.value != row.parameter.default}

    def show_faults(self, standing: Mapping[str, Value], reasons: Mapping[str, str]) -> None:
        """Show the faults that are on, and why some, or all, can't be injected now."""
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
        """End all faults that are on."""
        for key in self.standing:
            self.injected.emit(key, self.rows[key].parameter.default)

    def set_theme(self, theme: Theme) -> None:
        """Change the colours."""
        for row in self.rows.values():
            row.set_theme(theme)

    @contained()
    def showEvent(self, event: QShowEvent) -> None:
        """Arrange the buttons by the texts as they are shown."""
        self._arrange()
        super().showEvent(event)

    @contained()
    def changeEvent(self, event: QEvent) -> None:
        """Follow the size of texts."""
        if event.type() in (QEvent.Type.StyleChange, QEvent.Type.FontChange):
            self._arrange()
        super().changeEvent(event)

    def _arrange(self) -> None:
        """Put the buttons without an amount side by side where two fit, else one below the other:
        a panel that scrolled sideways would hide what its rows begin with."""
        buttons = [button for key, button in self.buttons.items() if key not in self.boxes]
        widths = [button.sizeHint().width() for button in buttons]
        beside = max(widths[::2], default=0) + SPACING + max(widths[1::2], default=0)
        columns = 2 if beside <= self._room else 1
        if columns != self._columns:
            self._columns = columns
            for button in buttons:
                self._grid.removeWidget(button)
            for index, button in enumerate(buttons):
                self._grid.addWidget(button, index // columns, index % columns)

    def _describe(self, key: str, button: QPushButton, reason: str) -> None:
        button.setEnabled(not reason)
        if key in self.boxes:
            self.boxes[key].setEnabled(not reason)
        parts = [reason] if reason else []
        parts.append(tr(FAULTS[key].parameter.help))
        button.setToolTip("".join(f"<p>{part}</p>" for part in parts))

    def _add_button(self, key: str, value: Value, label: str) -> None:
        button = self.buttons[key] = _button(label)
        set_topic(button, key)
        button.clicked.connect(lambda: self.injected.emit(key, value))

    def _add_amount_button(self, fault: type[Fault], label: str) -> None:
        parameter = fault.parameter
        assert isinstance(parameter, Numeric)
        both = AmountButton(parameter, parameter.check(fault.first_amount), label)
        self.buttons[parameter.key], self.boxes[parameter.key] = both.button, both.box
        set_topic(both, parameter.key)
        both.button.clicked.connect(lambda: self.injected.emit(parameter.key, both.box.value))
        both.box.mistyped.connect(self.mistaken)
        self._column.addWidget(both)

    def _add_row(self, parameter: Parameter, label: str, theme: Theme) -> None:
        row = self.rows[parameter.key] = row_for(parameter, label, "", theme)
        row.committed.connect(self.injected)
        row.mistaken.connect(self.mistaken)
        row.explained.connect(self.explained)
        self._column.addWidget(row)


def _button(label: str) -> QPushButton:
    button = ElidedButton(label[0].upper() + label[1:])
    button.setProperty("role", "fault")
    return button
