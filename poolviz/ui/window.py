"""The window: its parts, and the timer that refreshes them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QByteArray, QSettings, QSize, Qt, QTimer, Signal
from PySide6.QtGui import (
    QCloseEvent,
    QContextMenuEvent,
    QDragEnterEvent,
    QDropEvent,
    QKeyEvent,
    QResizeEvent,
)
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QMainWindow,
    QMenu,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from poolviz.language import in_users_language, tr
from poolviz.model.parameters import Value
from poolviz.model.preset_titles import title_in_words
from poolviz.model.scenario import Scenario
from poolviz.sessions.recorder import Recorder
from poolviz.ui.banner import Banner
from poolviz.ui.bars import Bars
from poolviz.ui.dialogs.open_file import SCENARIO, SESSION, FileOpener
from poolviz.ui.help_places import topic_of
from poolviz.ui.language import SETTING
from poolviz.ui.learning import Learning
from poolviz.ui.pages import RUN, Pages
from poolviz.ui.panel.control_panel import ControlPanel
from poolviz.ui.refresher import Refresher
from poolviz.ui.run_page import RunPage
from poolviz.ui.session.controller import Controller, State
from poolviz.ui.session.notices import Notice, Weight
from poolviz.ui.session.server_memory import ServerMemory
from poolviz.ui.session_pages import LIST, SessionPages
from poolviz.ui.size_pages import SIZES, SizePages
from poolviz.ui.statusbar import StatusBar
from poolviz.ui.style.theme import Theme, text_room
from poolviz.ui.style.theme_manager import ThemeManager
from poolviz.ui.tiles import Tiles
from poolviz.ui.toolbar.export_menu import ExportMenu
from poolviz.ui.toolbar.preset_menu import PresetMenu
from poolviz.ui.toolbar.toolbar import Toolbar
from poolviz.ui.tour.steps import ACTIVE, EXPORT, POOL, START
from poolviz.ui.unexpected import contained
from poolviz.ui.window_dialogs import WindowDialogs
from poolviz.ui.window_menu import WindowMenu

_SMALLEST = QSize(900, 560)
_GEOMETRY = "window/geometry"
_WATCH = "watch"  # the topic of what to watch in a scenario


class Window(QMainWindow):
    """Shows a controller, and closes it when it is closed."""

    language_chosen = Signal(str)  # the code of a language, or "system"

    def __init__(
        self, controller: Controller, theme_manager: ThemeManager, settings: QSettings
    ) -> None:
        super().__init__()
        self.controller, self.theme_manager = controller, theme_manager
        self._settings, theme = settings, theme_manager.theme
        self._servers = ServerMemory(
            settings,
            controller.inbox,
            lambda sentence: controller.notices.say("keyring", sentence, Weight.WARN),
            controller.logins,
        )
        self._closed = False
        self.run_page = RunPage(controller, theme, settings)
        self.charts, self.cards = self.run_page.charts, self.run_page.cards
        self.errors, self.members = self.run_page.errors, self.run_page.members
        self.holders, self.figures = self.run_page.holders, self.run_page.figures
        self.tiles = Tiles(theme)
        self.banner = Banner()
        self.panel = ControlPanel(theme, settings)
        self.status = StatusBar(self.charts)
        self.export = ExportMenu(controller, settings, self, self.charts)
        self.file_opener = FileOpener(controller, self)
        self.presets = PresetMenu(controller.notices, self)
        self.pages = Pages(self.run_page)
        self.sessions = SessionPages(self.pages, controller, theme_manager)
        self.sizing = SizePages(self.pages, controller, theme_manager, self.charts)
        self.refresher = Refresher(controller, self.charts, self)
        self.dialogs = WindowDialogs(self, controller, theme_manager.preferences, self._servers)
        self.dialogs.mistaken.connect(self._complain)
        self.dialogs.limits_changed.connect(self.sessions.refresh)
        self.learning = Learning(
            *(controller, settings, theme_manager),
            pages=self.pages,
            file_opener=self.file_opener,
            target=self._tour_target,
            window=self,
        )
        self.menu = WindowMenu(
            self,
            controller,
            theme_manager,
            charts=self.charts,
            figures=self.figures,
            holders=self.holders,
            panel=self.panel,
            file_opener=self.file_opener,
            export=self.export,
            show_sessions=self.sessions.show_list,
            show_sizes=self.sizing.show,
            show_preferences=self.dialogs.show_preferences,
            show_help=self.show_help,
            choose_language=self.language_chosen.emit,
            language=str(settings.value(SETTING, "system")),
            begin_tour=self.learning.begin_tour,
            show_presets=self.learning.show_presets,
        )
        self.charts.set_menu(self.menu.charts)
        self.toolbar = Toolbar(
            controller, theme, presets=self.presets, export=self.export, menu=self.menu
        )
        self.setAcceptDrops(True)
        self._lay_out()
        self._connect()
        self.panel.set_pool(controller.pool, controller.arguments)
        self._show_values()
        self.charts.setFocus()
        self.refresher.hurry()

    # Construction

    def _lay_out(self) -> None:
        body = QHBoxLayout()
        body.setSpacing(0)
        body.addWidget(self.panel)
        # Notices that appear must not move a slider away from the pointer.
        beside = QVBoxLayout()
        beside.setSpacing(0)
        beside.addWidget(Bars(self.learning.tour_bar, self.learning.lesson_bar, self.banner))
        beside.addWidget(self.pages, 1)
        body.addLayout(beside, 1)
        middle = QWidget()
        column = QVBoxLayout(middle)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        for part in (self.toolbar, self.tiles):
            column.addWidget(part)
        column.addLayout(body, 1)
        self.status.add(self.export.strip)
        column.addWidget(self.status)
        self.setCentralWidget(middle)
        self.setMinimumSize(_SMALLEST)
        self.resize(1280, 800)
        geometry = self._settings.value(_GEOMETRY)
        if isinstance(geometry, QByteArray):  # the file may say anything
            self.restoreGeometry(geometry)

    def _connect(self) -> None:
        controller = self.controller
        self.refresher.add(
            *(self._show_members, self.tiles.refresh, self.errors.refresh, self._show_status),
            lambda _recorder: self._show_values(),
            lambda _recorder: controller.evaluation.update(),
            *(self.learning.judge, self.holders.refresh),
            lambda _recorder: self.cards.place(),
        )
        self.pages.turned.connect(self._show_page)
        self.sessions.wrote.connect(self.status.say)
        controller.changed.connect(self._show_state)
        controller.shown.changed.connect(self._show_session)
        controller.shown.member_changed.connect(self._show_member)
        self.members.chosen.connect(controller.shown.choose)
        controller.ghost.changed.connect(self._show_ghost)
        controller.evaluation.changed.connect(self._show_result)
        self.figures.dismiss.clicked.connect(controller.ghost.remove)
        controller.values_changed.connect(self._show_values)
        controller.server_wanted.connect(self.ask_for_server)
        controller.tables_wanted.connect(self.dialogs.ask_for_tables)
        controller.planned.connect(self._show_what_to_watch)
        controller.notices.said.connect(self.banner.say)
        controller.notices.withdrawn.connect(self.banner.take_back)
        self.panel.committed.connect(self._change)
        self.panel.collected.apply.clicked.connect(controller.requests.apply)
        self.panel.collected.cancel.clicked.connect(controller.requests.cancel)
        self.panel.injected.connect(controller.inject)
        self.panel.mistaken.connect(self._complain)
        self.panel.explained.connect(self.show_help)
        self.toolbar.own_server_wanted.connect(self.ask_for_server)
        self.presets.chosen.connect(self.learning.run_preset)
        self.presets.page_wanted.connect(self.learning.show_presets)
        self.presets.file_wanted.connect(self.file_opener.ask)
        self.export.wrote.connect(self.status.say)
        self.export.wrote.connect(lambda _words: self.learning.tour.note_kept())
        self.export.failed.connect(self.banner.say)
        self.theme_manager.changed.connect(self._set_theme)
        preferences = self.theme_manager.preferences
        preferences.changed.connect(self._follow_preferences)
        self._follow_preferences()
        if preferences.problem:
            controller.notices.say("settings", preferences.problem, Weight.WARN)

    # Actions

    def ask_for_server(self) -> None:
        """Open the dialog in which the user names a server."""
        self.dialogs.ask_for_server()

    def show_help(self, topic: str = "") -> None:
        """Show a topic of the help, beside the window."""
        self.dialogs.show_help(topic)

    def _follow_preferences(self, _key: str = "") -> None:
        self.refresher.set_most_frames(self.theme_manager.preferences.most_frames)

    def _show_page(self, name: str) -> None:
        """Note that another page is shown."""
        self.menu.sessions_action.setChecked(name == LIST)
        self.menu.sizes_action.setChecked(name == SIZES)
        self._make_room()
        if name == LIST:
            self.learning.tour.note_kept()
        if name == RUN:
            self.refresher.draw_again()
            self.charts.setFocus()

    def fit(self, room: QSize) -> None:
        """Be no larger than `room`, that of a screen. What doesn't fit into it is scrolled."""
        whole = self.takeCentralWidget() if _SMALLEST.boundedTo(room) != _SMALLEST else None
        if whole is not None:
            whole.setMinimumSize(_SMALLEST)
            area = QScrollArea()
            area.setWidgetResizable(True)
            area.setFrameShape(QFrame.Shape.NoFrame)
            area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
            area.setAccessibleName(self.windowTitle() or "poolviz")
            area.setWidget(whole)
            self.setCentralWidget(area)
            self.charts.setFocus()
            self.setMinimumSize(_SMALLEST.boundedTo(room))
        self.resize(self.size().boundedTo(room))

    def _make_room(self) -> None:
        """Leave the room of side panel and tiles to a page that large texts need it for."""
        roomy = self.pages.name == RUN or self.width() >= _SMALLEST.width() * text_room()
        self.tiles.setVisible(roomy)
        self.panel.setVisible(roomy and self.menu.panel_action.isChecked())

    @contained()
    def resizeEvent(self, event: QResizeEvent) -> None:
        """Give a page its room."""
        super().resizeEvent(event)
        self._make_room()

    def _change(self, changes: dict[str, Value]) -> None:
        self.controller.change_settings(changes)

    def _show_what_to_watch(self, scenario: Scenario) -> None:
        """Show a scenario's title and what to watch, until that is dismissed."""
        watch = in_users_language(scenario.watch)
        if self.learning.lesson.on:  # which says what it is about
            self.banner.take_back(_WATCH)
        elif scenario.title or watch:
            self.banner.say(
                Notice(
                    _WATCH,
                    watch or tr("It runs as it is written."),
                    heading=title_in_words(scenario.title),
                )
            )
        else:
            self.banner.take_back(_WATCH)

    def _tour_target(self, name: str) -> QWidget | None:
        """Return what a step of the tour is done with; None where there is none now."""
        toolbar = self.toolbar
        others: dict[str, QWidget] = {
            START: toolbar.run_button,
            POOL: toolbar.pool_button,
            EXPORT: toolbar.export_button,
            ACTIVE: self.tiles.active,
        }
        return others.get(name) or (self.panel.reveal(name) if name else None)

    def _complain(self, sentence: str) -> None:
        self.banner.say(Notice("value", sentence, Weight.WARN, passing=True))

    # Display

    def _set_theme(self, theme: Theme) -> None:
        pages = (self.pages, self.learning.highlight)
        for part in (self.tiles, self.panel, self.toolbar, *pages):
            with contained():
                part.set_theme(theme)
        self._make_room()
        self.refresher.draw_again()

    def _show_state(self) -> None:
        controller = self.controller
        shown = self.panel.pool, self.panel.arguments
        if controller.pool is not shown[0] or controller.arguments != shown[1]:
            self.panel.set_pool(controller.pool, controller.arguments)
        name = controller.viewing.name if controller.viewing is not None else ""
        locked = ""
        if controller.sizes.busy:
            locked = tr("Sizes are measured: cancel that to change values.")
        elif name:
            locked = tr(
                "These are the values of {name}: Start begins a new run with them.", name=name
            )
        self.panel.lock(locked)
        if controller.target is not None and not controller.target.embedded:
            self._servers.note_reached(controller.target)
        self.setWindowTitle(f"{name or controller.pool.title} – poolviz")
        self._show_values()
        self._show_result()
        self.refresher.draw_again()
        if controller.viewing is not None:
            self.banner.take_back(_WATCH)
        self.learning.offer_tour()
        if controller.state is State.CONNECTING or controller.busy:
            self.refresher.hurry()

    def _show_session(self) -> None:
        shown = self.controller.shown
        self.charts.set_recorder(shown.recorder, live=self.controller.viewing is None)
        if shown.recorder is not None and not self.sizing.holds:
            self.pages.turn_to(RUN)
        self._show_other_figures()

    def _show_member(self) -> None:
        self.charts.change_recorder(self.controller.shown.recorder)
        self._show_other_figures()

    def _show_other_figures(self) -> None:
        shown = self.controller.shown
        self.members.show_members(shown.members, shown.member)
        self.status.reset()
        self.refresher.draw_again()

    def _show_members(self, _recorder: Recorder | None) -> None:
        shown = self.controller.shown
        self.members.show_members(shown.members, shown.member)

    def _show_status(self, recorder: Recorder | None) -> None:
        controller = self.controller
        self.status.refresh(recorder, live=controller.busy, viewing=controller.viewing)

    def _show_ghost(self) -> None:
        self.charts.set_ghost(self.controller.ghost.recorder)

    def _show_result(self) -> None:
        controller = self.controller
        self.figures.show_result(controller.evaluation.result, live=controller.busy)

    def _show_values(self) -> None:
        controller = self.controller
        in_force = controller.in_force
        self.panel.show_values(controller.values, in_force.values, in_force.draining)
        collecting, count = controller.requests.collecting, controller.requests.collected
        self.panel.collected.show_collected(count, collecting=collecting)
        self.menu.together_action.setChecked(collecting)
        self.panel.show_faults(
            controller.active_faults.standing, controller.active_faults.reasons(controller.values)
        )

    @contained()
    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Escape, where nothing else takes it, goes back in the charts, and then removes the run
        that is drawn behind."""
        ghost, escape = self.controller.ghost, event.key() == Qt.Key.Key_Escape
        if escape and (self.cards.close_card() or self.charts.step_back()):
            return
        if escape and ghost.recorder is not None:
            ghost.remove()
        else:
            super().keyPressEvent(event)

    @contained()
    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        """Offer the help on what has no menu of its own: charts and figures."""
        by_key = event.reason() is QContextMenuEvent.Reason.Keyboard
        under = self.focusWidget() if by_key else self.childAt(event.pos())
        topic = topic_of(under, None if by_key else event.globalPos())
        if topic:
            menu = QMenu(self)
            menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
            menu.addAction(tr("What is this?"), lambda: self.show_help(topic))
            menu.popup(event.globalPos())
            event.accept()

    @contained()
    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        """Accept a file that is a scenario or a session."""
        if _dropped(event) is not None:
            event.acceptProposedAction()

    @contained()
    def dropEvent(self, event: QDropEvent) -> None:
        """Open the file that is dropped."""
        path = _dropped(event)
        if path is not None:
            event.acceptProposedAction()
            self.file_opener.open(path)

    def show_present(self) -> None:
        """Show what the controller shows already: another window did before this one."""
        self._show_session()
        self._show_member()
        self._show_ghost()
        self._show_state()
        self.controller.notices.say_again()

    def retire(self) -> None:
        """Close this window and leave the controller to another one."""
        self._closed = True
        self._finish()
        self.deleteLater()

    @contained()
    def closeEvent(self, event: QCloseEvent) -> None:
        """End the run, the server and the workers, and store the settings. What fails in one
        step doesn't keep the others from being taken."""
        event.accept()
        if self._closed:
            return
        self._closed = True
        self._finish(self.controller.close)

    def _finish(self, *last: Callable[[], object]) -> None:
        """End what this window has going on, whatever fails of it."""
        steps = (
            *(self.menu.places.stop, self._store_geometry, self.dialogs.close, self.hide),
            *(self._servers.close, self.refresher.close, self.pages.close_workers, *last),
        )
        for step in steps:
            with contained():
                step()
        for timer in self.findChildren(QTimer):
            timer.stop()

    def _store_geometry(self) -> None:
        self._settings.setValue(_GEOMETRY, self.saveGeometry())
        self.run_page.store_division()
        self._settings.sync()


def _dropped(event: QDropEvent) -> Path | None:
    """Return the first dropped file that is a scenario or a session."""
    files = [Path(url.toLocalFile()) for url in event.mimeData().urls() if url.isLocalFile()]
    known = [file for file in files if file.suffix.lower() in (SCENARIO, SESSION)]
    return known[0] if known else None
