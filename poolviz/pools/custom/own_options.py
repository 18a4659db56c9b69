"""How a pool of the user's is used, where its file doesn't say: `[own_pool]` of a scenario, and
`--own-pool KEY=VALUE`.

They are part of the pool's id, after a question mark: `app/db.py:Pool?acquire=get&release=put`. So
they go wherever the id goes, and two uses of one class are two pools.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from poolviz.language import tr
from poolviz.model.errors import InputError
from poolviz.model.parameters import suggest

# The options, with the help for each.
OWN_OPTIONS: Mapping[str, str] = {
    "acquire": "The method that gives a connection, where its name isn't a usual one.",
    "release": "The method that takes a connection back; 'close' closes the connection instead.",
    "url": "'run' has the pool connect to the run's server, where it would connect to its own.",
    "clients": "'threads' or 'tasks', where the file doesn't show which of them call the pool.",
}
_WORDS = {"url": ("run", "own"), "clients": ("threads", "tasks")}
_NAME = re.compile(r"[^\W\d]\w*")
# Of an id: the name after the last colon, and the options.
_ID = re.compile(r"(?P<pool>.+:[^?:]*)\?(?P<options>[^?:]*)", re.DOTALL)


def split_id(id: str) -> tuple[str, dict[str, str]]:
    """Return an id without its options, and the options, which aren't checked."""
    found = _ID.fullmatch(id)
    if found is None:
        return id, {}
    pairs = [pair.partition("=") for pair in found["options"].split("&") if pair]
    return found["pool"], {key.strip(): value.strip() for key, _, value in pairs}


def with_options(id: str, options: Mapping[str, str]) -> str:
    """Return an id with `options` beside those that it has, in the order of OWN_OPTIONS."""
    pool, old = split_id(id)
    new = {**old, **options}
    ordered = [key for key in OWN_OPTIONS if key in new] + [k for k in new if k not in OWN_OPTIONS]
    return f"{pool}?{'&'.join(f'{key}={new[key]}' for key in ordered)}" if ordered else pool


def problem_of(key: str, value: object) -> str:
    """Return what is wrong with an option, to go on after its name; "" if nothing is."""
    if key not in OWN_OPTIONS:
        return tr(
            "is no option of a pool of one's own: {near}.",
            near=suggest(key, tuple(OWN_OPTIONS)),
        )
    if not isinstance(value, str):
        return tr("takes a text, {takes}.", takes=_takes(key))
    words = _WORDS.get(key)
    if value not in words if words else not _NAME.fullmatch(value):
        return tr("is {value!r}: it takes {takes}.", value=value[:80], takes=_takes(key))
    return ""


def check_options(options: Mapping[str, object], id: str) -> None:
    """Raise InputError if an option of the pool `id` isn't one, or has a value it doesn't take."""
    for key, value in options.items():
        if problem := problem_of(key, value):
            raise InputError(
                tr("{id} can't be used: {key} {problem}", id=id, key=key[:80], problem=problem)
            )


def option_schema(key: str) -> dict[str, object]:
    """Return the JSON Schema of an option's value."""
    words = _WORDS.get(key)
    takes = {"enum": list(words)} if words else {"pattern": r"^[^\W\d]\w*$"}
    return {"type": "string", **takes, "description": OWN_OPTIONS[key]}


def _takes(key: str) -> str:
    words = _WORDS.get(key)
    return f"'{words[0]}' or '{words[1]}'" if words else tr("the name of a method")
