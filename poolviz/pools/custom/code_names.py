"""The names in the code of a user's function or class, which show what it makes."""

from __future__ import annotations

import functools
import inspect
import types
from collections.abc import Iterator
from typing import Any

FUNCTIONS = (
    *(types.FunctionType, types.MethodType, types.BuiltinFunctionType, functools.partial),
    functools._lru_cache_wrapper,
)
_DEPTH = 3  # functions that call each other


def names_in(made: Any) -> set[str]:
    """Return the names in the code of a function, or of a class's methods, and of the functions
    and classes of the same module that it calls."""
    found: set[str] = set()
    looked_at: set[int] = set()
    level = [made]
    for _ in range(_DEPTH):
        called = []
        for function in (each for one in level for each in _functions(one)):
            if id(function) in looked_at:
                continue
            looked_at.add(id(function))
            names = {name for code in _codes(function.__code__) for name in code.co_names}
            found |= names
            values = (function.__globals__.get(name) for name in names)
            module = function.__module__
            called += [each for each in values if getattr(each, "__module__", None) == module]
        level = called
    return found


def plain_function(function: Any) -> Any:
    """Return the function under its decorators and partials."""
    while isinstance(function, functools.partial):
        function = function.func
    function = inspect.unwrap(function)
    return getattr(function, "__func__", function)


def _functions(made: Any) -> Iterator[types.FunctionType]:
    if isinstance(made, type):
        for value in vars(made).values():
            method = getattr(value, "__func__", value)
            function = inspect.unwrap(method) if callable(method) else method
            if isinstance(function, types.FunctionType):
                yield function
    elif callable(made):
        plain = plain_function(made)
        if isinstance(plain, types.FunctionType):
            yield plain


def _codes(code: types.CodeType) -> Iterator[types.CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _codes(constant)
