"""The export formats, one file each, found by the suffix of what is to be written.

A format of your own: an `Exporter` in a file here, named in `EXPORTERS` below. Formats that need
more than a record, such as pictures, are added by those who have it, with `exporters_with`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from poolviz.model.errors import InputError
from poolviz.sessions.export import csv, json, scenario, session
from poolviz.sessions.export.exporter import Exporter
from poolviz.sessions.export.manifest import run_name, suggested_name

__all__ = ["EXPORTERS", "Exporter", "exporter_for", "exporters_with", "run_name", "suggested_name"]

EXPORTERS: Mapping[str, Exporter] = {
    module.EXPORTER.suffix: module.EXPORTER for module in (csv, json, scenario, session)
}


def exporters_with(*more: Exporter) -> Mapping[str, Exporter]:
    """The formats here and `more`, by suffix."""
    return {**EXPORTERS, **{exporter.suffix: exporter for exporter in more}}


def exporter_for(path: Path, exporters: Mapping[str, Exporter] = EXPORTERS) -> Exporter:
    """The format that `path` asks for by its suffix; InputError lists the suffixes there are."""
    found = exporters.get(path.suffix.lower())
    if found is None:
        raise InputError(
            f"{path} has no suffix of an export format: give it one of {' '.join(exporters)}."
        )
    return found
