"""Every module in `formats` is an export format, found by suffix."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from poolviz.model.errors import InputError
from poolviz.sessions.export import formats
from poolviz.sessions.export.registry import exporter_for, exporters, suffixes
from poolviz.sessions.recorder import Recorder

ADDED = """
from poolviz.sessions.export.exporter import Exporter


def _write(recorder, paths):
    paths[0].write_text(f"# {recorder.summary().operations} operations")


EXPORTER = Exporter("Operations", _write)
"""


def test_every_suffix_has_a_format_with_a_label_of_its_own() -> None:
    assert {".csv", ".json", ".png", ".poolviz", ".toml", ".xml", ".md"} <= set(suffixes())
    found = exporters()
    assert tuple(found) == suffixes()
    assert len({exporter.label for exporter in found.values()}) == len(found)


def test_an_unknown_suffix_is_answered_with_the_known_ones(tmp_path: Path) -> None:
    for name in ("run.xlsx", "run", "run.export.registry", ".csv"):
        with pytest.raises(InputError) as caught:
            exporter_for(tmp_path / name)
        assert str(caught.value).endswith(f"give it one of {' '.join(suffixes())}.")


def test_a_format_is_added_by_one_module(
    recorder: Recorder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "more"
    folder.mkdir()
    (folder / "added.py").write_text(ADDED)
    monkeypatch.setattr(formats, "__path__", [*formats.__path__, str(folder)])
    monkeypatch.setattr(formats, "added", None, raising=False)  # the import sets it
    try:
        assert exporters()[".added"].label == "Operations"
        path = tmp_path / "run.ADDED"
        assert exporter_for(path).export(recorder, path) == (path,)
        assert path.read_text() == f"# {recorder.summary().operations} operations"
    finally:
        sys.modules.pop(f"{formats.__name__}.added", None)


@pytest.mark.parametrize(
    ("call", "not_imported"),
    [
        ("suffixes()", ("PySide6", "numpy", "poolviz.ui", "poolviz.sessions.recorder")),
        ("exporters()", ("PySide6", "poolviz.ui")),
    ],
)
def test_formats_are_listed_without_loading_what_they_need(
    call: str, not_imported: tuple[str, ...]
) -> None:
    code = f"""
import sys
from poolviz.sessions.export.registry import exporters, suffixes
assert {call}
print(*(name for name in {not_imported!r} if name in sys.modules))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
