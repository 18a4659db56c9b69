"""The help: topics to search at the left, the text of one at the right."""

from __future__ import annotations

from collections.abc import Mapping

from PySide6.QtCore import QEvent, QObject, Qt, QTimer, QUrl
from PySide6.QtGui import QKeyEvent, QKeySequence, QShortcut
from PySide6.QtWidgets import (
    QDialog,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QTextBrowser,
    QVBoxLayout,
    QWidget,
)

from poolviz.help.as_html import SCHEME, as_html
from poolviz.help.topic import Kind, Topic
from poolviz.help.topics import find, search, topics
from poolviz.language import tr
from poolviz.ui.session.notices import sentence_of
from poolviz.ui.session.worker import Worker
from poolviz.ui.unexpected import contained

FIRST = "poolviz"  # the topic of the help as a whole
_SIZE = (900, 600)
_LIST = 250  # pixels
_TOPIC = Qt.ItemDataRole.UserRole
_SHEET = """
h2 { font-size: 17px; font-weight: 600; margin: 0 0 2px 0; }
h3 { font-size: 13px; font-weight: 600; margin: 14px 0 2px 0; }
p { margin: 6px 0; line-height: 135%; }
td { padding: 2px 0; line-height: 130%; }
td.term { font-weight: 500; white-space: nowrap; }
a { text-decoration: none; }
pre { font-family: monospace; white-space: pre-wrap; }
"""


class HelpDialog(QDialog):
    """Shows topics. They are made by `worker`, because that imports the libraries of all pools."""

    def __init__(self, worker: Worker, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle(tr("Help"))
        self.resize(*_SIZE)
        self._known: Mapping[str, Topic] = {}
        self._wanted = FIRST  # until the topics are there
        self._before: list[str] = []  # topics shown earlier
        self._shown = ""
        self.search = QLineEdit()
        self.search.setPlaceholderText(tr("Search (Ctrl+F)"))
        self.search.setAccessibleName(tr("Search the help"))
        self.search.setClearButtonEnabled(True)
        self.list = QListWidget()
        self.list.setAccessibleName(tr("Topics"))
        self.list.setSpacing(1)
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.text = QTextBrowser()
        self.text.setAccessibleName(tr("Text of the topic"))
        self.text.setOpenLinks(False)
        self.text.document().setDefaultStyleSheet(_SHEET)
        self.text.document().setDocumentMargin(14)
        self.back_button, close = QPushButton(tr("Back")), QPushButton(tr("Close"))
        self.back_button.setEnabled(False)
        for button in (self.back_button, close):
            button.setAutoDefault(False)
        self._none = QLabel(tr("No topic matches."))
        self._none.setProperty("role", "note")
        self._none.hide()
        self._lay_out(close)
        close.clicked.connect(self.close)
        self.back_button.clicked.connect(self.back)
        self.search.textChanged.connect(self._show_found)
        self.search.installEventFilter(self)
        self.list.currentItemChanged.connect(self._choose)
        self.text.anchorClicked.connect(self._follow)
        for keys, act in ((QKeySequence.StandardKey.Find, self._find), ("Alt+Left", self.back)):
            QShortcut(QKeySequence(keys), self).activated.connect(act)
        self.text.setPlainText(tr("Reading the topics…"))
        worker.do(topics, self._take, self._fail)

    def show_topic(self, name: str) -> None:
        """Show the topic of that name, or the first one if there is none."""
        self._wanted = name or FIRST
        if self._known:
            topic = find(self._known, self._wanted) or self._known[FIRST]
            if self.search.text():
                self.search.clear()  # it may not be among those that were found
            self._select(topic.name)

    def back(self) -> None:
        """Show the topic that was shown before."""
        if self._before:
            name = self._before.pop()
            self._shown = ""  # what is left isn't to come back to
            self.show_topic(name)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Let the arrow keys of the search move in the list."""
        with contained():
            if isinstance(event, QKeyEvent) and event.type() == QEvent.Type.KeyPress:
                step = {Qt.Key.Key_Down: 1, Qt.Key.Key_Up: -1}.get(Qt.Key(event.key()))
                if step is not None:
                    self._move(step)
                    return True
        return super().eventFilter(watched, event)

    def _lay_out(self, close: QPushButton) -> None:
        left = QVBoxLayout()
        left.setSpacing(8)
        for part in (self.search, self._none):
            left.addWidget(part)
        left.addWidget(self.list, 1)
        side = QWidget()
        side.setFixedWidth(_LIST)
        side.setLayout(left)
        left.setContentsMargins(0, 0, 0, 0)
        both = QHBoxLayout()
        both.setSpacing(12)
        both.addWidget(side)
        both.addWidget(self.text, 1)
        buttons = QHBoxLayout()
        buttons.addWidget(self.back_button)
        buttons.addStretch(1)
        buttons.addWidget(close)
        column = QVBoxLayout(self)
        column.setContentsMargins(16, 14, 16, 12)
        column.setSpacing(10)
        column.addLayout(both, 1)
        column.addLayout(buttons)

    def _take(self, known: Mapping[str, Topic]) -> None:
        self._known = known
        self.text.clear()
        self._fill(list(known.values()))
        self.show_topic(self._wanted)

    def _fail(self, error: BaseException) -> None:
        self.text.setPlainText(sentence_of(error))

    def _fill(self, found: list[Topic], *, ranked: bool = False) -> None:
        """List topics, under the headings of their kinds unless they are in the order of a
        search."""
        self.list.blockSignals(True)
        self.list.clear()
        kind: Kind | None = None
        for topic in found:
            if not ranked and topic.kind is not kind:
                kind = topic.kind
                self._add_heading(tr(kind.value))
            item = QListWidgetItem(topic.title)
            item.setData(_TOPIC, topic.name)
            item.setToolTip(topic.summary)
            self.list.addItem(item)
        self.list.blockSignals(False)
        self._none.setVisible(not found)

    def _add_heading(self, text: str) -> None:
        item = QListWidgetItem(text)
        item.setForeground(self.palette().placeholderText())
        item.setFlags(Qt.ItemFlag.NoItemFlags)
        font = item.font()
        font.setBold(True)
        item.setFont(font)
        self.list.addItem(item)

    def _show_found(self, words: str) -> None:
        ranked = bool(words.strip())
        self._fill(search(self._known, words), ranked=ranked)
        if not ranked:
            self._select(self._shown)
        elif self.list.count():
            self.list.setCurrentRow(0)

    def _move(self, step: int) -> None:
        row = self.list.currentRow() + step
        while 0 <= row < self.list.count():
            if self.list.item(row).flags() & Qt.ItemFlag.ItemIsSelectable:
                self.list.setCurrentRow(row)
                return
            row += step

    def _select(self, name: str) -> None:
        """Select a topic in the list, and show it."""
        for row in range(self.list.count()):
            if self.list.item(row).data(_TOPIC) == name:
                self.list.setCurrentRow(row)
                self.list.scrollToItem(self.list.item(row))
                self._show(name)
                return

    def _choose(self, item: QListWidgetItem | None) -> None:
        if item is not None and item.data(_TOPIC):
            self._show(item.data(_TOPIC))

    def _show(self, name: str) -> None:
        if name == self._shown:
            return
        if self._shown and not self.search.text():
            self._before.append(self._shown)
        self._shown = name
        self.back_button.setEnabled(bool(self._before))
        self.text.setHtml(as_html(self._known[name], self._known))

    @contained()
    def changeEvent(self, event: QEvent) -> None:
        """Write the topic again in another theme: links keep the colour that they were made in."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange:
            QTimer.singleShot(0, self, self._write_again)

    def _write_again(self) -> None:
        if self._shown:
            place = self.text.verticalScrollBar().value()
            self.text.setHtml(as_html(self._known[self._shown], self._known))
            self.text.verticalScrollBar().setValue(place)

    def _follow(self, link: QUrl) -> None:
        if link.scheme() == SCHEME:
            self.show_topic(link.path())

    def _find(self) -> None:
        self.search.setFocus()
        self.search.selectAll()
