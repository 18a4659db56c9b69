"""Sliders for another load, which the model of a sizing answers at once, and a trial measures."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec
from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QGridLayout, QHBoxLayout, QLabel, QPushButton, QSlider, QWidget

from poolviz.language import number, tr, tr_noop
from poolviz.model.parameters import Value
from poolviz.model.scenario import Scenario
from poolviz.sizing.advice import ENOUGH
from poolviz.sizing.model import Model
from poolviz.sizing.queueing import Equilibrium
from poolviz.sizing.sizing import Sizing
from poolviz.ui.session.size_finder import Trial
from poolviz.ui.sizing.size_scales import shown_value

_FACTORS = (0.1, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 4.0, 8.0)
_HOLDS = (0.0, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)  # seconds
_MOST = 2  # times the connections that were tried are looked at for the best size


@dataclass(frozen=True)
class OtherLoad:
    """How a load differs from that of the sweep: factors, and the time that a connection is held
    after the statements, in seconds."""

    clients: float = 1.0
    statement: float = 1.0
    hold: float = 0.0

    def model(self, sizing: Sizing) -> Model:
        """Return the model of this load. ValueError if the sizing has none."""
        model = sizing.model
        held, alone = _held(sizing), model.law.alone
        statement = max(alone - held, 0.0)
        use = (statement * self.statement + self.hold + max(alone - statement - held, 0.0)) / alone
        return model.with_load(clients=self.clients, use=max(use, 1e-3))

    def is_of(self, sizing: Sizing) -> bool:
        """Whether it is the load of the sweep."""
        return self == OtherLoad(hold=_held(sizing))

    def settings(self, load: dict[str, Value]) -> dict[str, Value]:
        """Return the settings of this load; a statement's time is one of a statement that sleeps
        alone."""
        busy = "rate" if load["arrivals"] == "open" else "clients"
        scaled = float(load[busy]) * self.clients
        changed: dict[str, Value] = {
            busy: scaled if busy == "rate" else max(round(scaled), 1),
            "hold_time": self.hold,
        }
        if self.statement != 1.0:
            changed["statement_time"] = float(load["statement_time"]) * self.statement
        return changed


@dataclass(frozen=True)
class Prediction:
    """What the model says of another load: at the recommended size, or the best measured one, and
    the smallest number of connections with 95 % of its best throughput."""

    load: OtherLoad
    sizes: tuple[int, ...]
    connections: int
    there: Equilibrium
    enough: int


def _held(sizing: Sizing) -> float:
    """Return how long a connection was held after the statements, in seconds."""
    return float(sizing.load.get("hold_time", 0.0))


def predict(sizing: Sizing, load: OtherLoad) -> Prediction:
    """Return the prediction. ValueError if the sizing has no model. Takes some milliseconds."""
    model = load.model(sizing)
    found = sizing.recommendation.sizes
    best = max(sizing.points, key=lambda each: each.throughput_per_s.value or 0.0)
    at = next((each for each in sizing.points if each.sizes == found), best)
    most = max(each.connections for each in sizing.points) * _MOST
    rates = [model.by_formula(size).throughput for size in range(1, most + 1)]
    enough = next(n for n, rate in enumerate(rates, start=1) if rate >= ENOUGH * max(rates))
    return Prediction(load, at.sizes, at.connections, model.at(at.connections), enough)


class WhatIf(QWidget):
    """The sliders, what the model says, and what a trial measured."""

    changed = Signal(object)  # an OtherLoad
    trial_wanted = Signal(object)  # a Prediction

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._sizing: Sizing | None = None
        self._prediction: Prediction | None = None
        self._holds: tuple[float, ...] = _HOLDS
        self.clients, self.statement, self.hold = QSlider(), QSlider(), QSlider()
        self._values = {each: QLabel() for each in (self.clients, self.statement, self.hold)}
        self.says, self.measured = QLabel(), QLabel()
        self.try_button = QPushButton(tr("Try it"))
        self.back = QPushButton(tr("As measured"))
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setHorizontalSpacing(12)
        grid.setVerticalSpacing(6)
        for row, (slider, name) in enumerate(
            (
                (self.clients, tr("Clients or arrivals")),
                (self.statement, tr("Time of a statement")),
                (self.hold, tr("Time held after it")),
            )
        ):
            slider.setOrientation(Qt.Orientation.Horizontal)
            slider.setRange(0, len(_FACTORS) - 1)
            slider.setPageStep(1)
            slider.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
            slider.setAccessibleName(name)
            slider.setMinimumWidth(200)
            slider.valueChanged.connect(self._move)
            grid.addWidget(QLabel(name), row, 0)
            grid.addWidget(slider, row, 1)
            grid.addWidget(self._values[slider], row, 2)
        grid.setColumnStretch(2, 1)
        for label in (self.says, self.measured):
            label.setWordWrap(True)
        grid.addWidget(self.says, 3, 0, 1, 3)
        grid.addWidget(self.measured, 4, 0, 1, 3)
        buttons = QHBoxLayout()
        buttons.setSpacing(8)
        buttons.addWidget(self.try_button)
        buttons.addWidget(self.back)
        buttons.addStretch(1)
        grid.addLayout(buttons, 5, 0, 1, 3)
        self.try_button.clicked.connect(self._try)
        self.back.clicked.connect(self._go_back)

    @property
    def load(self) -> OtherLoad:
        """The load that the sliders say."""
        return OtherLoad(
            _FACTORS[self.clients.value()],
            _FACTORS[self.statement.value()],
            self._holds[self.hold.value()],
        )

    def show_sizing(self, sizing: Sizing | None) -> None:
        """Ask about the load of this sizing."""
        before, self._sizing = self._sizing, sizing
        if sizing is None:
            return
        held = _held(sizing)
        if before is None or before.load != sizing.load:
            self._holds = tuple(sorted({*_HOLDS, held}))
            self.hold.setRange(0, len(self._holds) - 1)
            self._go_back()
        else:
            self._move()

    def show_prediction(self, prediction: Prediction | None) -> None:
        """Show what the model says; None where there is no model."""
        self._prediction = prediction
        if prediction is None or self._sizing is None:
            self.says.setText(tr("There is no model: too little was measured."))
            return
        there = prediction.there
        wait = there.wait_p95 if there.wait_p95 < float("inf") else None
        self.says.setText(
            tr(
                "{limits} {sizes} would do {rate} with a wait p95 of {wait}; {enough} connections "
                "are the fewest with 95 % of this load's best throughput. Predicted by the model, "
                "not measured.",
                limits=" × ".join(self._sizing.limits),
                sizes=" × ".join(map(str, prediction.sizes)),
                rate=shown_value(there.throughput, "/s"),
                wait=shown_value(wait, "s"),
                enough=prediction.enough,
            )
        )

    def show_trial(self, trial: Trial | None, *, busy: bool) -> None:
        """Show what was measured of the load that was tried."""
        self.try_button.setEnabled(not busy and self._may_try() == "")
        self.try_button.setToolTip(self._may_try())
        point = None if trial is None else trial.measured
        if trial is None:
            self.measured.setText("")
        elif point is None:
            self.measured.setText(tr("It is being measured…") if busy else "")
        else:
            predicted = trial.predicted
            wait = predicted.wait_p95 if predicted.wait_p95 < float("inf") else None
            self.measured.setText(
                tr(
                    "Measured: {rate} (predicted: {said_rate}), wait p95 {wait} (predicted: "
                    "{said_wait}).",
                    rate=shown_value(point.throughput_per_s.value, "/s"),
                    said_rate=shown_value(predicted.throughput, "/s"),
                    wait=shown_value(point.wait_p95_s.value, "s"),
                    said_wait=shown_value(wait, "s"),
                )
            )
        self.measured.setVisible(bool(self.measured.text()))

    def _may_try(self) -> str:
        """Return why the load can't be tried; "" if it can."""
        sizing = self._sizing
        if sizing is None or self._prediction is None:
            return tr("There is no model: too little was measured.")
        load = sizing.load  # of a session, which may lack what was added since
        timed = load.get("statement") == "sleep" and float(load.get("statement_time", 0)) > 0
        if self.load.statement != 1.0 and not timed:
            return tr(_NO_TIME)
        return ""

    def _move(self) -> None:
        load = self.load
        for slider, factor in ((self.clients, load.clients), (self.statement, load.statement)):
            self._values[slider].setText(f"× {number(factor, 'g')}")
        self._values[self.hold].setText(shown_value(load.hold, "s"))
        self.changed.emit(load)

    def _go_back(self) -> None:
        """Move the sliders to the load of the sweep."""
        if self._sizing is None:
            return
        places = (
            (self.clients, _FACTORS.index(1.0)),
            (self.statement, _FACTORS.index(1.0)),
            (self.hold, self._holds.index(_held(self._sizing))),
        )
        for slider, place in places:
            slider.blockSignals(True)
            slider.setValue(place)
            slider.blockSignals(False)
        self._move()

    def _try(self) -> None:
        if self._prediction is not None:
            self.trial_wanted.emit(self._prediction)


def trial_of(
    prediction: Prediction,
    sizing: Sizing,
    scenario: Scenario,
    limits: dict[str, Value],
    seconds: float,
) -> Trial:
    """Return the trial of what was predicted, of a scenario's pool with these limits."""
    load = {**scenario.load, **sizing.load, **prediction.load.settings(sizing.load)}
    tried = msgspec.structs.replace(
        scenario, load=load, limits=limits, duration=seconds, changes=(), fail_if=(), replays=""
    )
    return Trial(tried, prediction.sizes, prediction.connections, prediction.there)


_NO_TIME = tr_noop(
    "The statement of this load takes as long as it takes: only one that sleeps can be tried with "
    "another time."
)
