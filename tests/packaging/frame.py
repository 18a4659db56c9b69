"""The frame by which the first tour points at a control, found on a picture of the window."""

from __future__ import annotations

from itertools import combinations

from PySide6.QtCore import QPoint, QRect
from PySide6.QtGui import QColor, QImage

_LEAST = 24  # pixels of a straight side
_HEIGHT, _WIDTH = 28, 500  # pixels at least, and at most
_CORNER = 10  # pixels at most that a rounded corner takes


def framed(picture: QImage, colour: str) -> QRect | None:
    """Return the frame in that colour; None while there is none. What has the focus has a frame
    too, but is a box, which is lower, or the charts, which are wider."""
    image = picture.convertToFormat(QImage.Format.Format_RGB32)
    number = QColor(colour).rgb()
    found = [
        frame
        for (left, right), heights in _runs(image, number.to_bytes(4, "little")).items()
        for top, bottom in combinations(heights, 2)
        if bottom - top >= _HEIGHT
        and right - left <= _WIDTH
        and (frame := _closed(image, QRect(QPoint(left, top), QPoint(right, bottom)), number))
    ]
    return found[0] if found else None


def _runs(image: QImage, wanted: bytes) -> dict[tuple[int, int], list[int]]:
    """Where horizontal lines in that colour begin and end, and at which heights they are."""
    width, stride = image.width(), image.bytesPerLine()
    pixels = bytes(image.constBits())
    found: dict[tuple[int, int], list[int]] = {}
    for y in range(image.height()):
        row = pixels[y * stride : y * stride + 4 * width]
        at = row.find(wanted * _LEAST)
        while at >= 0:
            end = at
            while row[end : end + 4] == wanted:
                end += 4
            if at % 4 == 0:
                found.setdefault((at // 4, end // 4 - 1), []).append(y)
            at = row.find(wanted * _LEAST, max(end, at + 1))
    return found


def _closed(image: QImage, lines: QRect, colour: int) -> QRect | None:
    """The frame whose straight upper and lower lines those are; None if it isn't one: it has sides,
    and is empty beside its lines, which are two pixels thick."""
    top, bottom, middle = lines.top(), lines.bottom(), lines.center().x()
    line = [image.pixel(middle, y) == colour for y in (top + 1, bottom - 1)]
    empty = [image.pixel(middle, y) != colour for y in (top - 1, top + 2, bottom - 2, bottom + 1)]
    if not (all(line) and all(empty)):
        return None
    ys, outside = range(top + _CORNER, bottom - _CORNER), range(1, _CORNER)
    left = _side(image, [lines.left() - x for x in outside], ys, colour)
    right = _side(image, [lines.right() + x for x in outside], ys, colour)
    if left is None or right is None:
        return None
    return QRect(QPoint(left, top), QPoint(right, bottom))


def _side(image: QImage, columns: list[int], ys: range, colour: int) -> int | None:
    """The last of the columns that is in that colour at every height, if any is."""
    found = None
    for x in columns:
        if 0 <= x < image.width() and all(image.pixel(x, y) == colour for y in ys):
            found = x
    return found
