"""How a user's pool is made: by its class, or by a function that makes one; and its limits.

Both are read from the signature: the names, annotations and defaults of its parameters. What is
required and isn't known there is asked for in a sentence.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
from psycopg2.extensions import connection
from psycopg2.pool import AbstractConnectionPool

from poolviz.language import tr
from poolviz.model.errors import InputError
from poolviz.model.parameters import Effect, Parameter, Parameters, Value, both
from poolviz.pools.base import Pool
from poolviz.pools.custom.limits import Bounds, bounds_of, is_limit, limit_of
from poolviz.pools.custom.places import place_of_function
from poolviz.pools.custom.server_arguments import (
    FACTORY,
    RunServer,
    is_server_argument,
    server_arguments,
    spread_of,
    takes_server,
)
from poolviz.pools.listing import built_in_listing
from poolviz.pools.psycopg2.resizable import (
    ResizablePsycopg2Pool,
    made_resizable,
    overrides_library,
)

_Kinds = inspect.Parameter
_SPREAD = (_Kinds.VAR_POSITIONAL, _Kinds.VAR_KEYWORD)
_GIVEN_TWICE = re.compile(r"got multiple values for (?:keyword )?argument '(\w+)'")


@dataclass(frozen=True)
class PoolConstructor:
    """How a pool of the user's is made, and which limits it has.

    `call` is what makes it: the user's class, one that derives it from our resizable pools instead
    of psycopg2's, or a function of the user's. The limits in `in_place` are changed in the pool as
    it is; for any other the pool is rebuilt.
    """

    call: Callable[..., Any]
    limits: Parameters
    in_place: frozenset[str]
    bounds: Bounds
    signature: inspect.Signature
    passed_on: tuple[str, ...] = ()  # limits that it takes by *args or **kwargs, for psycopg2's
    takes_server: bool = True  # the run's server is among its arguments
    for_each_use: bool = False  # a client makes one for itself each time; `make` gives what does
    like: str = ""  # the pool of poolviz with the same limits, for a pool that was made before
    # Arguments that the class passes on beside its own of that name: it is made without them.
    _given_twice: set[str] = field(default_factory=set, compare=False)

    @property
    def least(self) -> str | None:
        """The limit that says how many connections are kept."""
        return self.bounds.least

    @property
    def most(self) -> str | None:
        """The limit that says how many connections there may be."""
        return self.bounds.most

    def capacity(self, limits: Mapping[str, Value]) -> int | None:
        """Return the most connections that `limits` allow; None if they don't say."""
        if self.like:
            return _built_in(self.like).capacity(limits)
        return None if self.most is None else int(limits[self.most])

    def kept(self, limits: Mapping[str, Value]) -> int:
        """Return how many connections are kept idle; 0 if the limits don't say."""
        if self.like:
            return _built_in(self.like).kept(limits)
        key = self.least or self.most
        return 0 if key is None else int(limits[key])

    def make(
        self,
        conninfo: str,
        factory: type[connection],
        limits: Mapping[str, Value],
        connect: Callable[..., Any] | None = None,
    ) -> Any:
        """Make a pool, with connections of the class `factory` if the constructor allows it;
        `connect` as for `server_arguments`.

        Raises whatever the constructor raises.
        """
        while True:
            bound = self._arguments(conninfo, factory, limits, connect)
            call: Any = self.call
            if isinstance(call, type) and issubclass(call, ResizablePsycopg2Pool):
                body = {"__module__": call.__module__, "factory": factory}
                call = type(call.__name__, (call,), body)
            if self.for_each_use:
                return _for_each_use(call, bound)
            try:
                return call(*bound.args, **bound.kwargs)
            except TypeError as error:
                twice = _GIVEN_TWICE.search(str(error))
                if twice is None or twice[1] not in bound.arguments.get(self._spread_name, {}):
                    raise
                self._given_twice.add(twice[1])

    @property
    def _spread_name(self) -> str:
        return spread_of(self.signature).kwargs

    def _arguments(
        self,
        conninfo: str,
        factory: type[connection],
        limits: Mapping[str, Value],
        connect: Callable[..., Any] | None,
    ) -> inspect.BoundArguments:
        """Return the arguments of `call`."""
        named, spread = self.signature.parameters, spread_of(self.signature)
        given: dict[str, Any] = {key: value for key, value in limits.items() if key in named}
        given |= server_arguments(
            self.call, self.signature, RunServer(conninfo), factory, connect=connect
        )
        passed_on = {key: limits[key] for key in self.passed_on}
        others = dict(given.get(spread.kwargs, {}))
        if spread.args:
            given[spread.args] = (*passed_on.values(), *given.get(spread.args, ()))
        else:
            others |= passed_on
        if spread.kwargs:
            if _is_psycopg2s(self.call) and FACTORY not in named:
                others[FACTORY] = factory
            given[spread.kwargs] = {k: v for k, v in others.items() if k not in self._given_twice}
        bound = inspect.BoundArguments(self.signature, given)
        bound.apply_defaults()
        return bound


def _for_each_use(call: Any, bound: inspect.BoundArguments) -> Any:
    """Return an object that calls `call` when it is called, and holds what the module of `call`
    does, in which its pools are found."""
    made = type(call.__name__, (), {"__call__": lambda _: call(*bound.args, **bound.kwargs)})()
    vars(made).update(vars(sys.modules[call.__module__]))
    return made


def constructor_of(call: Callable[..., Any], id: str) -> PoolConstructor:
    """Return how `call`, a class or a function that returns a pool, is to be called.

    Raises InputError if it requires an argument that poolviz can't supply.
    """
    what = tr("its constructor") if isinstance(call, type) else tr("the function")
    try:
        signature = _signature(call)
    except (TypeError, ValueError):
        raise InputError(
            tr("{id} can't be made: {what} has no signature.", id=id, what=what)
        ) from None
    signature = _with_defaults(call, signature)
    _check_required(call, signature, id, what)
    parameters = {name: p for name, p in signature.parameters.items() if is_limit(p)}
    in_place = declared_in_place(call)
    passed_on: tuple[str, ...] = ()
    made = call
    if _is_psycopg2s(call):
        assert isinstance(call, type)
        made = made_resizable(call)
        if issubclass(made, ResizablePsycopg2Pool) and not overrides_library(call):
            in_place |= {"minconn", "maxconn"}
        if not {"minconn", "maxconn"} & set(parameters) and any(spread_of(signature)):
            passed_on = ("minconn", "maxconn")
            unnamed = {key: _Kinds(key, _Kinds.POSITIONAL_OR_KEYWORD) for key in passed_on}
            parameters = unnamed | parameters
    bounds = bounds_of(parameters.values())
    limits = [limit_of(call, each, in_place, bounds) for each in parameters.values()]
    of_library = _limits_of_library(call, signature, {limit.key for limit in limits})
    return PoolConstructor(
        call=made,
        limits=Parameters(f"limit of {id}", *limits, *of_library),
        in_place=in_place,
        bounds=Bounds(
            bounds.least or _named(of_library, "min_size"),
            bounds.most or _named(of_library, "max_size"),
        ),
        signature=signature,
        passed_on=passed_on,
        takes_server=takes_server(signature),
    )


def _signature(call: Callable[..., Any]) -> inspect.Signature:
    """Return the signature of a function or a class; that of `__init__` where a metaclass, such as
    that of a singleton, passes on whatever it gets."""
    signature = inspect.signature(call)
    passed_on = all(each.kind in _SPREAD for each in signature.parameters.values())
    if not passed_on or type(call).__call__ is type.__call__ or not isinstance(call, type):
        return signature
    cls: Any = call
    own = inspect.signature(cls.__init__)
    return own.replace(parameters=list(own.parameters.values())[1:])


def _with_defaults(call: Callable[..., Any], signature: inspect.Signature) -> inspect.Signature:
    """Return the signature of a class derived from asyncpg's Pool with the defaults that
    `create_pool` gives it."""
    asyncpg = sys.modules.get("asyncpg")
    if "asyncpg.pool" not in {base.__module__ for base in getattr(call, "__mro__", ())}:
        return signature
    usual = inspect.signature(asyncpg.create_pool).parameters if asyncpg is not None else {}
    return signature.replace(
        parameters=[
            each.replace(default=usual[name].default)
            if each.default is _Kinds.empty and name in usual and each.kind is _Kinds.KEYWORD_ONLY
            else each
            for name, each in signature.parameters.items()
        ]
    )


def _is_psycopg2s(call: Callable[..., Any]) -> bool:
    return isinstance(call, type) and issubclass(call, AbstractConnectionPool)


def _limits_of_library(
    call: Callable[..., Any], signature: inspect.Signature, known: set[str]
) -> list[Parameter]:
    """Return the limits of a library's class for parameters of a class derived from it that have
    None as their default, such as psycopg_pool's max_size."""
    for base in getattr(call, "__mro__", ()):
        listing = built_in_listing(f"{base.__module__}:{base.__qualname__}")
        if listing is not None:
            return [
                msgspec.structs.replace(limit, effect=Effect.REBUILD)
                for key, limit in listing.load().limits.items()
                if key in signature.parameters
                and key not in known
                and signature.parameters[key].default is None
                and (limit.at_least is None or limit.at_least in known)
            ]
    return []


def _named(limits: list[Parameter], key: str) -> str | None:
    return key if any(limit.key == key for limit in limits) else None


def declared_in_place(call: Callable[..., Any]) -> frozenset[str]:
    """Return the parameters that a class or a pool declares to be settable in a pool in use."""
    declared = getattr(call, "live_limits", ())
    return frozenset(declared if isinstance(declared, (tuple, list, set, frozenset)) else ())


def _check_required(
    call: Callable[..., Any], signature: inspect.Signature, id: str, what: str
) -> None:
    """Raise InputError if a required argument is neither a limit nor the server."""
    required = [
        parameter
        for parameter in signature.parameters.values()
        if parameter.default is _Kinds.empty
        and parameter.kind not in (_Kinds.VAR_POSITIONAL, _Kinds.VAR_KEYWORD)
        and not is_server_argument(parameter)
        and not is_limit(parameter)
    ]
    if not required:
        return
    names = both([parameter.name for parameter in required])
    first = required[0].name
    place = place_of_function(call)
    raise InputError(
        tr(
            "{id} can't be made: {what} requires {names}, and poolviz passes the server (dsn, or "
            "host, port, user, password and dbname) and limits such as minconn and maxconn; give "
            "{first} a default in the signature{where}, and if that is a number, set it by "
            "--limit {first}=VALUE.",
            id=id,
            what=what,
            names=names,
            first=first,
            where=f" ({place})" if place is not None else "",
        )
    )


def _built_in(id: str) -> type[Pool]:
    listing = built_in_listing(id)
    assert listing is not None, f"{id} isn't a pool of poolviz"
    return listing.load()
