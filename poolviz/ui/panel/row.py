"""One row of the side panel: a parameter's name, when a change takes hold, and its editor."""

from __future__ import annotations

from functools import partial
from html import escape

from PySide6.QtCore import QEvent, QObject, QPoint, QSize, Qt, QTimer, Signal
from PySide6.QtGui import QMouseEvent, QWheelEvent
from PySide6.QtWidgets import (
    QComboBox,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QMenu,
    QSizePolicy,
    QWidget,
)

from poolviz.language import tr
from poolviz.model.parameters import Choice, Numeric, Parameter, Switch, Value
from poolviz.ui.elided_label import ElidedLabel
from poolviz.ui.help_places import set_topic
from poolviz.ui.panel.slider import Slider, Toggle
from poolviz.ui.panel.slider_scale import SliderScale
from poolviz.ui.panel.value_box import ValueBox
from poolviz.ui.style.theme import Theme, text_room
from poolviz.ui.unexpected import contained

_COMBO, _HEIGHT = 118, 22  # pixels at the usual size of texts, for the longest choice
_LONGEST_NOTE = 15  # characters that fit
REST = 250  # milliseconds without a movement after which a gesture is complete


class Row(QWidget):
    """Shows the requested value of one parameter and lets it be changed.

    Emits `committed` once for each gesture.
    """

    committed = Signal(str, object)
    mistaken = Signal(str)
    explained = Signal(str)  # the topic of the help that is asked for

    def __init__(self, parameter: Parameter, label: str, badge: str, theme: Theme) -> None:
        super().__init__()
        self.parameter = parameter
        set_topic(self, parameter.key)
        self._shown: Value = parameter.default
        self._preview: Value | None = None
        self._badge_text = badge
        self._reason = ""  # why the row is disabled
        self._rest = QTimer(self)
        self._rest.setSingleShot(True)
        self._rest.setInterval(REST)
        self._rest.timeout.connect(self.commit)
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setVerticalSpacing(2)
        self._grid.addLayout(self._title(label), 0, 0)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.customContextMenuRequested.connect(self._show_menu)
        self._describe()

    @property
    def value(self) -> Value:
        """The value shown: during a gesture its preview."""
        return self._shown if self._preview is None else self._preview

    def show_value(self, requested: Value, note: str = "") -> None:
        """Show the requested value, and beside it a note about what is in force."""
        self._shown = requested
        if self._preview is None:
            self.paint_value(requested)
        text = (note if len(note) <= _LONGEST_NOTE else tr("pending")) or self._badge_text
        self._badge.setToolTip(note)
        if text != self._badge.text():
            self._badge.setText(text)
            self._badge.setVisible(bool(text))
            self._badge.setProperty("level", "warn" if note else None)
            self._badge.style().unpolish(self._badge)
            self._badge.style().polish(self._badge)

    def set_reason(self, reason: str) -> None:
        """Disable the row and let its tooltip say why; "" enables it."""
        if reason != self._reason:
            self._reason = reason
            self.setEnabled(not reason)
            self._describe()

    def set_stops(self, low: float | None, high: float | None) -> None:
        """Set the bounds that other parameters' values give this one."""

    def set_theme(self, theme: Theme) -> None:
        """Change the colours."""

    def paint_value(self, value: Value) -> None:
        """Show `value` in the editor."""
        raise NotImplementedError

    def preview(self, value: Value, *, resting: bool = True) -> None:
        """Show `value` before it is requested; with `resting`, request it after a pause."""
        self._preview = value
        self.paint_value(value)
        if resting:
            self._rest.start()

    def commit(self) -> None:
        """End the gesture: request the value shown, if it is another one."""
        self._rest.stop()
        value, self._preview = self._preview, None
        if value is not None and value != self._shown:
            self._shown = value
            self.committed.emit(self.parameter.key, value)

    def reset(self) -> None:
        """Request the default."""
        self.preview(self.parameter.default, resting=False)
        self.commit()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Reset on a double click on the name."""
        if event.type() == QEvent.Type.MouseButtonDblClick and isinstance(event, QMouseEvent):
            with contained():
                self.reset()
            return True
        return super().eventFilter(watched, event)

    def _title(self, label: str) -> QHBoxLayout:
        self._name, self._badge = ElidedLabel(label), QLabel(self._badge_text)
        for words in (self._name, self._badge):  # a limit of a session may be called anything
            words.setTextFormat(Qt.TextFormat.PlainText)
        self._name.setProperty("role", "name")
        self._badge.setProperty("role", "badge")
        self._badge.setVisible(bool(self._badge_text))
        self._name.installEventFilter(self)
        line = QHBoxLayout()
        line.setSpacing(6)
        for widget in (self._name, self._badge):
            widget.setSizePolicy(QSizePolicy.Policy.Maximum, QSizePolicy.Policy.Maximum)
            line.addWidget(widget)
        line.addStretch(1)
        return line

    def _describe(self) -> None:
        parameter = self.parameter
        parts = [self._reason] if self._reason else []
        parts += [tr(parameter.help), tr("Takes {allowed}.", allowed=parameter.allowed(tr))]
        if self._badge_text:
            parts.append(
                tr(
                    "A change holds {when}. {effect_help}",
                    when=_when(parameter),
                    effect_help=tr(parameter.effect_help),
                ).strip()
            )
        default = parameter.shown(parameter.default) or tr("empty")
        parts.append(tr("Default {default}: double-click the name.", default=default))
        # As rich text it is wrapped; one paragraph each.
        self.setToolTip("".join(f"<p>{escape(part)}</p>" for part in parts))

    def _show_menu(self, where: QPoint) -> None:
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        default = self.parameter.default
        menu.addAction(
            tr("Reset to {value}", value=self.parameter.shown(default) or tr("empty")),
            self.reset,
        )
        for value, word in self.parameter.special.items():
            menu.addAction(tr("Set to {word}", word=tr(word)), partial(self._request, value))
        menu.addSeparator()
        menu.addAction(tr("What is this?"), partial(self.explained.emit, self.parameter.key))
        menu.popup(self.mapToGlobal(where))

    def _request(self, value: Value) -> None:
        self.preview(self.parameter.check(value), resting=False)
        self.commit()


class NumberRow(Row):
    """A number: a slider for its usual range, a box for every value allowed."""

    parameter: Numeric

    def __init__(self, parameter: Numeric, label: str, badge: str, theme: Theme) -> None:
        super().__init__(parameter, label, badge, theme)
        self._scale = SliderScale(parameter)
        self._stops = (self._scale.low, self._scale.high)
        self.slider = Slider(theme, self._scale.last)
        self.box = ValueBox(parameter)
        self._grid.addWidget(self.box, 0, 1)
        self._grid.addWidget(self.slider, 1, 0, 1, 2)
        self.slider.setAccessibleName(tr("{label}, slider", label=label))
        self.box.setAccessibleName(label)
        self.slider.valueChanged.connect(self._slid)
        self.slider.sliderReleased.connect(self.commit)
        self.slider.stepped.connect(self._step)
        self.box.stepped.connect(self._stepped)
        self.box.entered.connect(self._entered)
        self.box.mistyped.connect(self.mistaken)
        self.paint_value(parameter.default)

    def set_theme(self, theme: Theme) -> None:
        """Change the colours."""
        self.slider.set_theme(theme)

    def set_stops(self, low: float | None, high: float | None) -> None:
        """Set the values at which the slider stops."""
        scale = self._scale
        self._stops = (scale.low if low is None else low, scale.high if high is None else high)
        self.slider.set_stops(*(scale.position(stop) for stop in self._stops))

    def paint_value(self, value: Value) -> None:
        """Show `value` in slider and box."""
        self.box.show_value(value)
        if self.slider.isSliderDown():
            return  # the knob follows the pointer
        self.slider.blockSignals(True)
        self.slider.setValue(self._scale.position(float(value)))
        self.slider.blockSignals(False)

    def _slid(self, position: int) -> None:
        clamped = self.slider.clamped(position)
        value = self.parameter.check(self._scale.value(clamped))
        self.preview(value)
        if clamped != position:
            self.paint_value(value)

    def _step(self, steps: int) -> None:
        """Move by steps of the box, within the stops."""
        low, high = self._stops
        value = float(self.value)
        if value in self.parameter.special and not low <= value <= high:
            moved = value if steps > 0 else high  # it is shown at the right end
        else:
            moved = min(max(self.parameter.stepped(value, steps), low), max(high, value))
        self.preview(self.parameter.check(moved))

    def _stepped(self, value: Value) -> None:
        self.preview(value)

    def _entered(self, value: Value) -> None:
        self.preview(value, resting=False)
        self.commit()


class SwitchRow(Row):
    """A switch: on or off."""

    def __init__(self, parameter: Switch, label: str, badge: str, theme: Theme) -> None:
        super().__init__(parameter, label, badge, theme)
        self.toggle = Toggle(theme)
        self.toggle.setAccessibleName(label)
        self._grid.addWidget(self.toggle, 0, 1)
        self.toggle.clicked.connect(self._clicked)
        self.paint_value(parameter.default)

    def sizeHint(self) -> QSize:
        """Return the height of the rows beside it, at least."""
        return super().sizeHint().expandedTo(QSize(0, round(_HEIGHT * text_room())))

    def minimumSizeHint(self) -> QSize:
        """Return the height of the rows beside it, at least."""
        return super().minimumSizeHint().expandedTo(QSize(0, round(_HEIGHT * text_room())))

    def set_theme(self, theme: Theme) -> None:
        """Change the colours."""
        self.toggle.set_theme(theme)

    def paint_value(self, value: Value) -> None:
        """Show `value` in the switch."""
        self.toggle.setChecked(bool(value))

    def _clicked(self, on: bool) -> None:
        self.preview(on, resting=False)
        self.commit()


class _Combo(QComboBox):
    """Ignores the wheel without focus, so that scrolling the panel changes nothing."""

    def sizeHint(self) -> QSize:
        return QSize(round(_COMBO * text_room()), round(_HEIGHT * text_room()))

    def minimumSizeHint(self) -> QSize:
        return self.sizeHint()

    @contained()
    def wheelEvent(self, event: QWheelEvent) -> None:
        if self.hasFocus():
            super().wheelEvent(event)
        else:
            event.ignore()


class ChoiceRow(Row):
    """A choice of a few words."""

    parameter: Choice

    def __init__(self, parameter: Choice, label: str, badge: str, theme: Theme) -> None:
        super().__init__(parameter, label, badge, theme)
        self.combo = _Combo()
        self.combo.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        self.combo.addItems(list(parameter.choices))
        self.combo.setAccessibleName(label)
        self.combo.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self._grid.addWidget(self.combo, 0, 1)
        self.combo.activated.connect(self._chosen)
        self.paint_value(parameter.default)

    def paint_value(self, value: Value) -> None:
        """Show `value` in the box."""
        self.combo.setCurrentText(str(value))

    def _chosen(self, index: int) -> None:
        self.preview(self.parameter.choices[index], resting=False)
        self.commit()


def _when(parameter: Parameter) -> str:
    words = {
        "now": tr("at once"),
        "new requests": tr("for new requests"),
        "new run": tr("from the next run on"),
    }
    return words.get(parameter.effect.value, parameter.effect.value)
