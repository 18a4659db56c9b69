"""Whatever stands in the window, its pages and its dialogs can be named, reached and read.

The widgets are found in the window itself, so that a new one is tested without a word here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest
from PySide6.QtCore import QPoint, QRect, Qt
from PySide6.QtGui import QAccessible, QColor, QImage, QRegion
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QAbstractSlider,
    QAbstractSpinBox,
    QApplication,
    QComboBox,
    QHeaderView,
    QLabel,
    QLineEdit,
    QPlainTextEdit,
    QScrollArea,
    QScrollBar,
    QTextEdit,
    QWidget,
)
from pytestqt.qtbot import QtBot

from poolviz.ui.elided_label import ElidedLabel
from poolviz.ui.window import Window
from tests.ui.places import WAYS, come_to
from tests.ui.running import servers_home, until, window
from tests.ui.whole_texts import SMALLEST, called

__all__ = ["servers_home", "window"]

USED = (
    *(QAbstractButton, QLineEdit, QComboBox, QAbstractSpinBox, QAbstractSlider),
    *(QAbstractItemView, QTextEdit, QPlainTextEdit),
)
LEAST, LEAST_LARGE = 4.5, 3.0  # contrast of WCAG 2.2 (1.4.3); large is 18.66 px and bold, or 24 px
PLACES = tuple(WAYS)


def visible(root: QWidget) -> Iterator[QWidget]:
    """Yield every widget below `root` that a user can see and is not a part of another one."""
    for widget in [root, *root.findChildren(QWidget)]:
        own = widget is root or widget.window() is root.window()
        if own and widget.isVisible() and not widget.visibleRegion().isEmpty():
            yield widget


def is_part(widget: QWidget) -> bool:
    """Whether a widget belongs to another one, which has the name and the focus."""
    parent = widget.parentWidget()
    if isinstance(widget, QScrollBar | QHeaderView):
        return True
    return isinstance(parent, QAbstractSpinBox | QComboBox | QAbstractItemView | QLineEdit)


@pytest.mark.parametrize("place", PLACES)
def test_what_is_used_has_a_name_and_is_reached_by_the_keyboard(
    window: Window, qtbot: QtBot, place: str
) -> None:
    root = come_to(place, window, qtbot)
    used = [each for each in visible(root) if isinstance(each, USED) and not is_part(each)]
    assert used
    nameless, unreached = [], []
    for widget in used:
        spoken = QAccessible.queryAccessibleInterface(widget)
        if spoken is None or not spoken.text(QAccessible.Text.Name).strip():
            nameless.append(called(widget))
        if widget.isEnabled() and not widget.focusPolicy() & Qt.FocusPolicy.TabFocus:
            unreached.append(called(widget))
    assert not nameless, nameless
    assert not unreached, unreached


@pytest.mark.parametrize("place", PLACES)
def test_no_text_is_cut_off_at_the_smallest_size(window: Window, qtbot: QtBot, place: str) -> None:
    window.resize(SMALLEST)
    root = come_to(place, window, qtbot)
    assert window.size() == SMALLEST
    cut = []
    for widget in visible(root):
        if isinstance(widget, QLabel):
            plain = not widget.wordWrap() and not isinstance(widget, ElidedLabel)
            wanted = widget.sizeHint().width() if plain and widget.text() else 0
        elif isinstance(widget, QAbstractButton) and widget.text():
            # Without the room that a style sheet would like to have around it.
            wanted = widget.fontMetrics().horizontalAdvance(widget.text().replace("&", ""))
        else:
            continue
        if wanted > widget.width() + 1:
            cut.append(f"{called(widget)}: {widget.width()} of {wanted}")
    assert not cut, cut


def luminance(colour: QColor) -> float:
    def linear(value: float) -> float:
        return value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4

    return (
        0.2126 * linear(colour.redF())
        + 0.7152 * linear(colour.greenF())
        + 0.0722 * linear(colour.blueF())
    )


def contrast(one: QColor, other: QColor) -> float:
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def contrast_in(picture: QImage, left: int, top: int, width: int, height: int) -> float:
    """The contrast of what stands out most in a part of a picture with what is most of it."""
    seen = Counter(
        picture.pixel(x, y)
        for y in range(max(top, 0), min(top + height, picture.height()))
        for x in range(max(left, 0), min(left + width, picture.width()))
    )
    if not seen:
        return 99.0
    background = QColor.fromRgb(seen.most_common(1)[0][0])
    return max(contrast(QColor.fromRgb(pixel), background) for pixel in seen)


def scroll_to(widget: QWidget) -> None:
    """Scroll as Tab does, which goes to a widget within its area."""
    around = widget.parentWidget()
    while around is not None:
        if isinstance(around, QScrollArea):
            around.ensureWidgetVisible(widget)
        around = around.parentWidget()


def pixels_at(root: QWidget, place: QRect) -> QImage:
    picture = QImage(place.size(), QImage.Format.Format_RGB32)
    root.render(picture, QPoint(), QRegion(place))
    return picture


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("place", [place for place in PLACES if place != "window"])
def test_the_focus_can_be_seen(window: Window, qtbot: QtBot, place: str, theme: str) -> None:
    window.theme_manager.choose(theme)
    root = come_to(place, window, qtbot)
    root.activateWindow()
    until(qtbot, root.isActiveWindow)
    unseen = []
    for widget in visible(root):
        tab = bool(widget.focusPolicy() & Qt.FocusPolicy.TabFocus)
        if not (tab and widget.isEnabled()) or is_part(widget) or widget.focusProxy():
            continue
        scroll_to(widget)
        around = QRect(widget.mapTo(root, QPoint()), widget.size()).adjusted(-3, -3, 3, 3)
        around &= root.rect()
        if (before := QApplication.focusWidget()) is not None:
            before.clearFocus()
        without = pixels_at(root, around)
        widget.setFocus(Qt.FocusReason.TabFocusReason)
        having = pixels_at(root, around)
        changed = Counter(
            (without.pixel(x, y), having.pixel(x, y))
            for y in range(around.height())
            for x in range(around.width())
        )
        seen = sum(
            count
            for (old, new), count in changed.items()
            if old != new and contrast(QColor.fromRgb(old), QColor.fromRgb(new)) >= LEAST_LARGE
        )
        if seen < min(widget.width(), widget.height()):
            unseen.append(f"{called(widget)}: {seen} pixels")
    assert not unseen, unseen


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("place", PLACES)
def test_every_text_can_be_read(window: Window, qtbot: QtBot, place: str, theme: str) -> None:
    window.theme_manager.choose(theme)
    root = come_to(place, window, qtbot)
    # At twice the size, where strokes have pixels of their full colour.
    picture = QImage(root.size() * 2, QImage.Format.Format_RGB32)
    picture.setDevicePixelRatio(2)
    root.render(picture)
    pale = []
    for widget in visible(root):
        if not widget.isEnabled() or not isinstance(widget, QLabel | QAbstractButton):
            continue
        if not widget.text().strip() or QLineEdit in type(widget).__mro__:
            continue
        inner = widget.visibleRegion().boundingRect()
        corner = widget.mapTo(root, inner.topLeft())
        border = 3  # a border isn't text
        found = contrast_in(
            picture,
            2 * (corner.x() + border),
            2 * (corner.y() + border),
            2 * (inner.width() - 2 * border),
            2 * (inner.height() - 2 * border),
        )
        info = widget.fontInfo()
        large = info.pixelSize() >= 24 or (info.pixelSize() >= 18.66 and info.weight() >= 600)
        if found < (LEAST_LARGE if large else LEAST):
            pale.append(f"{called(widget)}: {found:.2f}")
    assert not pale, pale
