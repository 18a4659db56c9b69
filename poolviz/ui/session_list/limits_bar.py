"""Fields: how long sessions are kept, how much they may take together, and how much of lanes each
keeps."""

from __future__ import annotations

import re
from collections.abc import Callable

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QLabel, QVBoxLayout, QWidget

from poolviz.language import for_search, from_users_notation, tr, tr_noop
from poolviz.model.errors import InputError
from poolviz.sessions.limits import SessionLimits, parse_age, parse_size, shown_age

_AGES = ("7d", "30d", "90d", "365d", "none")
_SIZES = ("500MB", "2GB", "10GB", "50GB", "none")
_LANES = ("2MB", "6MB", "20MB", "100MB", "none")

# A number and its unit, as these fields show it or as `poolviz sessions limits` takes it.
_GIVEN = re.compile(r"([\d.,]+)\s*([^\W\d_]+)")
_AGE_UNITS = {  # by what people type, in each language
    **dict.fromkeys(("d", "day", "days", "dia", "dias"), "d"),
    **dict.fromkeys(("h", "hour", "hours", "hora", "horas"), "h"),
    **dict.fromkeys(("w", "week", "weeks", "semana", "semanas"), "w"),
}
_ANY_AGE, _ANY_SIZE = tr_noop("any age"), tr_noop("no limit")


class LimitsBar(QWidget):
    """Shows the limits of a sessions folder, and emits those that are chosen or typed."""

    chosen = Signal(object)  # SessionLimits
    mistaken = Signal(str)  # the sentence about what was typed

    def __init__(self, parent: QWidget | None = None, *, with_lanes: bool = False) -> None:
        super().__init__(parent)
        self._limits = SessionLimits()
        self.age, self.total, self.lanes = QComboBox(), QComboBox(), QComboBox()
        row, row_of_lanes = QHBoxLayout(), QHBoxLayout()
        for words, box, name, place in (
            (tr("Keep sessions of the last"), self.age, tr("Age of sessions"), row),
            (tr("and together"), self.total, tr("Size of all sessions"), row),
            (tr("Lanes in each, exactly, up to"), self.lanes, tr("Size of lanes"), row_of_lanes),
        ):
            label = QLabel(words)
            label.setProperty("role", "note")
            box.setEditable(True)
            box.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
            box.setAccessibleName(name)
            box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToContents)
            box.setMinimumContentsLength(8)
            label.setBuddy(box)
            place.addWidget(label)
            place.addWidget(box)
        for place in (row, row_of_lanes):
            place.setSpacing(7)
            place.addStretch(1)
        rest = QLabel(tr("Those with a name, and those marked Keep, are kept always."))
        rest.setProperty("role", "note")
        rest.setWordWrap(True)
        older = QLabel(tr("Of what is older each session keeps which share of the time was what."))
        older.setProperty("role", "note")
        older.setWordWrap(True)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(3)
        column.addLayout(row)
        column.addWidget(rest)
        of_lanes = QWidget()
        lanes_column = QVBoxLayout(of_lanes)
        lanes_column.setContentsMargins(0, 8, 0, 0)
        lanes_column.setSpacing(3)
        lanes_column.addLayout(row_of_lanes)
        lanes_column.addWidget(older)
        column.addWidget(of_lanes)
        of_lanes.setVisible(with_lanes)
        self.age.addItems([_shown_age(parse_age(text)) for text in _AGES])
        self.total.addItems([_shown_size(parse_size(text)) for text in _SIZES])
        self.lanes.addItems([_shown_size(parse_size(text)) for text in _LANES])
        for box in (self.age, self.total, self.lanes):
            box.activated.connect(self._take)
            edit = box.lineEdit()
            assert edit is not None
            edit.editingFinished.connect(self._take)
        self.show_limits(self._limits)

    def show_limits(self, limits: SessionLimits) -> None:
        """Show the limits that hold."""
        self._limits = limits
        self.age.setEditText(_shown_age(limits.age_s))
        self.total.setEditText(_shown_size(limits.size_bytes))
        self.lanes.setEditText(_shown_size(limits.lanes_bytes))

    def _take(self) -> None:
        """Take over what was chosen or typed."""
        try:
            limits = SessionLimits(
                _entered(self.age, self._limits.age_s, _shown_age, _parsed_age),
                _entered(self.total, self._limits.size_bytes, _shown_size, _parsed_size),
                _entered(self.lanes, self._limits.lanes_bytes, _shown_size, _parsed_size),
            )
        except InputError as error:
            self.show_limits(self._limits)
            self.mistaken.emit(str(error))
            return
        changed = limits != self._limits
        self.show_limits(limits)
        if changed:
            self.chosen.emit(limits)


def _entered(
    box: QComboBox,
    before: int | None,
    show: Callable[[int | None], str],
    parse: Callable[[str], int | None],
) -> int | None:
    """Return what a field means; what it showed before is that to the last byte."""
    text = box.currentText()
    return before if text == show(before) else parse(text)


def _parsed_age(text: str) -> int | None:
    if text == tr(_ANY_AGE):
        return None
    given = _GIVEN.fullmatch(text.strip())
    if given is None or (unit := _AGE_UNITS.get(for_search(given[2]))) is None:
        return parse_age(text)
    return parse_age(f"{from_users_notation(given[1])}{unit}")


def _parsed_size(text: str) -> int | None:
    if text == tr(_ANY_SIZE):
        return None
    given = _GIVEN.fullmatch(text.strip())
    return parse_size(text if given is None else f"{from_users_notation(given[1])}{given[2]}")


def _shown_age(seconds: int | None) -> str:
    return tr(_ANY_AGE) if seconds is None else shown_age(seconds)


def _shown_size(size: int | None) -> str:
    if size is None:
        return tr(_ANY_SIZE)
    return (
        tr("{size:.4g} GB", size=size / 1000000000.0)
        if size >= 1e9
        else tr("{size:.4g} MB", size=size / 1000000.0)
    )
