"""The licences of poolviz and of the software that it is made of."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from importlib import metadata

from poolviz.system.resources import resource

_NAME = re.compile(r"[A-Za-z0-9._-]+")
_CLASSIFIER = "License :: "
_HEAD = (
    "poolviz is under the MIT License. It runs on the packages below, each under its own licence, "
    "which stands in the package. The font Inter is under the SIL Open Font License 1.1, and "
    "uPlot, which draws the charts of HTML reports, under the MIT License."
)


def licences() -> str:
    """Return the licences as text: those of everything in the packaged program, in full, or else
    the name of each installed package's licence."""
    try:
        return resource("THIRD-PARTY.txt").read_text(encoding="utf-8")
    except FileNotFoundError:
        lines = (f"{name} {version}: {licence}" for name, version, licence in _installed())
        return "\n".join((textwrap.fill(_HEAD, 76), "", *lines)) + "\n"


def _installed() -> Iterator[tuple[str, str, str]]:
    """Yield the name, version and licence of each installed package that poolviz requires, for
    itself or for one of its extras, sorted by name."""
    found: dict[str, metadata.Distribution] = {}
    pending = _requirements("poolviz")
    while pending:
        name = pending.pop()
        key = name.casefold().replace("_", "-")
        if key in found or key == "poolviz":
            continue
        try:
            found[key] = metadata.distribution(name)
        except metadata.PackageNotFoundError:  # of an extra that isn't installed, of another system
            continue
        pending += _requirements(name, extras=False)
    for key in sorted(found):
        about = found[key].metadata
        yield about["Name"], about["Version"], _licence(about)


def _requirements(package: str, *, extras: bool = True) -> list[str]:
    try:
        texts = metadata.requires(package) or []
    except metadata.PackageNotFoundError:  # poolviz runs from a folder
        return []
    names = (_NAME.match(text) for text in texts if extras or "extra ==" not in text)
    return [name[0] for name in names if name is not None]


def _licence(about: metadata.PackageMetadata) -> str:
    """Return the name of a licence, as the package gives it: as SPDX, by classifier, or as text."""
    named = "".join(about.get_all("License-Expression") or ())
    if not named:
        classifiers = [c for c in about.get_all("Classifier") or () if c.startswith(_CLASSIFIER)]
        named = "; ".join(c.rpartition(" :: ")[2] for c in classifiers)
    text = "".join(about.get_all("License") or ()).strip()
    return named or text.partition("\n")[0] or "see its package"
