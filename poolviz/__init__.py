"""poolviz: a laboratory for Python's database connection pools.

From Python, `poolviz.run` measures a pool under a load, `poolviz.size` finds out how large it
should be, and `poolviz.open_session` reads a run that was recorded. Errors are
`poolviz.PoolvizError`s. Each name is loaded when it is first used, so importing one part of poolviz
doesn't import the rest.
"""

from __future__ import annotations

from poolviz.model.version import VERSION

TYPE_CHECKING = False  # as in `typing`, whose import takes a third of the time to start Python
if TYPE_CHECKING:
    from typing import Any

    from poolviz.model.errors import InputError, PoolvizError, ServerError
    from poolviz.model.scenario import Scenario
    from poolviz.runs.api import open_session, run
    from poolviz.runs.result import Result, RunFailed
    from poolviz.sessions.session import Session
    from poolviz.sizing.api import size
    from poolviz.sizing.sizing import Sizing

__all__ = [
    "InputError",
    "PoolvizError",
    "Result",
    "RunFailed",
    "Scenario",
    "ServerError",
    "Session",
    "Sizing",
    "open_session",
    "run",
    "size",
]
__version__ = VERSION

_HOMES = {
    "InputError": "model.errors",
    "PoolvizError": "model.errors",
    "Result": "runs.result",
    "RunFailed": "runs.result",
    "Scenario": "model.scenario",
    "ServerError": "model.errors",
    "Session": "sessions.session",
    "Sizing": "sizing.sizing",
    "open_session": "runs.api",
    "run": "runs.api",
    "size": "sizing.api",
}


def __getattr__(name: str) -> Any:
    """Load a name of the public API."""
    import importlib  # noqa: PLC0415 - a command has to hear of signals first

    if name not in _HOMES:
        raise AttributeError(f"module 'poolviz' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"poolviz.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """Return the names of the public API."""
    return [*__all__, "__version__"]
