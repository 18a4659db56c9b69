"""A session as one image: its title, the charts, and the settings and versions of the run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import pyqtgraph as pg
from PySide6.QtCore import QPointF, QRectF, QSizeF, Qt
from PySide6.QtGui import QColor, QFont, QFontMetricsF, QImage, QPaintDevice, QPainter

from poolviz.language import tr
from poolviz.load.settings import SETTINGS
from poolviz.model.errors import InputError
from poolviz.model.messages import RunStarted
from poolviz.model.parameters import Parameter, Parameters, Value
from poolviz.model.preset_titles import title_in_words
from poolviz.model.sample import Mark
from poolviz.model.server_name import server_in_words
from poolviz.model.text import on_one_line
from poolviz.pools.base import Pool
from poolviz.pools.registry import pool_class
from poolviz.sessions.derived import title_of_part
from poolviz.sessions.export.exporter import USUAL
from poolviz.sessions.export.manifest import WAIT_FROM, Manifest, manifest
from poolviz.sessions.recorder import Recorder
from poolviz.sessions.to_scenario import to_draft
from poolviz.ui.charts.axes import Frame, clock, lasting
from poolviz.ui.charts.chart_scene import ChartScene
from poolviz.ui.style.theme import Theme, ui_font
from poolviz.ui.unexpected import collected

WIDTH, CHARTS = 1280.0, 800.0  # pixels at scale 1: width of the image, height of all charts
_LOWEST = 360.0  # of fewer charts
SCALE = 2  # pixels of the image for each of these
_EDGE, _HEADER, _LINE = 16.0, 66.0, 17.0
_LABEL = 76.0  # the width of the footer's first column
_LONGEST = 300  # characters of one fact; a session may come from anywhere
_MOST_LINES = 24  # of the footer
_SERVER_FACTS = ("server", "server version", "max_connections")


class SessionImage:
    """Paints a session, or part of it. Used by the GUI thread alone."""

    def __init__(
        self,
        recorder: Recorder,
        theme: Theme,
        scale: float = SCALE,
        charts: Sequence[str] = USUAL,
    ) -> None:
        self._recorder = recorder
        self._theme = theme
        self._manifest = manifest(recorder) if recorder.began else None
        self._pool = _known(recorder.began.scenario.pool) if recorder.began else None
        self._chart_scene = ChartScene(theme, charts, complete=True)
        self._chart_scene.set_pixel_ratio(scale)
        self._height = max(round(CHARTS * self._chart_scene.share), _LOWEST)
        self._chart_scene.place(WIDTH - 2 * _EDGE, self._height)
        self._scene = pg.GraphicsScene()
        self._scene.addItem(self._chart_scene)
        self._small = ui_font(11)
        self._footer: list[tuple[str, str]] = []

    @property
    def title(self) -> str:
        """The scenario's title, if it has one, the pool's, and which part of a session this is; ""
        without a run.

        A pool that isn't installed here has its id for a title.
        """
        if self._recorder.began is None:
            return ""
        scenario = self._recorder.began.scenario
        pool = self._pool.title if self._pool is not None else scenario.pool
        part = title_of_part(self._recorder)
        return " · ".join(filter(None, (title_in_words(scenario.title), pool, part)))

    def paint(self, start: float, end: float) -> QImage:
        """Return an image of the session between `start` and `end`, in seconds. Raises what a
        part that can't be drawn raises, rather than leaving it out."""
        with collected():
            size = self.show(start, end)
            pixels = size * SCALE
            image = QImage(pixels.toSize(), QImage.Format.Format_RGB32)
            image.setDevicePixelRatio(SCALE)
            self._render(image)
        return image

    def show(self, start: float, end: float) -> QSizeF:
        """Lay out the session between `start` and `end`, in seconds; return the size in pixels."""
        self._chart_scene.show_frame(self._recorder, Frame(start, end, live=False))
        self._footer = self._wrapped(self.paragraphs)
        return QSizeF(WIDTH, _HEADER + self._height + 12 + len(self._footer) * _LINE + _EDGE)

    def render(self, device: QPaintDevice) -> None:
        """Paint what `show` has laid out on a device of that size. Raises what a part that can't be
        drawn raises."""
        with collected():
            self._render(device)

    def _render(self, device: QPaintDevice) -> None:
        painter = QPainter(device)
        try:
            height = _HEADER + self._height + 12 + len(self._footer) * _LINE + _EDGE
            painter.fillRect(QRectF(0, 0, WIDTH, height), QColor(self._theme.bg))
            painter.setRenderHint(QPainter.RenderHint.TextAntialiasing)
            self._paint_header(painter)
            place = QRectF(_EDGE, _HEADER, WIDTH - 2 * _EDGE, self._height)
            self._scene.render(painter, place, self._chart_scene.size)
            self._paint_footer(painter, self._footer, _HEADER + self._height + 12)
        finally:
            painter.end()

    def _paint_header(self, painter: QPainter) -> None:
        theme, began = self._theme, self._recorder.began
        right = QRectF(_EDGE, 16, WIDTH - 2 * _EDGE, 20)
        painter.setPen(QColor(theme.faint))
        painter.setFont(ui_font(13, QFont.Weight.DemiBold))
        painter.drawText(right, Qt.AlignmentFlag.AlignRight, "poolviz")
        if began is None or self._manifest is None:
            return
        painter.setPen(QColor(theme.text))
        painter.setFont(ui_font(18, QFont.Weight.DemiBold))
        metrics = QFontMetricsF(painter.font())
        title = metrics.elidedText(
            _shown(self.title), Qt.TextElideMode.ElideRight, WIDTH - 2 * _EDGE - 90
        )
        painter.drawText(QPointF(_EDGE + 2, 32), title)
        summary = self._recorder.summary()
        moment = datetime.fromtimestamp(began.started, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
        words = [
            *_server(began.environment),
            moment,
            lasting(self._manifest.duration_s),
            tr("{operations:,} operations", operations=summary.operations),
        ]
        painter.setPen(QColor(theme.muted))
        painter.setFont(ui_font(12))
        painter.drawText(QPointF(_EDGE + 2, 52), " · ".join(map(_shown, words)))

    @property
    def paragraphs(self) -> list[list[str]]:
        """Return the paragraphs of the footer: a label and its facts."""
        began, manifest = self._recorder.began, self._manifest
        if began is None or manifest is None:
            return []
        scenario, pool = began.scenario, self._pool
        versions = [
            f"{name} {fact}"
            for name, fact in began.environment.items()
            if name not in (*_SERVER_FACTS, "pool class")
        ]
        return [
            [tr("Began with"), *_settings(scenario.limits, pool.limits if pool else None)],
            [
                tr("Load"),
                *_settings(_in_play(began), SETTINGS),
                tr("seed {seed}", seed=scenario.seed),
            ],
            *([[tr("Replays"), scenario.replays]] if scenario.replays else []),
            [tr("Measured"), *_measured(manifest)],
            [tr("With"), *versions],
            *([[tr("Marks"), *_marks(self._recorder.marks)]] if self._recorder.marks else []),
        ]

    def _wrapped(self, paragraphs: list[list[str]]) -> list[tuple[str, str]]:
        """Return lines of (label, facts) that fit the image, broken between two facts."""
        metrics = QFontMetricsF(self._small)
        room = WIDTH - 2 * _EDGE - _LABEL - 4
        lines: list[tuple[str, str]] = []
        for heading, *facts in paragraphs:
            what, line = heading, ""
            for fact in map(_shown, facts):
                if len(lines) == _MOST_LINES:
                    return [*lines, (what, "…")]
                longer = f"{line} · {fact}" if line else fact
                if line and metrics.horizontalAdvance(longer) > room:
                    lines.append((what, line))
                    what, longer = "", fact
                line = longer
            lines.append((what, line))
        return lines

    def _paint_footer(self, painter: QPainter, lines: list[tuple[str, str]], top: float) -> None:
        painter.setFont(self._small)
        left = _EDGE + 2
        for index, (what, line) in enumerate(lines):
            y = top + index * _LINE + 12
            painter.setPen(QColor(self._theme.faint))
            painter.drawText(QPointF(left, y), what)
            painter.setPen(QColor(self._theme.muted))
            painter.drawText(QPointF(left + _LABEL, y), line)


def _marks(marks: Sequence[Mark]) -> list[str]:
    """Return when each mark was and what it says."""
    return [f"{clock(mark.t, 0.1)} {mark.words}" for mark in marks]


def _shown(text: str) -> str:
    """Return text from a session as the image shows it: on one line, and not without end."""
    return on_one_line(text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…")


def _known(id: str) -> type[Pool] | None:
    """Return the pool with this id; None if it isn't here any more, or can't be imported."""
    try:
        return pool_class(id)
    except InputError:
        return None


def _server(environment: dict[str, str]) -> list[str]:
    """Return the name of the server, as far as it is known."""
    words = []
    if "server" in environment:
        words.append(
            " ".join(
                (server_in_words(environment["server"]), environment.get("server version", ""))
            ).strip()
        )
    if "max_connections" in environment:
        words.append(f"max_connections {environment['max_connections']}")
    return words


def _settings(values: dict[str, Value], declared: Parameters | None) -> list[str]:
    """Return limits or settings as text."""
    known: Mapping[str, Parameter] = declared or {}
    return [
        f"{key} {known[key].show(value) if key in known else value}"
        for key, value in values.items()
    ]


def _in_play(began: RunStarted) -> dict[str, Value]:
    """Return the settings of the load that had an effect."""
    written = to_draft(began, (), 0.0).load
    return {key: value for key, value in began.scenario.load.items() if key in written}


def _measured(manifest: Manifest) -> list[str]:
    sampling = manifest.sampling
    return [
        tr(
            "{per_second:.0f} samples/s, {samples:,} taken, {dropped:,} dropped",
            per_second=sampling.per_second,
            samples=sampling.samples,
            dropped=sampling.dropped,
        ),
        " and ".join(manifest.loops) + " loop",
        tr(
            "wait from {event} until there is a connection",
            event=" or ".join(WAIT_FROM[loop] for loop in manifest.loops),
        ),
        tr("percentiles of merged histograms, within 1 %"),
    ]
