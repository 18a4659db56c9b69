"""The page of presets: each with a picture and the question of its lesson, sorted by subject."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QKeyEvent, QKeySequence, QShortcut
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from poolviz.language import for_search, in_users_language, is_found, tr
from poolviz.model.errors import PoolvizError
from poolviz.model.lesson import SUBJECTS
from poolviz.model.preset_titles import title_in_words
from poolviz.pools.registry import listings
from poolviz.scenarios.presets import Preset, presets
from poolviz.ui.lessons.preset_picture import Picture, counts_by_preset
from poolviz.ui.session.notices import Notices, Weight, sentence_of
from poolviz.ui.style.theme import Theme
from poolviz.ui.unexpected import contained

_OTHER = ""  # the subject of presets without one


class PresetCard(QFrame):
    """One preset: picture, title, pool, what it asks, and what can be done with it."""

    predict_wanted = Signal(object)  # its Path
    run_wanted = Signal(object)

    def __init__(self, preset: Preset, pool: str, picture: Picture) -> None:
        super().__init__()
        self.preset, self.picture = preset, picture
        self.setObjectName("panel")
        lesson = preset.draft.lesson
        question, self.subject = in_users_language(preset.watch), _OTHER
        words = [
            preset.name,
            preset.title,
            title_in_words(preset.title),
            pool,
            *preset.watch.values(),
        ]
        if lesson is not None:
            questions = {language: each.question for language, each in lesson.texts.items()}
            question, self.subject = in_users_language(questions), lesson.subject
            words += [*questions.values(), tr(SUBJECTS.get(lesson.subject, ""))]
        self._words = for_search(" ".join(words))
        title, about, text = QLabel(title_in_words(preset.title)), QLabel(pool), QLabel(question)
        title.setProperty("role", "name")
        about.setProperty("role", "note")
        for label in (title, about, text):
            label.setTextFormat(Qt.TextFormat.PlainText)
        for label in (title, text):
            label.setWordWrap(True)
        self.predict_button = QPushButton(tr("Predict and run"))
        self.predict_button.setAccessibleName(
            tr("Predict and run: {title}", title=title_in_words(preset.title))
        )
        self.predict_button.setVisible(lesson is not None)
        self.run_button = QPushButton(tr("Just run"))
        self.run_button.setAccessibleName(
            tr("Just run: {title}", title=title_in_words(preset.title))
        )
        self.run_button.setToolTip(in_users_language(preset.watch))
        self.predict_button.clicked.connect(lambda: self.predict_wanted.emit(preset.path))
        self.run_button.clicked.connect(lambda: self.run_wanted.emit(preset.path))
        buttons = QHBoxLayout()
        buttons.setSpacing(8)
        for button in (self.predict_button, self.run_button):
            button.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
            buttons.addWidget(button)
        buttons.addStretch(1)
        lines = QVBoxLayout()
        lines.setSpacing(3)
        for label in (title, about, text):
            lines.addWidget(label)
        lines.addSpacing(4)
        lines.addLayout(buttons)
        row = QHBoxLayout(self)
        row.setContentsMargins(12, 10, 12, 10)
        row.setSpacing(14)
        row.addWidget(picture, 0, Qt.AlignmentFlag.AlignTop)
        row.addLayout(lines, 1)

    def has(self, words: str) -> bool:
        """Return whether all these words stand in it."""
        return all(is_found(word, self._words) for word in for_search(words).split())


class PresetsPage(QFrame):
    """Lists the presets. They are read when the page is made, which takes about 50 ms."""

    predict_wanted = Signal(object)  # the Path of a preset whose question is to be asked
    run_wanted = Signal(object)  # the Path of a preset to run at once
    left = Signal()

    def __init__(self, notices: Notices, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("sessions")
        self.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        self._theme = theme
        self.cards: list[PresetCard] = []
        self._headings: dict[str, QLabel] = {}
        self.search = QLineEdit()
        self.search.setPlaceholderText(tr("Search (Ctrl+F)"))
        self.search.setAccessibleName(tr("Search presets"))
        self.search.setClearButtonEnabled(True)
        self.search.setFixedWidth(170)
        self.nothing = QLabel(tr("No preset matches."))
        self.nothing.setProperty("role", "note")
        self.nothing.hide()
        self._lay_out()
        try:
            self._fill()
        except PoolvizError as error:
            notices.say("presets", sentence_of(error), Weight.BAD)
        self.search.textChanged.connect(self._show_found)
        find = QShortcut(QKeySequence.StandardKey.Find, self)
        find.setContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
        find.activated.connect(self.search.setFocus)

    def set_theme(self, theme: Theme) -> None:
        """Change the colours."""
        self._theme = theme
        for card in self.cards:
            card.picture.set_theme(theme)

    @contained()
    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Escape leaves the page."""
        if event.key() == Qt.Key.Key_Escape:
            self.left.emit()
        else:
            super().keyPressEvent(event)

    def _lay_out(self) -> None:
        title = QLabel(tr("Presets"))
        title.setProperty("role", "title")
        about = QLabel(tr("Each shows one thing that pools do: predict it, see it, and mend it."))
        about.setProperty("role", "note")
        about.setWordWrap(True)
        close = QPushButton(tr("Back to the charts"))
        close.clicked.connect(self.left)
        head = QHBoxLayout()
        head.setSpacing(10)
        head.addWidget(title)
        head.addWidget(about, 1)
        head.addWidget(self.search)
        head.addWidget(close)
        content = QWidget()
        self._list = QVBoxLayout(content)
        self._list.setContentsMargins(0, 0, 8, 0)
        self._list.setSpacing(8)
        self._scroll = QScrollArea()
        self._scroll.setWidgetResizable(True)
        self._scroll.setFrameShape(QFrame.Shape.NoFrame)
        self._scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._scroll.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._scroll.setWidget(content)
        column = QVBoxLayout(self)
        column.setContentsMargins(16, 12, 16, 10)
        column.setSpacing(9)
        column.addLayout(head)
        column.addWidget(self.nothing)
        column.addWidget(self._scroll, 1)

    def _fill(self) -> None:
        """Make a card for each preset, under the heading of its subject."""
        pools = {listing.id: listing.title for listing in listings()}
        counts = counts_by_preset()
        for preset in presets():
            pool = pools.get(preset.draft.pool, preset.draft.pool)
            card = PresetCard(preset, pool, Picture(counts.get(preset.name), self._theme))
            card.predict_wanted.connect(self.predict_wanted)
            card.run_wanted.connect(self.run_wanted)
            self.cards.append(card)
        for subject, name in {**SUBJECTS, _OTHER: ""}.items():
            cards = [card for card in self.cards if card.subject == subject]
            if cards:
                heading = self._headings[subject] = QLabel(tr(name).upper() if name else "")
                heading.setProperty("role", "heading")
                for widget in (heading, *cards):
                    self._list.addWidget(widget)
        self._list.addStretch(1)

    def _show_found(self, words: str) -> None:
        shown = set()
        for card in self.cards:
            card.setVisible(card.has(words))
            shown |= {card.subject} if card.has(words) else set()
        for subject, heading in self._headings.items():
            heading.setVisible(subject in shown)
        self.nothing.setVisible(not shown)
