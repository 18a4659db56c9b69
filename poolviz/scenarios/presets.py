"""The scenarios that come with poolviz, each of which shows one thing that pools do well or badly.

To add a preset, put a scenario file into `resources/presets`: its name is the name of the file.
Give it a `title` and, under `watch`, two sentences in each language on what to look at, which
promise only what slow and fast machines show, and a `lesson` (see `lesson_table.py`). Add a test of
that promise to `tests/scenarios/test_presets.py`, which checks the lesson's remedy, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from poolviz.language import tr
from poolviz.model.errors import InputError
from poolviz.model.parameters import suggest
from poolviz.scenarios.draft import Draft
from poolviz.scenarios.toml_file import read_draft
from poolviz.system.resources import resource


@dataclass(frozen=True)
class Preset:
    """A preset. `watch` says by language, in two sentences, what to look at."""

    name: str
    title: str
    watch: dict[str, str]
    path: Path
    draft: Draft


def presets() -> tuple[Preset, ...]:
    """Return all presets, by name. Raises InputError if one can't be read."""
    files = sorted(resource("presets").glob("*.toml"))
    drafts = [(path, read_draft(path)) for path in files]
    return tuple(Preset(path.stem, draft.title, draft.watch, path, draft) for path, draft in drafts)


def open_scenario(name: Path, commands: Sequence[str] = ()) -> Draft:
    """Return the draft in a scenario's file, or the preset of that name if there is no such file.

    Raises InputError if there is neither, which also suggests `commands` of similar names.
    """
    if name.suffix or name.parent != Path() or _is_file(name):
        return read_draft(name)
    known = {path.stem: path for path in resource("presets").glob("*.toml")}
    if name.name in known:
        return read_draft(known[name.name])
    what = tr("a file, a preset nor a command") if commands else tr("a file nor a preset")
    near = suggest(name.name, [*commands, *sorted(known)])
    raise InputError(tr("{name} is neither {what}: {near}.", name=name, what=what, near=near))


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a name that is longer than any file's
        return False
