"""The window's menu, and the keyboard shortcuts of all that the window can do."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from PySide6.QtCore import QUrl
from PySide6.QtGui import QAction, QActionGroup, QDesktopServices, QKeySequence
from PySide6.QtWidgets import QMainWindow, QMenu

from poolviz.language import LANGUAGES, tr, tr_noop
from poolviz.system.folders import log_folder, make_folder
from poolviz.ui.charts.chart_menu import ChartMenu
from poolviz.ui.charts.charts_widget import ChartsWidget
from poolviz.ui.dialogs.open_file import FileOpener
from poolviz.ui.figures_panel import FiguresPanel
from poolviz.ui.help_places import Places
from poolviz.ui.holders.panel import HoldersPanel
from poolviz.ui.panel.control_panel import ControlPanel
from poolviz.ui.session.controller import Controller, State
from poolviz.ui.session.notices import Weight
from poolviz.ui.style.theme_manager import CHOICES, ThemeManager
from poolviz.ui.toolbar.export_menu import ExportMenu

_SPANS = (
    (tr_noop("1 minute"), 60.0),
    (tr_noop("5 minutes"), 300.0),
    (tr_noop("15 minutes"), 900.0),
    (tr_noop("All"), None),
)
_DROP_TIP = tr_noop("Drops the tables that the statements read and read_write use.")


class WindowMenu(QMenu):
    """What can be done with the whole window. Its shortcuts work wherever the focus is.

    Dialogs are imported when they are first opened.
    """

    def __init__(
        self,
        window: QMainWindow,
        controller: Controller,
        theme_manager: ThemeManager,
        *,
        charts: ChartsWidget,
        figures: FiguresPanel,
        holders: HoldersPanel,
        panel: ControlPanel,
        file_opener: FileOpener,
        export: ExportMenu,
        show_sessions: Callable[[bool], object],
        show_sizes: Callable[[bool], object],
        choose_language: Callable[[str], object],
        language: str,
        show_preferences: Callable[[], object],
        show_help: Callable[[str], object],
        begin_tour: Callable[[], object],
        show_presets: Callable[[], object],
    ) -> None:
        super().__init__(window)
        self._window, self._controller = window, controller
        self._show_help, self.places = show_help, Places(window)
        self._begin_tour, self._show_presets = begin_tour, show_presets
        self._show_preferences = show_preferences
        self.setToolTipsVisible(True)
        self._choose_language, self._language = choose_language, language
        self._charts, self._panel, self._themes = charts, panel, theme_manager
        self._figures, self._holders = figures, holders
        self._open, self._export, self._show_sessions = file_opener, export, show_sessions
        self._show_sizes = show_sizes
        for part in (
            *(self._add_sessions, self._add_changes, self._add_view),
            *(self._add_maintenance, self._add_help),
        ):
            if not self.isEmpty():
                self.addSeparator()
            part()
        self._add_keys()
        self.aboutToShow.connect(self._update_drop_action)

    # The parts of the menu: what is new gets a line in one of them

    def _add_sessions(self) -> None:
        """Sessions and scenarios: kept, opened, compared and run again."""
        self._add(self, tr("Open…"), "Ctrl+O", self._open.ask)
        self.sessions_action = self._add_switch(tr("Sessions"), "Ctrl+L", self._show_sessions)
        self._add(self, tr("Compare…"), "Ctrl+K", self._compare)
        self._add(self, tr("Run again with…"), "Ctrl+R", self._controller.run_again)
        self.sizes_action = self._add_switch(tr("Find the right size…"), "Ctrl+B", self._show_sizes)
        self._add(self, tr("Save as scenario…"), "Ctrl+Shift+S", self._export.save_scenario)

    def _add_changes(self) -> None:
        """What is changed in a run."""
        self._add(self, tr("Undo"), "Ctrl+Z", self._controller.undo)
        self._add(self, tr("Redo"), "Ctrl+Shift+Z", self._controller.redo)
        self.together_action = self._add_switch(
            tr("Change several at once"), "Ctrl+T", self._change_together
        )

    def _add_view(self) -> None:
        """What is shown, and how."""
        charts = self._charts
        self.charts = ChartMenu(charts, self._window)
        self.addMenu(self.charts)
        self.addMenu(self._span_menu(charts))
        self._pause = self._add_switch(tr("Pause the view"), "Ctrl+Space", charts.set_paused)
        charts.following_changed.connect(lambda on: self._pause.setChecked(not on))
        self._add(self, tr("Back to the newest moment"), "End", self._follow)
        self.panel_action = self._add_switch(tr("Side panel"), "F9", self._panel.setVisible)
        self.panel_action.setChecked(True)
        self.figures_action = self._add_switch(tr("Figures"), "F8", self._show_figures)
        self._figures.folded.connect(lambda folded: self.figures_action.setChecked(not folded))
        who = self._add_switch(tr("Who holds the connections"), "W", self._holders.choose)
        self._holders.folded.connect(lambda folded: who.setChecked(not folded))
        self._add(self, tr("Remove the run behind"), "", self._remove_ghost)
        self._add_switch(tr("Full screen"), "F11", self._set_full_screen)
        self.addMenu(self._theme_menu(self._themes))
        self.addMenu(self._language_menu())
        self._add(self, tr("Preferences…"), "Ctrl+,", self._show_preferences)

    def _add_maintenance(self) -> None:
        """What is seldom wanted."""
        self.drop_action = self._add(self, tr("Drop the poolviz tables…"), "", self._drop_tables)
        self._add(self, tr("Open log folder"), "", self.open_log_folder)

    def _add_help(self) -> None:
        """Help, and the end."""
        self.places.asked.connect(self._show_help)
        self._add(self, tr("Help"), "F1", lambda: self._show_help(self.places.topic))
        self._add(self, tr("What is this?"), "Shift+F1", self.places.point)
        self._add(self, tr("First tour"), "", self._begin_tour)
        self._add(self, tr("Presets and lessons"), "Ctrl+P", self._show_presets)
        self._add(self, tr("Keys"), "", lambda: self._show_help("keys"))
        self._add(self, tr("About poolviz"), "", lambda: self._show_help("poolviz"))
        self._add(self, tr("Quit"), "Ctrl+Q", self._window.close)

    def _add_keys(self) -> None:
        """What has a button elsewhere, and here its key alone."""
        self._add(None, tr("Start"), "F5", self._start)
        self._add(None, tr("Stop"), "Shift+F5", self._stop)
        self._add(None, tr("Mark"), "M", self._mark)

    def _compare(self) -> None:
        """Show the sessions, of which those to be compared are chosen there."""
        self._show_sessions(True)
        self._controller.notices.say(
            "compare", tr("Select two sessions or more, then press Compare."), passing=True
        )

    def _add(self, menu: QMenu | None, text: str, key: str, act: Callable[[], object]) -> QAction:
        """Add an action that calls `act`, to a menu or as a shortcut alone."""
        action = QAction(text, self._window)
        if key:
            action.setShortcut(QKeySequence(key))
        action.triggered.connect(lambda _checked=False: act())
        self._window.addAction(action)
        if menu is not None:
            menu.addAction(action)
        return action

    def _add_switch(self, text: str, key: str, turn: Callable[[bool], object]) -> QAction:
        """Add a checkable action that calls `turn` with its new state."""
        action = QAction(text, self._window)
        action.setCheckable(True)
        action.setShortcut(QKeySequence(key))

        def switch(on: bool) -> None:  # PySide calls a method of Qt's own without the argument
            turn(on)

        action.triggered.connect(switch)
        self._window.addAction(action)
        self.addAction(action)
        return action

    def _span_menu(self, charts: ChartsWidget) -> QMenu:
        menu, group = QMenu(tr("Show"), self), QActionGroup(self)
        for number, (text, seconds) in enumerate(_SPANS, start=1):
            action = self._add(menu, tr(text), f"Ctrl+{number}", partial(charts.set_span, seconds))
            action.setCheckable(True)
            group.addAction(action)

        def show_span() -> None:
            for action, (_, seconds) in zip(group.actions(), _SPANS, strict=True):
                action.setChecked(charts.span == seconds)

        menu.aboutToShow.connect(show_span)
        return menu

    def _theme_menu(self, manager: ThemeManager) -> QMenu:
        menu, group = QMenu(tr("Theme"), self), QActionGroup(self)
        for choice in CHOICES:
            text = tr("Same as the desktop") if choice == "system" else tr(choice.capitalize())
            action = self._add(menu, text, "", partial(manager.choose, choice))
            action.setCheckable(True)
            action.setChecked(choice == manager.choice)
            group.addAction(action)
        return menu

    def _change_together(self, on: bool) -> None:
        requests = self._controller.requests
        if on and self._controller.viewing is not None:
            self._do(requests.collect, tr("The values of a recorded session can't be changed."))
            self.together_action.setChecked(False)
        elif on:
            requests.collect()
        else:
            requests.cancel()

    def _language_menu(self) -> QMenu:
        """Return the languages, each in its own words, so that everyone finds theirs."""
        menu, group = QMenu(tr("Language"), self), QActionGroup(self)
        for code, name in (("system", tr("Same as the system")), *LANGUAGES.items()):
            action = self._add(menu, name, "", partial(self._choose_language, code))
            action.setCheckable(True)
            action.setChecked(code == self._language)
            group.addAction(action)
        return menu

    def _show_figures(self, on: bool) -> None:
        if on and not self._figures.available:
            self.figures_action.setChecked(False)
            sentence = tr("There are no figures yet: start a run or open a session.")
            self._controller.notices.say("figures", sentence, passing=True)
        else:
            self._figures.choose(on)

    def _remove_ghost(self) -> None:
        ghost = self._controller.ghost
        reason = "" if ghost.recorder is not None else tr("No other run is drawn behind this one.")
        self._do(ghost.remove, reason)

    def _start(self) -> None:
        busy = self._controller.busy
        self._do(self._controller.start, tr("A run goes on already.") if busy else "")

    def _stop(self) -> None:
        busy = self._controller.busy
        self._do(self._controller.stop, "" if busy else tr("No run goes on that could be stopped."))

    def _mark(self) -> None:
        running = self._controller.state is State.RUNNING
        self._do(self._controller.mark, "" if running else tr("A mark needs a run that goes on."))

    def _follow(self) -> None:
        there = self._charts.following
        self._do(self._charts.follow, tr("The newest moment is shown already.") if there else "")

    def _do(self, act: Callable[[], object], reason: str) -> None:
        """Do something, or say the `reason` why that would be without effect."""
        if reason:
            self._controller.notices.say("action", reason, passing=True)
        else:
            self._controller.notices.take_back("action")
            act()

    def _set_full_screen(self, on: bool) -> None:
        if on:
            self._window.showFullScreen()
        else:
            self._window.showNormal()

    def _update_drop_action(self) -> None:
        """Enable dropping tables, or let the tooltip say why that can't be done now."""
        from poolviz.ui.dialogs.drop_tables import why_not  # noqa: PLC0415 - for a quick start

        reason = why_not(self._controller)
        self.drop_action.setEnabled(not reason)
        self.drop_action.setToolTip(reason or tr(_DROP_TIP))

    def _drop_tables(self) -> None:
        from poolviz.ui.dialogs.drop_tables import ask_to_drop  # noqa: PLC0415 - as above

        ask_to_drop(self._controller, self._window)

    def open_log_folder(self) -> None:
        """Show the folder of log files in the desktop's file manager."""
        folder = log_folder()
        try:
            make_folder(folder)
            opened = QDesktopServices.openUrl(QUrl.fromLocalFile(str(folder)))
        except OSError as error:
            sentence = tr(
                "Can't create the log folder {folder}: {reason}.",
                folder=folder,
                reason=error.strerror,
            )
        else:
            sentence = (
                ""
                if opened
                else tr("No program opens folders here. The log is in {folder}.", folder=folder)
            )
        if sentence:
            self._controller.notices.say("log", sentence, Weight.WARN)
