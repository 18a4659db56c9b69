"""The five figures above the charts, each with a curve of the last minute."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QPointF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPen, QPolygonF
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QSizePolicy, QVBoxLayout, QWidget

from poolviz.language import in_users_notation, tr, trn
from poolviz.model.sample import Sample
from poolviz.sessions.recorder import Recorder
from poolviz.ui.elided_label import ElidedLabel
from poolviz.ui.help_places import set_topic
from poolviz.ui.style.theme import Theme, text_room
from poolviz.ui.style.units import in_milliseconds, rate, rate_unit
from poolviz.ui.unexpected import contained

HEIGHT = 74  # pixels at the usual size of texts
SPAN = 60.0  # seconds that a curve shows
_YOUNG = 15.0  # seconds that it shows at least, when the run has just started
POINTS = 90
_RECENT = 2.0  # seconds that a figure is taken over: steady, but still prompt
_NOTHING = "–"
_NAME, _UNIT = 130, 70  # pixels from which on a name and a unit are elided


class Sparkline(QWidget):
    """A small curve without axes that starts at zero."""

    def __init__(self) -> None:
        super().__init__()
        self._places: NDArray[np.float64] = np.zeros(0)  # from 0 (the start of the span) to 1 (now)
        self._values: NDArray[np.float64] = np.zeros(0)
        self._colour = QColor()
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        self.setMaximumWidth(92)

    def sizeHint(self) -> QSize:
        """Return the usual size."""
        return QSize(92, 26)

    def set_colour(self, colour: str) -> None:
        """Draw in `colour`."""
        self._colour = QColor(colour)
        self.update()

    def show_curve(self, places: NDArray[np.float64], values: NDArray[np.float64]) -> None:
        """Draw `values` at `places`, from 0 (left) to 1 (right)."""
        self._places, self._values = places, np.nan_to_num(values)
        self.update()

    @contained()
    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint the curve."""
        if len(self._values) < 2:
            return
        width, height = self.width() - 2, self.height() - 4
        top = float(self._values.max())
        xs = 1 + width * np.clip(self._places, 0, 1)
        ys = 2 + height * (1 - self._values / (top if top > 0 else 1))
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(self._colour, 1.25))
        painter.drawPolyline(QPolygonF([QPointF(x, y) for x, y in zip(xs, ys, strict=True)]))


class Tile(QFrame):
    """A label, a figure with its unit, and a curve."""

    def __init__(self, label: str, help: str, topic: str) -> None:
        super().__init__()
        self.setObjectName("tile")
        set_topic(self, topic)
        self.setToolTip(help)
        self._label, self._value, self._unit = (
            ElidedLabel(label, narrowest=_NAME),
            QLabel(_NOTHING),
            ElidedLabel(narrowest=_UNIT),
        )
        self.curve = Sparkline()
        for part, role, name in (
            (self._label, "tileLabel", tr("{figure}, name", figure=label)),
            (self._value, "tileValue", tr("{figure}, value", figure=label)),
            (self._unit, "tileUnit", tr("{figure}, unit", figure=label)),
        ):
            part.setProperty("role", role)
            part.setAccessibleName(name)
        figure = QHBoxLayout()
        figure.setSpacing(5)
        figure.addWidget(self._value, 0, Qt.AlignmentFlag.AlignBaseline)
        figure.addWidget(self._unit, 1, Qt.AlignmentFlag.AlignBaseline)
        words = QVBoxLayout()
        words.setSpacing(1)
        words.addWidget(self._label)
        words.addLayout(figure)
        words.addStretch(1)
        line = QHBoxLayout(self)
        line.setContentsMargins(14, 9, 12, 8)
        line.addLayout(words, 1)
        line.addWidget(self.curve, 0, Qt.AlignmentFlag.AlignBottom)

    def show_name(self, name: str) -> None:
        """Set the label."""
        if self._label.text() != name:
            self._label.setText(name)

    def show_figure(self, value: str, unit: str = "", level: str = "") -> None:
        """Show a figure. `level`, "warn" or "bad", colours it."""
        for label, text in ((self._value, in_users_notation(value)), (self._unit, unit)):
            if label.text() != text:
                label.setText(text)
        _set_property(self._value, "level", level)

    @property
    def name(self) -> str:
        """The label."""
        return self._label.text()

    @property
    def figure(self) -> str:
        """The figure with its unit."""
        return f"{self._value.text()} {self._unit.text()}".strip()


class Tiles(QFrame):
    """The row of tiles. Reads the recorder in `refresh`."""

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("tiles")
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        self.active = Tile(
            tr("Active"), tr("Connections in use, and how many the limits allow."), "used"
        )
        self.waiting = Tile(
            tr("Waiting"),
            tr(
                "Clients that wait for a connection. In addition, clients that pause before "
                "another "
                "attempt, or requests of an open load that are due and that no client has started."
            ),
            "pending",
        )
        self.wait = Tile(
            tr("Wait p95"),
            tr("The 95th percentile of the wait for a connection, over the last 2 s."),
            "wait_time",
        )
        self.throughput = Tile(
            tr("Throughput"),
            tr("Operations completed per second, over the last 2 s."),
            "throughput",
        )
        self.failures = Tile(
            tr("Failures"),
            tr(
                "Timeouts, which are attempts that got no connection in time, and other errors, "
                "in the "
                "last minute. Each kind stands below with its first message."
            ),
            "errors",
        )
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(1)
        for tile in self.all:
            row.addWidget(tile, 1)
        self.set_theme(theme)

    def sizeHint(self) -> QSize:
        """Return the height, which no figure changes."""
        return QSize(super().sizeHint().width(), round(HEIGHT * text_room()))

    def minimumSizeHint(self) -> QSize:
        """Return the height, which no figure changes."""
        return QSize(super().minimumSizeHint().width(), round(HEIGHT * text_room()))

    @property
    def all(self) -> tuple[Tile, ...]:
        """The tiles from left to right."""
        return self.active, self.waiting, self.wait, self.throughput, self.failures

    def set_theme(self, theme: Theme) -> None:
        """Draw in other colours."""
        colours = (theme.used, theme.wait, theme.p95, theme.throughput, theme.faint)
        for tile, colour in zip(self.all, colours, strict=True):
            tile.curve.set_colour(colour)

    def refresh(self, recorder: Recorder | None) -> None:
        """Show the newest figures of `recorder`."""
        last = recorder.last if recorder is not None else None
        if recorder is None or last is None:
            for tile in self.all:
                tile.show_figure(_NOTHING)
                tile.curve.show_curve(np.zeros(0), np.zeros(0))
            return
        recent = recorder.recent(_RECENT)
        capacity = (
            tr("no limit") if last.capacity is None else tr("of {capacity}", capacity=last.capacity)
        )
        full = last.capacity is not None and last.used.last >= last.capacity
        self.active.show_figure(f"{last.used.last}", capacity)
        self.waiting.show_figure(
            f"{last.pending.last}",
            _elsewhere(recorder, last),
            "warn" if full and last.pending.last else "",
        )
        self.wait.show_figure(*_time(recent.wait_p95))
        self.throughput.show_figure(_count(rate(recent.throughput)), rate_unit())
        self.throughput.show_name(_throughput_of(last))
        self._draw(recorder)

    def _draw(self, recorder: Recorder) -> None:
        """Draw the curves of the last minute, and show what failed in it."""
        end = recorder.duration
        view = recorder.view(max(end - SPAN, 0.0), end, POINTS)
        levels, lines = view.levels, view.lines
        places = (view.t - end) / min(max(end, _YOUNG), SPAN) + 1
        for tile, values in zip(
            self.all,
            (
                levels["used"].mean,
                levels["pending"].mean + levels["retrying"].mean + levels["backlog"].mean,
                lines["wait_p95"],
                lines["throughput"],
                lines["timeouts"] + lines["errors"],
            ),
            strict=True,
        ):
            tile.curve.show_curve(places, values)
        spans = np.diff(view.t, prepend=0.0 if end <= SPAN else view.t[:1])
        timeouts, errors = (round(float(lines[of] @ spans)) for of in ("timeouts", "errors"))
        failed = timeouts + errors
        self.failures.show_figure(
            _count(failed), _kinds_of_failures(timeouts, errors), "bad" if failed else ""
        )


def _kinds_of_failures(timeouts: int, errors: int) -> str:
    """Return what failures are, as text."""
    if timeouts and errors:
        return trn("with {n:,} timeout", "with {n:,} timeouts", timeouts)
    return tr("timeouts") if timeouts else tr("errors") if errors else ""


def _elsewhere(recorder: Recorder, last: Sample) -> str:
    """Return as text the requests that no client has started, the clients that retry, or those that
    wait in a pooler in between: the first of these that there are."""
    if last.backlog.last:
        return tr("+ {count} not started", count=_count(last.backlog.last))
    if last.retrying.last:
        return tr("+ {last} retrying", last=last.retrying.last)
    waiting = recorder.pooler.cl_waiting if recorder.pooler is not None else 0
    return tr("+ {count} in the pooler", count=_count(waiting)) if waiting else ""


def _throughput_of(last: Sample) -> str:
    """Return the number of clients as text if the load's shape varies it."""
    varies = last.load.get("arrivals") == "closed" and last.load.get("shape") != "constant"
    return (
        tr("Throughput of {clients:,} clients", clients=last.clients)
        if varies
        else tr("Throughput")
    )


def _set_property(label: QLabel, name: str, value: str) -> None:
    """Set a property that the style sheet uses, if it changes."""
    if (label.property(name) or "") != value:
        label.setProperty(name, value)
        label.style().unpolish(label)
        label.style().polish(label)


def _time(seconds: float) -> tuple[str, str]:
    """Return a wait and its unit, milliseconds or seconds, with few digits to be steady."""
    if math.isnan(seconds):
        return _NOTHING, "ms" if in_milliseconds(0.0) else "s"
    if not in_milliseconds(seconds):
        return f"{seconds:.{3 if seconds < 1 else 2 if seconds < 10 else 1}f}", "s"
    milliseconds = seconds * 1000
    digits = 2 if milliseconds < 0.1 else 1 if milliseconds < 10 else 0
    return f"{milliseconds:,.{digits}f}", "ms"


def _count(value: float) -> str:
    """Return a count with thousands separators, in thousands from a hundred thousand on."""
    return f"{value:,.0f}" if value < 100_000 else f"{value / 1000:,.0f} k"
