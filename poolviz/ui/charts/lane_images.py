"""Paints lanes as images, a pixel for each column, in the colours and patterns of their states."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PySide6.QtGui import QColor, QImage

from poolviz.model.lanes import State
from poolviz.sessions.lane_pieces import Shares
from poolviz.ui.style.theme import Theme

# From the bottom of a lane up.
STACK = (
    *(State.WORKING, State.HELD, State.IN_TRANSACTION, State.LEAKED),
    *(State.CONNECTING, State.IDLE),
)
_BEYOND = len(State)  # of pixels between lanes


def painted_waits(parts: Shares, height: int, colour: str) -> QImage:
    """Return the lanes of clients that wait as an image, a pixel for each column."""
    columns, lanes = parts.shape
    if not lanes:
        return QImage()
    rows = height - 1 if height > 3 else height
    drawn = np.zeros((lanes, height, columns), dtype=np.uint32)
    levels = (np.arange(rows)[::-1] + 0.5) / rows
    drawn[:, :rows][levels[None, :, None] <= parts.T[:, None, :]] = QColor(colour).rgba()
    ready = QImage.Format.Format_ARGB32_Premultiplied
    image = QImage(drawn.data, columns, lanes * height, 4 * columns, ready)
    return image.copy()  # which owns its pixels


def painted(table: Shares, height: int, palette: NDArray[np.uint32], hidden: list[State]) -> QImage:
    """Return the lanes as an image, a pixel for each column."""
    columns, lanes, _ = table.shape
    rows = height - 1 if height > 3 else height  # a pixel between lanes, if there is room
    # By state first, so that the sums and comparisons go along memory.
    parts = table.transpose(2, 1, 0)[list(STACK)]
    below = np.zeros((lanes, columns), dtype=np.float32)
    levels = ((np.arange(rows, dtype=np.float32)[::-1] + 0.5) / rows)[:, None]
    place = np.zeros((lanes, height, columns), dtype=np.uint8)
    for part in parts:
        below += part
        place[:, :rows] += levels > below[:, None, :]
    state = np.array([*STACK, _BEYOND], dtype=np.uint8)
    for each in hidden:
        state[state == each] = _BEYOND
    drawn = np.take(state, place).reshape(lanes * height, columns)
    drawn[np.arange(lanes * height) % height >= rows] = _BEYOND
    y, x = np.ogrid[: drawn.shape[0], :columns]
    pixels = np.take(palette, drawn * np.uint8(16) + ((y % 4) * 4 + x % 4).astype(np.uint8))
    # Opaque or nothing, so premultiplied already, which is painted at once and not by threads.
    ready = QImage.Format.Format_ARGB32_Premultiplied
    image = QImage(pixels.data, columns, drawn.shape[0], 4 * columns, ready)
    return image.copy()  # which owns its pixels


def palette(theme: Theme) -> NDArray[np.uint32]:
    """Return for each state the colours of a pattern of 4 × 4 pixels."""
    found = np.zeros((_BEYOND + 1, 16), dtype=np.uint32)
    y, x = np.divmod(np.arange(16), 4)
    marks = {  # what differs in more than colour
        State.IN_TRANSACTION: (x + y) % 4 == 0,
        State.LEAKED: (x // 2 + y // 2) % 2 == 0,
        State.HELD: y % 2 == 0,
        State.CONNECTING: x % 2 == 0,
    }
    for state in STACK:
        colour = QColor(state_colour(theme, state))
        found[state] = colour.rgba()
        if state in marks:
            other = QColor(theme.panel if state is State.CONNECTING else theme.text)
            mix = 0.55 if state in (State.LEAKED, State.CONNECTING) else 0.3
            mixed = QColor(
                round(colour.red() * (1 - mix) + other.red() * mix),
                round(colour.green() * (1 - mix) + other.green() * mix),
                round(colour.blue() * (1 - mix) + other.blue() * mix),
            )
            found[state][marks[state]] = mixed.rgba()
    return found


def state_colour(theme: Theme, state: State) -> str:
    """Return the colour of a state."""
    return {
        State.WAITING: theme.wait,
        State.WORKING: theme.used,
        State.HELD: theme.overflow,
        State.IN_TRANSACTION: theme.wait,
        State.LEAKED: theme.bad,
        State.CONNECTING: theme.server,
        State.IDLE: theme.idle,
    }[state]


def name_colour(theme: Theme, state: State) -> str:
    """Return the colour of a state's name, which is read."""
    return theme.idle_name if state is State.IDLE else state_colour(theme, state)
