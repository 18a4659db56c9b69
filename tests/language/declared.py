"""The texts of declarations: what parameters, pools, faults, figures and commands say of
themselves.

They aren't marked where they are declared, because all that is declared is translated: whoever
shows one passes it through `tr`.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator

import click

from poolviz.commands.cli import group
from poolviz.load.faults import FAULT_PARAMETERS
from poolviz.load.fleet import FLEET
from poolviz.load.settings import SETTINGS
from poolviz.model.figures import FIGURES, STATISTICS
from poolviz.model.parameters import Effect, Parameter, Parameters
from poolviz.pools.custom.own_options import OWN_OPTIONS
from poolviz.pools.registry import POOLS
from poolviz.scenarios.toml_file import KEYS
from poolviz.sessions.export.registry import exporters
from poolviz.sessions.kept_session import Ending


def declared() -> Iterator[tuple[str, str]]:
    """Yield each text, with the module of what declares it."""
    for name in (*SETTINGS, *FLEET, *FAULT_PARAMETERS):
        yield name.replace("_", " "), "poolviz/load/settings.py"
    for effect in Effect:
        yield effect.value, "poolviz/model/parameters/base.py"
    for place, parameters in declared_parameters():
        for parameter in parameters.values():
            for text in _texts(parameter):
                yield text, place
    for pool in POOLS.values():
        yield pool.about, _file(pool)
        yield pool.one_client, _file(pool)
    for figure in FIGURES.values():
        yield figure.title, "poolviz/model/figures.py"
        yield figure.help, "poolviz/model/figures.py"
        yield figure.unit, "poolviz/model/figures.py"
    for text in STATISTICS.values():
        yield text, "poolviz/model/figures.py"
    for text in OWN_OPTIONS.values():
        yield text, "poolviz/pools/custom/own_options.py"
    for text in KEYS.values():
        yield text, "poolviz/scenarios/toml_file.py"
    for ending in Ending:
        yield ending.value, "poolviz/sessions/kept_session.py"
    for exporter in exporters().values():
        yield exporter.label, _file(type(exporter))


def of_commands() -> Iterator[tuple[str, str]]:
    """Yield the helps of commands and options."""
    context = click.Context(group)
    for name in ("", *group.list_commands(context)):
        command = group.get_command(context, name) if name else group
        assert command is not None
        place = f"poolviz/commands/{name or 'cli'}.py"
        yield inspect.cleandoc(command.help or ""), place
        yield command.short_help or "", place
        for parameter in command.params:
            if isinstance(parameter, click.Option):
                yield parameter.help or "", place


def declared_parameters() -> Iterator[tuple[str, Parameters]]:
    """Yield the parameters of the load, faults, limits and drivers, with their modules."""
    yield "poolviz/load/settings.py", SETTINGS
    yield "poolviz/load/fleet.py", FLEET
    yield "poolviz/load/faults/__init__.py", FAULT_PARAMETERS
    for pool in POOLS.values():
        yield _file(pool), pool.limits
        for arguments in pool.connect.values():
            yield _file(pool), arguments


def _texts(parameter: Parameter) -> Iterator[str]:
    yield parameter.help
    yield parameter.effect_help
    yield parameter.group
    yield from parameter.special.values()


def _file(declaring: type) -> str:
    return declaring.__module__.replace(".", "/") + ".py"
