"""Where the files that poolviz brings along lie: fonts, themes, the icon."""

from __future__ import annotations

import sys
from pathlib import Path


def resource(name: str) -> Path:
    """The file or folder `name` of `resources/`; FileNotFoundError where it is missing.

    In an installed package and in a bundle the folder lies inside `poolviz`, in the source
    checkout beside it.
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
    raise FileNotFoundError(f"poolviz is incomplete: its resources/{name} is missing.")
