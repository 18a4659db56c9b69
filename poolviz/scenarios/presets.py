"""The scenarios that poolviz brings along, each showing one thing a pool does well or badly.

A preset is a scenario file in `resources/presets`; its name is the file's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from poolviz.model.errors import InputError
from poolviz.model.parameters import suggest
from poolviz.scenarios.draft import Draft
from poolviz.scenarios.toml_file import read_draft
from poolviz.system.resources import resource


@dataclass(frozen=True)
class Preset:
    """One of them. `watch` says in two sentences, by language, what to look at."""

    name: str
    title: str
    watch: dict[str, str]
    path: Path


def presets() -> tuple[Preset, ...]:
    """All of them, by name; InputError where one can't be read."""
    files = sorted(resource("presets").glob("*.toml"))
    drafts = [(path, read_draft(path)) for path in files]
    return tuple(Preset(path.stem, draft.title, draft.watch, path) for path, draft in drafts)


def open_scenario(asked: Path, commands: Sequence[str] = ()) -> Draft:
    """The draft of a scenario's file, or of the preset of that name where there is no such file.

    InputError where there is neither; `commands` are what else may have been meant.
    """
    if asked.suffix or asked.parent != Path() or _is_there(asked):
        return read_draft(asked)
    known = {path.stem: path for path in resource("presets").glob("*.toml")}
    if asked.name in known:
        return read_draft(known[asked.name])
    what = "a file, a preset nor a command" if commands else "a file nor a preset"
    near = suggest(asked.name, [*commands, *sorted(known)])
    raise InputError(f"{asked} is neither {what}: {near}.")


def _is_there(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a name that is longer than any file's
        return False
