"""Declared parameters: a limit of a pool, a setting of the load, or the amount of a fault.

A parameter is declared once, as one of the classes here. The window's editor, the command line,
the scenario's check and schema, and the documentation all read that declaration.

To add a kind of parameter, subclass `Parameter` and add its editor to `ui/panel/editors.py`.
"""

from poolviz.model.parameters.base import INTEGER_LIMIT, Effect, Parameter, Value, both, either
from poolviz.model.parameters.collection import Parameters, suggest, suggest_key, unknown_key
from poolviz.model.parameters.numbers import Count, Number, Numeric
from poolviz.model.parameters.seconds import (
    Seconds,
    parse_seconds,
    seconds_schema,
    show_seconds,
    shown_time,
)
from poolviz.model.parameters.words import Choice, File, Switch, Text

__all__ = [
    "INTEGER_LIMIT",
    "Choice",
    "Count",
    "Effect",
    "File",
    "Number",
    "Numeric",
    "Parameter",
    "Parameters",
    "Seconds",
    "Switch",
    "Text",
    "Value",
    "both",
    "either",
    "parse_seconds",
    "seconds_schema",
    "show_seconds",
    "shown_time",
    "suggest",
    "suggest_key",
    "unknown_key",
]
