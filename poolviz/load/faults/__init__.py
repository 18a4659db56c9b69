"""Faults: what can go wrong during a run, by a button, a scenario's change or an option.

To add a fault, write one subclass of `Fault` in a module of this folder, which may be a new one:
every class with a `parameter` is found. Its button or row in the window, `poolviz run --at`,
scenarios with their check and schema, and the marks on the timeline follow from the class. What
it does goes through `FaultContext`; if that lacks something, add a method there and to
`engine.fault_injector.RunFaultContext`. `tests/load/test_faults.py` checks every declaration; test
what the fault does in `tests/engine/test_faults.py`.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping

from poolviz.load.faults.base import Fault, FaultConditions, FaultContext
from poolviz.model.parameters import Parameters

__all__ = ["FAULTS", "FAULT_PARAMETERS", "Fault", "FaultConditions", "FaultContext"]


def find_faults() -> list[type[Fault]]:
    """Return the faults that the modules of this folder define, in the order of their ranks."""
    found = {
        candidate
        for module in pkgutil.iter_modules(__path__, f"{__name__}.")
        for candidate in vars(importlib.import_module(module.name)).values()
        if isinstance(candidate, type)
        and issubclass(candidate, Fault)
        and "parameter" in vars(candidate)
    }
    return sorted(found, key=lambda fault: (fault.rank, fault.parameter.key))


_FOUND = find_faults()
FAULTS: Mapping[str, type[Fault]] = {fault.parameter.key: fault for fault in _FOUND}
FAULT_PARAMETERS = Parameters("fault", *(fault.parameter for fault in _FOUND))
