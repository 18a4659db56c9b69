"""Render resources/icon.svg into resources/icons, in the sizes and formats that desktops use.

Run it after a change of the icon: `python resources/packaging/make_icons.py`.
"""

from __future__ import annotations

import struct
from pathlib import Path

from PySide6.QtCore import QBuffer, QIODevice, QSize
from PySide6.QtGui import QGuiApplication, QImageReader

RESOURCES = Path(__file__).resolve().parent.parent
SIZES = (16, 24, 32, 48, 64, 128, 256, 512)
# Image types of an ICNS file; ic11 to ic14 are for displays with two pixels a point.
_ICNS = {"icp4": 16, "icp5": 32, "ic11": 32, "ic12": 64, "ic07": 128, "ic08": 256, "ic09": 512}


def main() -> None:
    """Write poolviz-SIZE.png, poolviz.ico and poolviz.icns."""
    application = QGuiApplication(["make_icons", "-platform", "offscreen"])
    images = {size: _png(size) for size in SIZES}
    folder = RESOURCES / "icons"
    folder.mkdir(exist_ok=True)
    for size, image in images.items():
        (folder / f"poolviz-{size}.png").write_bytes(image)
    (folder / "poolviz.ico").write_bytes(_ico(images))
    (folder / "poolviz.icns").write_bytes(_icns(images))
    application.quit()


def _png(size: int) -> bytes:
    reader = QImageReader(str(RESOURCES / "icon.svg"))
    reader.setScaledSize(QSize(size, size))
    image = reader.read()
    if image.isNull():
        raise SystemExit(f"icon.svg can't be drawn: {reader.errorString()}.")
    buffer = QBuffer()
    buffer.open(QIODevice.OpenModeFlag.WriteOnly)
    image.save(buffer, "PNG")  # type: ignore[call-overload]
    return bytes(buffer.data().data())


def _ico(images: dict[int, bytes]) -> bytes:
    """Return an ICO file that contains PNGs, as Windows has read since Vista."""
    small = {size: image for size, image in images.items() if size <= 256}
    directory, data = struct.pack("<3H", 0, 1, len(small)), b""
    for size, image in small.items():
        offset = 6 + 16 * len(small) + len(data)
        edge = size % 256  # 0 means 256
        directory += struct.pack("<4B2H2I", edge, edge, 0, 0, 1, 32, len(image), offset)
        data += image
    return directory + data


def _icns(images: dict[int, bytes]) -> bytes:
    """Return an ICNS file: each image is a PNG after its type and length."""
    parts = [
        name.encode() + struct.pack(">I", 8 + len(images[size])) + images[size]
        for name, size in _ICNS.items()
    ]
    body = b"".join(parts)
    return b"icns" + struct.pack(">I", 8 + len(body)) + body


if __name__ == "__main__":
    main()
