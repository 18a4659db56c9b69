"""Everything that a scenario may say: as JSON Schema for editors, and as text for people.

Both are made from the declarations of limits, settings and faults.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

import msgspec

from poolviz.language import tr
from poolviz.load.faults import FAULT_PARAMETERS
from poolviz.load.fleet import FLEET
from poolviz.load.settings import SETTINGS, settings_for
from poolviz.model.parameters import INTEGER_LIMIT, Parameter, Parameters, seconds_schema
from poolviz.model.scenario import DEFAULT_POOL, LANGUAGES, POOLER_MODES
from poolviz.pools.base import Pool
from poolviz.pools.custom.own_options import OWN_OPTIONS, option_schema
from poolviz.pools.registry import POOLS, listings
from poolviz.scenarios.lesson_table import KEYS as LESSON_KEYS
from poolviz.scenarios.lesson_table import TEXTS as LESSON_TEXTS
from poolviz.scenarios.lesson_table import lesson_schema
from poolviz.scenarios.toml_file import KEYS

Schema: TypeAlias = dict[str, Any]

_ONE_LINE = {"type": "string", "minLength": 1}
_OWN_POOL = r"^.+:[A-Za-z_][A-Za-z0-9_.]*(\?.*)?$"  # module:Class, file.py:Class
_FIGURE = r"^\s*(\w+)\s*(>=|<=|==|!=|>|<)\s*\S.*$"
_LARGEST = INTEGER_LIMIT - 1


def as_json(figures: Iterable[str]) -> str:
    """Return the JSON Schema (2020-12) of a scenario file; `figures` are those of `fail_if`."""
    return msgspec.json.format(msgspec.json.encode(schema(figures))).decode()


def schema(figures: Iterable[str]) -> Schema:
    """Return the schema: what holds for every pool, and the limits of each pool."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A scenario of poolviz",
        "description": "What `poolviz run FILE` runs. Times are seconds, or text with a unit.",
        "type": "object",
        "properties": _top(figures),
        "additionalProperties": False,
        "allOf": [_for_pool(pool) for pool in POOLS.values()],
        "$defs": {
            "moment": _moment(),
            "load": _properties(SETTINGS),
            "faults": _properties(FAULT_PARAMETERS),
            "fleet": _properties(FLEET),
            **{f"limits.{id}": _properties(pool.limits) for id, pool in POOLS.items()},
            **{f"connect.{id}": _connect(pool) for id, pool in POOLS.items()},
        },
    }


def _top(figures: Iterable[str]) -> Schema:
    """Return the keys of a scenario, as they are for any pool."""
    ids = [listing.id for listing in listings()]
    kinds: dict[str, Schema] = {
        "title": _ONE_LINE,
        "watch": {
            "type": "object",
            "properties": {language: {"type": "string"} for language in LANGUAGES},
            "additionalProperties": False,
        },
        "pool": {
            "anyOf": [{"enum": ids}, {"type": "string", "pattern": _OWN_POOL}],
            "default": DEFAULT_POOL,
        },
        "own_pool": {
            "type": "object",
            "properties": {key: option_schema(key) for key in OWN_OPTIONS},
            "additionalProperties": False,
        },
        "dsn": _ONE_LINE,
        "pooler": _ONE_LINE,
        "pooler_mode": {"enum": list(POOLER_MODES)},
        "limits": {"type": "object"},
        "load": _only("load"),
        "connect": {"type": "object"},
        "fleet": _only("fleet"),
        "changes": {"type": "array", "items": {"$ref": "#/$defs/moment"}},
        "duration": seconds_schema(minimum=0, exclusive=True),
        "seed": {"type": "integer", "minimum": -_LARGEST, "maximum": _LARGEST, "default": 1},
        "lesson": lesson_schema(figures),
        "fail_if": {
            "type": "array",
            "items": {
                "type": "string",
                "pattern": _FIGURE.replace(r"\w+", "|".join(figures)),
            },
        },
    }
    return {key: kinds[key] | {"description": about} for key, about in KEYS.items()}


def _for_pool(pool: type[Pool]) -> Schema:
    """Return what else holds for a scenario of that pool. The default pool may be left out."""
    named: Schema = {"properties": {"pool": {"const": pool.id}}}
    limits = f"limits.{pool.id}"
    then: Schema = {"limits": _only(limits), "connect": _only(f"connect.{pool.id}")}
    then["changes"] = {"items": _only("moment", limits, "load", "fleet", "faults")}
    adapted = {key: of for key, of in settings_for(pool).items() if of != SETTINGS[key]}
    if adapted:
        properties = {key: parameter.json_schema() for key, parameter in adapted.items()}
        then["load"] = {"properties": properties}
        then["changes"]["items"]["properties"] = properties
    return {
        "if": named if pool.id == DEFAULT_POOL else named | {"required": ["pool"]},
        "then": {"properties": then},
    }


def _only(*definitions: str) -> Schema:
    """Return the schema of a table with the keys of these definitions, and no others."""
    refs = [{"$ref": f"#/$defs/{definition}"} for definition in definitions]
    return {"type": "object", "allOf": refs, "unevaluatedProperties": False}


def _properties(declared: Parameters) -> Schema:
    return {"properties": {key: parameter.json_schema() for key, parameter in declared.items()}}


def _connect(pool: type[Pool]) -> Schema:
    """Return the connect arguments of a pool: those of every kind of server that it runs on."""
    found: dict[str, list[Schema]] = {}
    for server, arguments in pool.connect.items():
        for key, parameter in arguments.items():
            schema = parameter.json_schema()
            if len(pool.servers) > 1:
                schema["description"] = f"On {server}: {schema['description']}"
            found.setdefault(key, []).append(schema)
    return {
        "properties": {
            key: schemas[0] if len(schemas) == 1 else {"anyOf": schemas}
            for key, schemas in found.items()
        }
    }


def _moment() -> Schema:
    """Return the schema of a change: a time, and one or more keys that change then."""
    at = seconds_schema(minimum=0) | {
        "description": "When, in seconds from the start or with a unit."
    }
    return {"type": "object", "properties": {"at": at}, "required": ["at"], "minProperties": 2}


def as_text() -> str:
    """Return every key of a scenario as text, without limits and connect arguments, which `poolviz
    pools` lists."""
    limits = tr("The limits of its pool, as `poolviz pools` lists them.")
    arguments = tr("The connect arguments of its pool, as `poolviz pools` lists them.")
    changes = tr("at, and any limit, setting of the load, or fault:")
    return "\n\n".join(
        (
            f"{tr('A scenario')}\n{_lines(KEYS, 10)}",
            f"[own_pool]\n{own_options_as_text()}",
            f"[limits]\n  {limits}",
            f"[load]\n{declarations_as_text(SETTINGS)}",
            f"[connect]\n  {arguments}",
            f"[fleet]\n{declarations_as_text(FLEET)}",
            f"[lesson]\n{_lesson_as_text()}",
            f"[[changes]]\n  {changes}\n{declarations_as_text(FAULT_PARAMETERS)}",
        )
    )


def _lesson_as_text() -> str:
    """Return a line for each key of a lesson, and of its texts in a language."""
    about = tr("The texts in that language, a table each:")
    return f"{_lines(LESSON_KEYS, 8)}\n  en, es   {about}\n{_lines(LESSON_TEXTS, 8, '    ')}"


def own_options_as_text() -> str:
    """Return a line for each option of a pool of one's own."""
    return _lines(OWN_OPTIONS, 8)


def _lines(keys: Mapping[str, str], width: int, indent: str = "  ") -> str:
    """Return a line for each key, with what it is for."""
    return "\n".join(f"{indent}{key:<{width}} {tr(about)}" for key, about in keys.items())


def declarations_as_text(declared: Mapping[str, Parameter]) -> str:
    """Return two lines for each parameter: what it takes, and what it is for."""
    lines = []
    for key, parameter in declared.items():
        usual = tr("{usual} by default", usual=parameter.shown(parameter.default) or tr("none"))
        lines.append(f"  {key}: {parameter.allowed(tr)}; {usual}")
        lines.append(f"    {parameter.description(tr)}")
    return "\n".join(lines)
