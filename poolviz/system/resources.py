"""The files that poolviz ships: fonts, themes, icons, presets."""

from __future__ import annotations

import sys
from pathlib import Path

from poolviz.language import tr


def resource(name: str) -> Path:
    """Return the file or folder `name` of `resources/`. Raises FileNotFoundError if it is missing.

    In an installed package and in a bundle, `resources/` is inside `poolviz`; in a source checkout
    it is beside it.
    """
    package = Path(__file__).resolve().parent.parent
    places = [package, package.parent]
    bundle = getattr(sys, "_MEIPASS", None)
    if bundle is not None:
        places = [Path(bundle) / "poolviz", Path(bundle)]
    for place in places:
        path = place / "resources" / name
        if path.exists():
            return path
    raise FileNotFoundError(
        tr("poolviz is incomplete: its resources/{name} is missing.", name=name)
    )
