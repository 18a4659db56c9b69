"""The dialog of preferences. Each change holds at once, and is kept."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QSize, Qt
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDialog,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QScrollArea,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from poolviz.language import LANGUAGES, tr, tr_noop
from poolviz.model.parameters import Choice, Count, Parameter, Switch
from poolviz.ui.settings import (
    AT_START,
    AUTOMATIC,
    FRAME_RATE,
    HIGH_CONTRAST,
    LANGUAGE,
    LAST,
    MILLISECONDS,
    NAMED,
    NOTHING,
    OKABE_ITO,
    PALETTE,
    PER_MINUTE,
    PER_SECOND,
    PREFERENCES,
    RATES,
    REDUCED_MOTION,
    SECONDS,
    START_NAME,
    SYSTEM,
    TEXT_SIZE,
    THEME,
    TIMES,
    WELCOME,
    Settings,
)
from poolviz.ui.style.theme import text_room

_NAMES = {
    THEME.key: tr_noop("Theme"),
    LANGUAGE.key: tr_noop("Language"),
    PALETTE.key: tr_noop("Palette"),
    TEXT_SIZE.key: tr_noop("Text size"),
    TIMES.key: tr_noop("Times"),
    RATES.key: tr_noop("Rates"),
    FRAME_RATE.key: tr_noop("Frames a second, at most"),
    REDUCED_MOTION.key: tr_noop("Reduced motion"),
    AT_START.key: tr_noop("At start"),
    START_NAME.key: tr_noop("Preset or file"),
}
_WORDS = {
    SYSTEM: tr_noop("Same as the desktop"),
    "light": tr_noop("Light"),
    "dark": tr_noop("Dark"),
    OKABE_ITO: "Okabe–Ito",
    HIGH_CONTRAST: tr_noop("High contrast"),
    AUTOMATIC: tr_noop("Automatic"),
    MILLISECONDS: tr_noop("Milliseconds"),
    SECONDS: tr_noop("Seconds"),
    PER_SECOND: tr_noop("Per second"),
    PER_MINUTE: tr_noop("Per minute"),
    WELCOME: tr_noop("Run the usual load"),
    NOTHING: tr_noop("Run nothing"),
    LAST: tr_noop("Prepare the last run again"),
    NAMED: tr_noop("Open a preset or a file"),
    **LANGUAGES,
}
_USUAL = QSize(740, 520)
_WIDEST = 880  # pixels: within the smallest window
_SUFFIXES = {TEXT_SIZE.key: " %"}


class PreferencesDialog(QDialog):
    """Shows the preferences and changes them. `limits` is the widget by which the age and the size
    of kept sessions are set."""

    def __init__(
        self, preferences: Settings, limits: QWidget | None = None, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle(tr("Preferences"))
        self._preferences = preferences
        self.editors: dict[str, QWidget] = {}
        self._shows: dict[str, Callable[[], None]] = {}
        form = QFormLayout()
        form.setRowWrapPolicy(QFormLayout.RowWrapPolicy.WrapLongRows)
        form.setHorizontalSpacing(14)
        form.setVerticalSpacing(6)
        form.setLabelAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        for setting in PREFERENCES:
            self._add(form, setting)
        self._browse = QPushButton(tr("Browse…"))
        self._browse.setAccessibleName(tr("Browse for a file to open at start"))
        self._browse.setAutoDefault(False)
        self._browse.clicked.connect(self._ask_for_file)
        form.addRow("", _left(self._browse))
        if limits is not None:
            form.addRow(tr("Sessions"), limits)
        self.note = QLabel()
        self.note.setProperty("role", "note")
        self.note.setWordWrap(True)
        inner = QWidget()
        column = QVBoxLayout(inner)
        column.setContentsMargins(20, 18, 20, 8)
        column.setSpacing(12)
        column.addLayout(form)
        column.addWidget(self.note)
        column.addStretch(1)
        scroll = QScrollArea()
        scroll.setWidgetResizable(True)
        scroll.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        scroll.setWidget(inner)
        self.reset_button = QPushButton(tr("Reset to defaults"))
        self.reset_button.setAutoDefault(False)
        self.reset_button.clicked.connect(preferences.reset)
        close = QPushButton(tr("Close"))
        close.setDefault(True)
        close.clicked.connect(self.accept)
        buttons = QHBoxLayout()
        buttons.setContentsMargins(20, 8, 20, 16)
        buttons.addWidget(self.reset_button)
        buttons.addStretch(1)
        buttons.addWidget(close)
        whole = QVBoxLayout(self)
        whole.setContentsMargins(0, 0, 0, 0)
        whole.setSpacing(0)
        whole.addWidget(scroll, 1)
        whole.addLayout(buttons)
        self.setMinimumSize(480, 300)
        preferences.changed.connect(self._show)
        self._show("")

    def _add(self, form: QFormLayout, setting: Parameter) -> None:
        """Add the row of a setting, by the kind of its values."""
        preferences = self._preferences
        editor: QWidget
        if isinstance(setting, Choice):
            box = editor = QComboBox()
            for choice in setting.choices:
                word = _WORDS[choice]
                box.addItem(word if choice in LANGUAGES else tr(word), choice)
            box.activated.connect(lambda _: preferences.put(setting, box.currentData()))
            self._shows[setting.key] = lambda: box.setCurrentIndex(
                box.findData(preferences.value(setting))
            )
        elif isinstance(setting, Count):
            number = editor = QSpinBox()
            number.setRange(int(setting.minimum), int(setting.maximum))
            number.setSuffix(_SUFFIXES.get(setting.key, ""))
            number.setKeyboardTracking(False)
            number.lineEdit().setTextMargins(8, 0, 8, 0)  # as the side panel's have
            number.valueChanged.connect(lambda value: preferences.put(setting, value))
            self._shows[setting.key] = lambda: number.setValue(preferences.number(setting))
        elif isinstance(setting, Switch):
            switch = editor = QCheckBox(tr("on"))
            switch.toggled.connect(lambda on: preferences.put(setting, on))
            self._shows[setting.key] = lambda: switch.setChecked(bool(preferences.value(setting)))
        else:
            line = editor = QLineEdit()
            line.editingFinished.connect(lambda: preferences.put(setting, line.text().strip()))
            self._shows[setting.key] = lambda: line.setText(str(preferences.value(setting)))
        name = tr(_NAMES[setting.key])
        editor.setAccessibleName(name)
        editor.setAccessibleDescription(tr(setting.help))
        editor.setToolTip(tr(setting.help))
        self.editors[setting.key] = editor
        wide = isinstance(editor, QLineEdit)
        label = QLabel(name)
        label.setBuddy(editor)
        form.addRow(label, editor if wide else _left(editor))

    def _show(self, key: str) -> None:
        """Show what holds now."""
        if key in ("", TEXT_SIZE.key):
            room = min(round(_USUAL.width() * text_room()), _WIDEST)
            self.resize(self.size().expandedTo(QSize(room, _USUAL.height())))
        for show in self._shows.values():
            show()
        named = self._preferences.value(AT_START) == NAMED
        for widget in (self.editors[START_NAME.key], self._browse):
            widget.setEnabled(named)
        self.note.setText(self._preferences.problem)

    def _ask_for_file(self) -> None:
        dialog = QFileDialog(self, tr("Open at start"))
        dialog.setNameFilter(tr("Scenarios and sessions") + " (*.toml *.poolviz)")
        dialog.fileSelected.connect(lambda path: self._preferences.put(START_NAME, path))
        dialog.open()


def _left(widget: QWidget) -> QWidget:
    """Return a widget that keeps another one at its left, as wide as that wants to be."""
    held = QWidget()
    row = QHBoxLayout(held)
    row.setContentsMargins(0, 0, 0, 0)
    row.addWidget(widget)
    row.addStretch(1)
    return held
