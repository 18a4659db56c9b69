"""The status bar: duration, visible part, and whether the figures can be trusted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PySide6.QtCore import QSize, Qt, QTimer
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QWidget,
)

from poolviz.language import current_language, number, tr, tr_noop
from poolviz.model.load_generator import limits_crossed
from poolviz.sessions.recorder import Recorder
from poolviz.ui.charts.axes import clock
from poolviz.ui.charts.charts_widget import ChartsWidget
from poolviz.ui.elided_label import ElidedLabel
from poolviz.ui.help_places import set_topic
from poolviz.ui.session.overload import Overload
from poolviz.ui.style.theme import text_room

HEIGHT = 27  # pixels at the usual size of texts, with the line above it
_LASTING = 2.0  # seconds of samples that a difference must last to be reported
_SLOW = 15.0  # samples per second below which the sampler is late
_NOMINAL = 20.0
_MESSAGE = 10_000  # milliseconds
_EDGE, _GAP = 12, 14  # pixels
_FINE = 20.0  # seconds: of a shorter visible part tenths are shown

_CPU_TIP = tr_noop(
    "CPU used by the engine: clients, pool and meter. Near a whole core the figures may show its "
    "limit rather than the pool's."
)
_AGREEMENT_TIP = tr_noop(
    "Whether poolviz, the pool itself and the server count the same open connections."
)


class Agreement:
    """Whether the meter, the pool and the server report the same number of open connections.

    They are read at slightly different times while connections open and close, so that only a
    difference that lasts counts.
    """

    def __init__(self) -> None:
        self._counts_agreed = 0.0  # when, in seconds since the run's start

    def judge(self, recorder: Recorder) -> tuple[str, str]:
        """Return what to show, and the role of the label that shows it."""
        last = recorder.last
        if last is None:
            return "", ""
        now = last.t
        reported_counts = last.reported_counts.open
        if (
            reported_counts is None
            or reported_counts == last.open.last
            or self._counts_agreed > now
        ):
            self._counts_agreed = now
        if now - self._counts_agreed > _LASTING:
            return tr(
                "differ: poolviz {last}, pool {reported_counts}",
                last=last.open.last,
                reported_counts=reported_counts,
            ), "bad"
        view = recorder.view(max(now - _LASTING, 0.0), now, 100)
        seen = view.lines["server_total"]
        if not len(seen) or np.isnan(seen[-1]):
            return (
                (tr("pool agrees, {unseen}", unseen=_unseen(recorder)), "")
                if reported_counts is not None
                else ("", "")
            )
        lowest, highest = view.levels["open"].low.min(), view.levels["open"].high.max()
        if recorder.pooler is not None:
            return tr("a pooler stands before the server"), ""
        known = seen[~np.isnan(seen)]
        covered = now > _LASTING and len(known) == len(seen)
        if covered and not ((known >= lowest) & (known <= highest)).any():
            return tr(
                "differ: pool {last}, server {known:.0f}", last=last.open.last, known=known[-1]
            ), "bad"
        return tr("✓ pool and server agree"), "good"


class StatusBar(QFrame):
    """Reads the recorder and the charts in `refresh`."""

    def __init__(self, charts: ChartsWidget, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("statusbar")
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        self._charts = charts
        self._agreement, self._overload = Agreement(), Overload()
        self._since: tuple[float, int] | None = None  # time and index of an earlier sample
        self._rate = _NOMINAL
        self._cpu = 0.0
        self._seen_index = -1
        self.elapsed, self.span, self.rate = QLabel(), QLabel(), QLabel()
        self.agreement, self.cpu, self.message = QLabel(), ElidedLabel(), ElidedLabel()
        self.pill = QPushButton()
        self.pill.setProperty("role", "pill")
        self.pill.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.pill.setCursor(Qt.CursorShape.PointingHandCursor)
        self.pill.clicked.connect(charts.follow)
        self.agreement.setToolTip(tr(_AGREEMENT_TIP))
        set_topic(self.cpu, "load_generator")
        set_topic(self.agreement, "server_backends")
        self.rate.setToolTip(tr("Samples received per second."))
        self.message.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self._quiet = QTimer(self)
        self._quiet.setSingleShot(True)
        self._quiet.setInterval(_MESSAGE)
        self._quiet.timeout.connect(self.message.clear)
        self._row = row = QHBoxLayout(self)
        row.setContentsMargins(_EDGE, 1, _EDGE, 0)
        row.setSpacing(_GAP)
        for widget in (self.elapsed, self.pill, self.span, self.rate):
            row.addWidget(widget)
        row.addWidget(self.message, 1)
        self.language = QLabel(current_language())
        self.language.setToolTip(tr("The language of this window. The menu has the others."))
        for widget in (self.agreement, self.cpu, self.language):
            row.addWidget(widget)

    def sizeHint(self) -> QSize:
        """Return the height, which nothing shown changes."""
        return QSize(super().sizeHint().width(), round(HEIGHT * text_room()))

    def minimumSizeHint(self) -> QSize:
        """Return the height, which nothing shown changes."""
        return QSize(super().minimumSizeHint().width(), round(HEIGHT * text_room()))

    def add(self, widget: QWidget) -> None:
        """Give a part of the window a place beside the message. It may be hidden."""
        self._row.insertWidget(self._row.indexOf(self.message) + 1, widget)

    def say(self, words: str) -> None:
        """Show for some seconds what was done."""
        self.message.setText(words)
        self.message.setToolTip(words)
        self._quiet.start()

    def reset(self) -> None:
        """Forget what was measured of the last session."""
        self._agreement, self._overload = Agreement(), Overload()
        self._since, self._rate, self._cpu, self._seen_index = None, _NOMINAL, 0.0, -1

    def refresh(self, recorder: Recorder | None, *, live: bool, viewing: Path | None) -> None:
        """Show the present state. `viewing` is the file of a session that is shown."""
        last = recorder.last if recorder is not None else None
        running = last is not None and live
        wanted: dict[QWidget, bool] = {self.pill: last is not None, self.span: last is not None}
        wanted |= dict.fromkeys((self.rate, self.agreement, self.cpu), running)
        for widget in self._left_out([each for each, shown in wanted.items() if shown]):
            wanted[widget] = False
        for widget, shown in wanted.items():
            widget.setVisible(shown)
        _show(self.elapsed, _clock(last.t if last is not None else 0.0))
        if recorder is None or last is None:
            return
        self._show_view(live, viewing)
        if last.index != self._seen_index:
            self._seen_index = last.index
            self._cpu += (0.15 if self._cpu else 1.0) * (last.cpu - self._cpu)
            self._measure_rate(last.t, last.index)
        late = live and self._rate < _SLOW
        _show(self.rate, tr("{rate:.0f} samples/s", rate=self._rate), "warn" if late else "")
        overloaded = self._overload.see(last) if live else None
        if overloaded is not None:
            crossed = limits_crossed(overloaded.cpu, overloaded.lag)
            _show(self.cpu, tr("load generator at its limit: {crossed}", crossed=crossed), "warn")
        else:
            _show(self.cpu, tr("load generator {percent:.0f} % of a core", percent=self._cpu * 100))
        self.cpu.setToolTip(f"{self.cpu.text()}\n{tr(_CPU_TIP)}")  # it may be cut short
        _show(self.agreement, *self._agreement.judge(recorder))
        self.agreement.setToolTip(" ".join(filter(None, (tr(_AGREEMENT_TIP), _others(recorder)))))

    def _left_out(self, wanted: list[QWidget]) -> list[QWidget]:
        """Return what has no room in a narrow window: the rate first, unless it is too low, then
        the visible part."""
        parts = [*wanted, self.elapsed, self.language]
        room = self.width() - 2 * _EDGE - sum(part.sizeHint().width() + _GAP for part in parts)
        missing: list[QWidget] = []
        for part in (self.rate, self.span):
            if room < 0 and part in wanted and part.property("role") != "warn":
                missing.append(part)
                room += part.sizeHint().width() + _GAP
        return missing

    def _measure_rate(self, t: float, index: int) -> None:
        if self._since is None or t < self._since[0]:
            self._since = (t, index)
        elif t - self._since[0] >= _LASTING:
            self._rate = (index - self._since[1]) / (t - self._since[0])
            self._since = (t, index)

    def _show_view(self, live: bool, viewing: Path | None) -> None:
        charts = self._charts
        if viewing is not None:
            words, hint = tr("● recorded"), str(viewing)
        elif not live:
            words, hint = tr("● ended"), tr("The run has ended. Its session is kept.")
        elif charts.following:
            words, hint = tr("● following"), tr("The newest samples are visible.")
        else:
            words, hint = (
                tr("live ▸ {behind:.0f} s behind", behind=charts.behind),
                tr("Go to the newest samples (End)"),
            )
        if self.pill.text() != words:
            self.pill.setText(words)
        self.pill.setToolTip(hint)
        _show(self.span, _visible(charts))


def _others(recorder: Recorder) -> str:
    """Return what the server's newest view says of other programs' connections, as a sentence."""
    view = recorder.server
    if view is None or view.others is None:
        return ""
    return tr(
        "Other programs hold {others:,}, and {free:,} more can be opened.",
        others=view.others,
        free=view.free,
    )


def _unseen(recorder: Recorder) -> str:
    """Return why there is no count of the server, in a few words."""
    version = recorder.began.environment.get("server version", "") if recorder.began else ""
    return (
        tr("SQLite has no server") if version.startswith("SQLite") else tr("no view of the server")
    )


def _show(label: QLabel, text: str, role: str = "") -> None:
    if label.text() != text:
        label.setText(text)
    if (label.property("role") or "") != role:
        label.setProperty("role", role)
        label.style().unpolish(label)
        label.style().polish(label)


def _clock(seconds: float) -> str:
    whole = int(seconds)
    return f"{whole // 3600:02}:{whole // 60 % 60:02}:{whole % 60:02}"


def _visible(charts: ChartsWidget) -> str:
    """Return which part of the session is visible."""
    frame = charts.frame
    if charts.shows_all:
        return tr("the whole session")
    if not charts.following:
        step = 0.1 if frame.span < _FINE else 1.0
        start = clock(max(frame.start, 0.0), step)
        return tr(
            "{start} to {end}, {length}",
            start=start,
            end=clock(frame.end, step),
            length=_lasting(frame.span),
        )
    return tr("last {length}", length=_lasting(frame.span))


def _lasting(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    if minutes >= 2 and not rest:
        return f"{minutes} min"
    return f"{number(seconds, '.3g' if seconds < 100 else '.0f')} s"
