"""The export formats there are, by suffix: every module in `formats`.

Suffixes are known without importing a format, so that a help text may list them.
"""

from __future__ import annotations

import importlib
import os
import pkgutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from poolviz.language import tr
from poolviz.model.errors import InputError
from poolviz.sessions.export import formats

if TYPE_CHECKING:
    from poolviz.sessions.export.exporter import Exporter


_MARKDOWN = ".md"
_LANES = ".lanes"  # before the suffix of a format that has a table of them
_STEP_SUMMARY = "GITHUB_STEP_SUMMARY"  # names the file of what a job's page on GitHub shows


def suffixes() -> tuple[str, ...]:
    """Return the suffix of each export format, such as `.csv`."""
    return tuple(f".{module.name}" for module in pkgutil.iter_modules(formats.__path__))


def exporters() -> dict[str, Exporter]:
    """Return every export format by its suffix."""
    return {suffix: _load(suffix) for suffix in suffixes()}


def exporter_for(path: Path, *, tidy: bool = False) -> Exporter:
    """Return the export format for the suffix of `path`; InputError lists the suffixes there are.
    `tidy` asks for a row a figure, where a format has a row a sample. `NAME.lanes.csv` and
    `NAME.lanes.parquet` are tables of lanes.

    Upper and lower case are the same. The summary of a step on GitHub, whose file has no suffix, is
    Markdown that is added to what the step has written before.
    """
    if _is_step_summary(path):
        return replace(_load(_MARKDOWN), appends=True)
    suffix = path.suffix.lower()
    if suffix not in suffixes():
        raise InputError(
            tr(
                "{path} has no suffix of an export format: give it one of {suffixes}.",
                path=path,
                suffixes=" ".join(suffixes()),
            )
        )
    lanes = Path(path.stem).suffix.lower() == _LANES
    return _load(suffix, "LANES" if lanes else "TIDY" if tidy else "EXPORTER")


def _is_step_summary(path: Path) -> bool:
    summary = os.environ.get(_STEP_SUMMARY, "")
    return summary != "" and path.absolute() == Path(summary).absolute()


def _load(suffix: str, name: str = "EXPORTER") -> Exporter:
    """Return an exporter of a format by its name in the module, or the usual one."""
    module = importlib.import_module(f"{formats.__name__}{suffix}")
    exporter: Exporter = module.EXPORTER
    return getattr(module, name, exporter)
