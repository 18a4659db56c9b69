"""The editor that the side panel has for each class of parameter."""

from __future__ import annotations

from collections.abc import Mapping

from poolviz.model.parameters import (
    Choice,
    Count,
    File,
    Number,
    Parameter,
    Seconds,
    Switch,
    Text,
)
from poolviz.ui.panel.row import ChoiceRow, NumberRow, Row, SwitchRow
from poolviz.ui.panel.text_row import FileRow, TextRow
from poolviz.ui.style.theme import Theme

EDITORS: Mapping[type[Parameter], type[Row]] = {
    Count: NumberRow,
    Seconds: NumberRow,
    Number: NumberRow,
    Switch: SwitchRow,
    Choice: ChoiceRow,
    Text: TextRow,
    File: FileRow,
}


def row_for(parameter: Parameter, label: str, badge: str, theme: Theme) -> Row:
    """Return a row that edits `parameter`, under its key as the object's name."""
    row = EDITORS[type(parameter)](parameter, label, badge, theme)
    row.setObjectName(parameter.key)
    return row
