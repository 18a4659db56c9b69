"""The toolbar: start and stop, server, pool, preset, mark, export, and the menu."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import PurePath

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QActionGroup
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QMenu,
    QPushButton,
    QSizePolicy,
    QWidget,
)

from poolviz.language import in_users_language, tr
from poolviz.model.dialect import SQLITE, dialect_of
from poolviz.model.preset_titles import title_in_words
from poolviz.ui.elided_button import ElidedButton
from poolviz.ui.help_places import set_topic
from poolviz.ui.session.controller import Controller, State
from poolviz.ui.style.icons import icon
from poolviz.ui.style.theme import Theme, text_room
from poolviz.ui.toolbar.pool_menu import PoolMenu
from poolviz.ui.toolbar.preset_menu import as_tool_tip

HEIGHT = 45  # pixels at the usual size of texts, with the line below it
_RUN = 82  # pixels that the button for start and stop has at least
_LONG, _SHORT = 90, 150  # pixels that buttons with long and with short texts have at least


class Toolbar(QFrame):
    """Shows the controller's state and passes on what its buttons ask for."""

    own_server_wanted = Signal()

    def __init__(
        self,
        controller: Controller,
        theme: Theme,
        *,
        presets: QMenu,
        export: QMenu,
        menu: QMenu,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self.setObjectName("toolbar")
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        self._controller, self._theme = controller, theme
        self.run_button = _button(tr("Start"), _RunButton)
        self.run_button.setProperty("primary", "true")
        self.server_button = _button(tr("Server"), ElidedButton, narrowest=_LONG)
        self.pool_button = _button(tr("Pool"), ElidedButton, narrowest=_LONG)
        self.preset_button = _button(tr("Preset"), ElidedButton, narrowest=_SHORT)
        self.mark_button = _button(tr("Mark"))
        self.export_button = _button(tr("Export"), ElidedButton, narrowest=_SHORT)
        self.menu_button = _button("")
        self.run_button.clicked.connect(self._start_or_stop)
        self.mark_button.clicked.connect(controller.mark)
        self.mark_button.setToolTip(tr("Mark this moment on the timeline (M)"))
        set_topic(self.preset_button, "scenario")
        set_topic(self.export_button, ".png")
        self.menu_button.setAccessibleName(tr("Menu"))
        self.menu_button.setToolTip(tr("View, theme, files and help"))
        _drop_down(self.server_button, self._server_menu())
        _drop_down(self.pool_button, PoolMenu(controller, self))
        _drop_down(self.preset_button, presets)
        _drop_down(self.export_button, export)
        self.menu_button.setMenu(menu)
        self.menu_button.setStyleSheet("QPushButton::menu-indicator { image: none; width: 0; }")
        row = QHBoxLayout(self)
        row.setContentsMargins(12, 0, 12, 0)
        row.setSpacing(10)
        chosen = (self.server_button, self.pool_button, self.preset_button)
        for widget in (self.run_button, *chosen):
            row.addWidget(widget)
        row.addStretch(1)
        for widget in (self.mark_button, self.export_button, self.menu_button):
            row.addWidget(widget)
        controller.changed.connect(self.refresh)
        controller.session_changed.connect(self.refresh)
        controller.values_changed.connect(self._show_preset)
        self.set_theme(theme)

    def set_theme(self, theme: Theme) -> None:
        """Draw the icons in other colours."""
        self._theme = theme
        self.mark_button.setIcon(icon("flag", theme.text, theme.faint))
        self.export_button.setIcon(icon("download", theme.text, theme.faint))
        self.menu_button.setIcon(icon("menu", theme.text))
        self.refresh()

    def sizeHint(self) -> QSize:
        """Return the height, which nothing shown changes."""
        return QSize(super().sizeHint().width(), round(HEIGHT * text_room()))

    def minimumSizeHint(self) -> QSize:
        """Return the height, which nothing shown changes."""
        return QSize(super().minimumSizeHint().width(), round(HEIGHT * text_room()))

    def refresh(self) -> None:
        """Show the controller's state."""
        controller, theme = self._controller, self._theme
        text, icon_name, enabled = {
            State.CONNECTING: (tr("Start"), "play", False),
            State.READY: (tr("Start"), "play", True),
            State.STARTING: (tr("Stop"), "stop", True),
            State.RUNNING: (tr("Stop"), "stop", True),
            State.STOPPING: (tr("Stopping…"), "stop", False),
        }[controller.state]
        self.run_button.setText(text)
        self.run_button.setIcon(icon(icon_name, theme.on_accent, theme.faint))
        self.run_button.setEnabled(enabled)
        self.run_button.setToolTip(
            tr("Start the load (F5)") if icon_name == "play" else tr("Stop the load (Shift+F5)")
        )
        self.mark_button.setEnabled(controller.state is State.RUNNING)
        recorder = controller.recorder
        self.export_button.setEnabled(recorder is not None and recorder.began is not None)
        self._show_server()
        self.pool_button.setText(controller.pool.title)
        self.pool_button.setToolTip(tr(controller.pool.about))
        set_topic(self.pool_button, controller.pool.id)
        self._show_preset()

    def _show_preset(self) -> None:
        """Show the scenario's title until a value is changed."""
        scenario = self._controller.scenario
        self.preset_button.setText(
            tr("Preset: {title}", title=title_in_words(scenario.title))
            if scenario.title
            else tr("Preset")
        )
        self.preset_button.setToolTip(
            as_tool_tip(in_users_language(scenario.watch))
            or tr("Scenarios that show what pools do")
        )

    def _show_server(self) -> None:
        controller, theme, target = self._controller, self._theme, self._controller.target
        reached = theme.throughput if target is not None else theme.faint
        connecting = controller.state is State.CONNECTING
        self.server_button.setIcon(icon("dot", theme.overflow if connecting else reached))
        if controller.embedded:
            version = f" {target.version.split('.')[0]}" if target is not None else ""
            name, about = (
                tr("Embedded PostgreSQL{version}", version=version),
                tr("The PostgreSQL server that poolviz starts."),
            )
        elif target is not None:
            name, about = _short(target.shown), target.shown
        else:
            name, about = tr("Own server"), tr("Not connected.")
        if target is not None:
            about += f"\n{target.about}."
        self.server_button.setText(name)
        self.server_button.setToolTip(about)

    def _start_or_stop(self) -> None:
        if self._controller.busy:
            self._controller.stop()
        else:
            self._controller.start()

    def _choose_embedded(self) -> None:
        if not self._controller.embedded or self._controller.target is None:
            self._controller.connect_to(None)

    def _server_menu(self) -> QMenu:
        menu = QMenu(self)
        embedded = menu.addAction(tr("Embedded PostgreSQL"))
        embedded.triggered.connect(self._choose_embedded)
        own = menu.addAction(tr("Own server…"))
        own.triggered.connect(self.own_server_wanted)
        group = QActionGroup(menu)
        for action in (embedded, own):
            action.setCheckable(True)
            group.addAction(action)
        menu.aboutToShow.connect(
            lambda: (embedded if self._controller.embedded else own).setChecked(True)
        )
        return menu


class _RunButton(QPushButton):
    """Starts and stops: as wide for both, so that what is beside it stays."""

    def sizeHint(self) -> QSize:
        """Return the size for the longer text."""
        metrics, hint = self.fontMetrics(), super().sizeHint()
        beside = hint.width() - metrics.horizontalAdvance(self.text())
        widest = max(metrics.horizontalAdvance(text) for text in (tr("Start"), tr("Stop")))
        return QSize(max(hint.width(), widest + beside, _RUN), hint.height())

    def minimumSizeHint(self) -> QSize:
        """Return the size for the longer text: it is never elided."""
        return self.sizeHint()


def _button(text: str, kind: Callable[..., QPushButton] = QPushButton, **more: int) -> QPushButton:
    button = kind(text, **more)
    button.setIconSize(QSize(14, 14))
    button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
    return button


def _drop_down(button: QPushButton, menu: QMenu) -> None:
    button.setMenu(menu)
    button.setProperty("menu", "true")


def _short(shown: str) -> str:
    """Return a name of a server for a button: its address without scheme and options, elided, or
    the name of a file."""
    name = shown.partition("://")[2].partition("?")[0]
    if dialect_of(shown) == SQLITE:
        name = PurePath(name).name.replace(":memory:", "") or tr("SQLite in memory")
    return name if len(name) <= 40 else f"{name[:39]}…"
