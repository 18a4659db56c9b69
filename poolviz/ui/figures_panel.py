"""The figures of the run that is shown and of its segments, as `poolviz run` prints them."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from PySide6.QtCore import QSettings, Signal
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QTextBrowser,
    QVBoxLayout,
    QWidget,
)

from poolviz.language import tr, tr_noop
from poolviz.sessions.result_text import Block, as_markdown, as_text
from poolviz.sessions.side_by_side import Pair
from poolviz.ui.elided_button import ElidedButton
from poolviz.ui.elided_combo import ElidedCombo
from poolviz.ui.session.evaluation import Evaluated
from poolviz.ui.style.theme import Theme

_AT_END, _LIVE = "figures/at end", "figures/live"  # settings: whether they are shown then
_ANCHOR = "part{}"
_LINK = 48  # pixels that a link has at least
_BEHIND = "behind"  # the anchor of the comparison with the run that is drawn behind
_HEADS = Pair("", tr_noop("run before"), tr_noop("this run"), tr_noop("difference"))


class FiguresPanel(QFrame):
    """Text that can be selected and copied. It is shown once a run has ended and for a session, and
    on request, or where another run is drawn behind, while one goes on; `settings` remember the
    choice for both."""

    folded = Signal(bool)  # it was hidden, or shown

    def __init__(self, theme: Theme, settings: QSettings, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("figures")
        self.setAccessibleName(tr("Figures"))
        self._theme, self._settings = theme, settings
        self._shown = Evaluated()
        self._live = False
        self._waiting = False  # something newer is shown once no text is selected any more
        self._title, self.part = QLabel(tr("Figures")), ElidedCombo()
        self.copy_text, self.copy_markdown = (
            QPushButton(tr("Copy")),
            ElidedButton(tr("Copy as Markdown"), narrowest=_LINK),
        )
        self.dismiss, self.fold = (
            ElidedButton(tr("Remove the run behind"), narrowest=_LINK),
            QPushButton("✕"),
        )
        self.view = QTextBrowser()
        self._lay_out()
        self.part.activated.connect(self._go_to)
        self.copy_text.clicked.connect(lambda: self._copy(self.text))
        self.copy_markdown.clicked.connect(lambda: self._copy(self.markdown))
        self.fold.clicked.connect(lambda: self.choose(False))
        self.view.selectionChanged.connect(self._catch_up)
        self.hide()

    # What is shown

    @property
    def text(self) -> str:
        """All of it as plain text."""
        pairs = _as_lines(self._shown.against)
        return "\n\n".join([*pairs, *map(as_text, self._shown.blocks)])

    @property
    def markdown(self) -> str:
        """All of it as tables in Markdown."""
        pairs = _as_markdown(self._shown.against)
        return "\n\n".join([*pairs, *map(as_markdown, self._shown.blocks)])

    @property
    def available(self) -> bool:
        """There is something to show."""
        return bool(self._shown.blocks or self._shown.problem)

    @property
    def wanted(self) -> bool:
        """Whether the user wants figures in the present state: those of a run that goes on, or
        of one that is over."""
        usual = not self._live or bool(self._shown.against)
        return bool(self._settings.value(self._setting, usual, type=bool))

    @property
    def _setting(self) -> str:
        return _LIVE if self._live else _AT_END

    def choose(self, shown: bool) -> None:
        """Show or hide the figures, now and from now on in this state."""
        self._settings.setValue(self._setting, shown)
        self._show()

    def show_result(self, result: Evaluated, *, live: bool) -> None:
        """Show what came of a run, or what has come of it until now."""
        self._live = live
        if result != self._shown:
            self._shown = result
            self._write()
        self._show()

    def set_theme(self, theme: Theme) -> None:
        """Write in other colours."""
        self._theme = theme
        self._write()

    def _show(self) -> None:
        visible = self.available and self.wanted
        if visible is self.isHidden():
            self.setVisible(visible)
            self.folded.emit(not visible)

    def _catch_up(self) -> None:
        if self._waiting and not self.view.textCursor().hasSelection():
            self._write()

    def _write(self) -> None:
        """Write the text anew, where it was scrolled to; not while some of it is selected."""
        if self._live and self.view.textCursor().hasSelection():
            self._waiting = True
            return
        self._waiting = False
        bar = self.view.verticalScrollBar()
        before = bar.value()
        self.view.document().setDefaultStyleSheet(_style(self._theme))
        self.view.setHtml(_html(self._shown))
        bar.setValue(before)
        self._offer_parts()
        self.dismiss.setVisible(bool(self._shown.against))

    def _offer_parts(self) -> None:
        blocks = self._shown.blocks
        parts = [(tr("Run before and this run"), _BEHIND)] if self._shown.against else []
        parts += [(_short(block, n), _ANCHOR.format(n)) for n, block in enumerate(blocks)]
        offered = [(self.part.itemText(n), self.part.itemData(n)) for n in range(self.part.count())]
        if parts == offered:
            return
        chosen = self.part.currentData()
        self.part.clear()
        for name, anchor in parts:
            self.part.addItem(name, anchor)
        self.part.setCurrentIndex(max(self.part.findData(chosen), 0))
        self.part.setVisible(len(parts) > 1)

    def _go_to(self, place: int) -> None:
        self.view.scrollToAnchor(self.part.itemData(place))

    def _copy(self, text: str) -> None:
        QGuiApplication.clipboard().setText(text)

    # Construction

    def _lay_out(self) -> None:
        self._title.setProperty("role", "name")
        self.part.setAccessibleName(tr("Part of the figures"))
        self.part.setToolTip(tr("Go to the figures of the run or of one of its segments."))
        self.part.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        self.view.setAccessibleName(tr("Figures of the run and its segments"))
        self.view.setOpenLinks(False)
        self.view.setFrameShape(QFrame.Shape.NoFrame)
        self.copy_text.setToolTip(tr("Copy the figures as plain text."))
        self.copy_markdown.setToolTip(self.copy_markdown.text())
        self.dismiss.setToolTip(tr("Remove the run that is drawn paler behind this one."))
        for button in (self.dismiss, self.copy_text, self.copy_markdown):
            button.setProperty("role", "link")
        self.fold.setFlat(True)
        self.fold.setFixedWidth(28)
        self.fold.setProperty("role", "close")
        self.fold.setToolTip(tr("Hide the figures (F8)"))
        self.fold.setAccessibleName(tr("Hide the figures"))
        row = QHBoxLayout()
        row.setSpacing(12)
        row.addWidget(self._title)
        row.addWidget(self.part, 8)
        row.addStretch(1)
        for button in (self.dismiss, self.copy_text, self.copy_markdown, self.fold):
            row.addWidget(button)
        column = QVBoxLayout(self)
        column.setContentsMargins(14, 4, 8, 0)
        column.setSpacing(4)
        column.addLayout(row)
        column.addWidget(self.view, 1)
        self.setMinimumHeight(90)
        self.dismiss.hide()
        self.part.hide()


def _short(block: Block, number: int) -> str:
    return tr("The whole run") if number == 0 else " ".join(block.title.split())


def _style(theme: Theme) -> str:
    return (
        f"td {{ color: {theme.text}; padding: 1px 18px 1px 0; }}"
        f"td.name {{ color: {theme.muted}; }}"
        f"h4 {{ color: {theme.text}; font-weight: 600; }}"
        f"p {{ color: {theme.bad}; }}"
    )


def _html(result: Evaluated) -> str:
    if result.problem:
        return f"<p>{escape(result.problem)}</p>"
    parts = []
    if result.against:
        rows = [_cells(pair) for pair in (_heads(), *result.against)]
        parts.append(f'<a name="{_BEHIND}"></a><table cellspacing="0">{"".join(rows)}</table>')
    for number, block in enumerate(result.blocks):
        rows = [_cells(row) for row in block.rows]
        parts.append(
            f'<h4><a name="{_ANCHOR.format(number)}"></a>{escape(block.title)}</h4>'
            f'<table cellspacing="0">{"".join(rows)}</table>'
        )
    return "".join(parts)


def _heads() -> Pair:
    return Pair(*(tr(head) if head else "" for head in _HEADS))


def _cells(row: Sequence[str]) -> str:
    name, *texts = map(escape, row)
    return f'<tr><td class="name">{name}</td>{"".join(f"<td>{text}</td>" for text in texts)}</tr>'


def _as_lines(pairs: Sequence[Pair]) -> list[str]:
    if not pairs:
        return []
    widths = [
        max(len(row[column]) for row in (_heads(), *pairs)) for column in range(len(Pair._fields))
    ]
    lines = [
        "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()
        for row in (_heads(), *pairs)
    ]
    return ["\n".join(lines)]


def _as_markdown(pairs: Sequence[Pair]) -> list[str]:
    if not pairs:
        return []
    lines = ["| " + " | ".join(row) + " |" for row in (_heads(), *pairs)]
    return ["\n".join([lines[0], "|---|---|---|---|", *lines[1:]])]
