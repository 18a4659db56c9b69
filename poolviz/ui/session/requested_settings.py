"""The limits, the load and the connect arguments that the user requested, with undo. Knows neither
Qt nor the engine."""

from __future__ import annotations

from collections.abc import Mapping

from poolviz.load.fleet import FLEET
from poolviz.load.settings import settings_for
from poolviz.model.dialect import POSTGRESQL
from poolviz.model.errors import InputError
from poolviz.model.parameters import Parameter, Parameters, Value
from poolviz.model.scenario import Scenario
from poolviz.pools.base import NOTHING, Pool

Step = tuple[str, Value]
_Entry = tuple[tuple[str, Value, Value], ...]  # (key, old, new), all undone together


class RequestedSettings:
    """What the user wants in force. Each change is checked before it is taken.

    `arguments` are those that the pool's driver connects with to the chosen kind of server, and
    `connect` has those that were given. They are in force from the next run on.
    """

    def __init__(self, pool: type[Pool]) -> None:
        self.pool = pool
        self.settings = settings_for(pool)
        self.limits: dict[str, Value] = pool.limits.defaults()
        self.load: dict[str, Value] = self.settings.defaults()
        self.connect: dict[str, Value] = {}
        self.fleet: dict[str, Value] = FLEET.defaults()
        self.pooler_mode = ""  # as a scenario says it
        self._server = POSTGRESQL
        self._chosen: set[str] = set()  # settings that differ from their defaults by choice
        self._done: list[_Entry] = []
        self._undone: list[_Entry] = []
        # The limits and the connect arguments of pools that were left.
        self._left: dict[str, tuple[dict[str, Value], dict[str, Value]]] = {}

    @property
    def arguments(self) -> Parameters:
        """The connect arguments of the pool on the chosen kind of server."""
        return self.pool.connect_arguments(self._server)

    @property
    def values(self) -> dict[str, Value]:
        """Every limit, every setting of the load and every connect argument, and how many processes
        there are."""
        arguments = {**self.arguments.defaults(), **self._given}
        return {**self.limits, **self.load, **self.fleet, **arguments}

    @property
    def _given(self) -> dict[str, Value]:
        return _of(self.connect, self.arguments)

    def take_server(self, server: str, connect: Mapping[str, Value]) -> None:
        """Note the kind of server, and what its DSN says to the pool's driver."""
        self._server = server
        self.connect |= connect

    def take_pool(
        self,
        pool: type[Pool],
        limits: Mapping[str, Value] | None = None,
        connect: Mapping[str, Value] | None = None,
    ) -> None:
        """Switch to another pool, with `limits` and `connect` or those it had when it was left.

        The load stays, but settings that were never chosen, or that the new pool doesn't take,
        get that pool's defaults. Raises InputError, and changes nothing, if a limit of the pool has
        the name of a setting.
        """
        settings = settings_for(pool)
        self._left[self.pool.id] = self.limits, self.connect
        self.pool, self.settings = pool, settings
        for key, parameter in settings.items():
            if key not in self._chosen or not parameter.takes(self.load[key]):
                self.load[key] = parameter.default
                self._chosen.discard(key)
        known, given = self._left.get(pool.id, (pool.limits.defaults(), {}))
        self.limits = dict(known if limits is None else limits)
        self.connect = dict(given if connect is None else connect)
        self._done, self._undone = [], []

    def take_recorded(
        self,
        pool: type[Pool],
        limits: Mapping[str, Value],
        load: Mapping[str, Value],
        connect: Mapping[str, Value] = NOTHING,
    ) -> list[str]:
        """Show what a session records, which may say anything. Return the keys of values that the
        pool or the load doesn't take: their defaults stand in for them."""
        arguments = _recorded_arguments(pool, connect)
        known = {**pool.limits, **settings_for(pool), **arguments}
        recorded = {**limits, **load, **connect}
        taken = {
            key: known[key].check(value)
            for key, value in recorded.items()
            if key in known and known[key].takes(value)
        }
        self.take_pool(
            pool, pool.limits.defaults() | _of(taken, pool.limits), _of(taken, arguments)
        )
        self.take_load(self.settings.defaults() | _of(taken, self.settings))
        return [key for key in recorded if key not in taken]

    def take_fleet(self, fleet: Mapping[str, Value]) -> None:
        """Request as many processes as a scenario has, or a single one. What a session from
        elsewhere says, and nobody could request, is left out."""
        taken = {key: value for key, value in fleet.items() if key in FLEET}
        self.fleet = FLEET.defaults() | {k: v for k, v in taken.items() if FLEET[k].takes(v)}

    def take_load(self, load: Mapping[str, Value]) -> None:
        """Request another load; settings that `load` doesn't name keep their values."""
        self._take(_of(load, self.load))

    def __getitem__(self, key: str) -> Value:
        if key in self.limits:
            return self.limits[key]
        return self.load[key] if key in self.load else self.values[key]

    def parameter(self, key: str) -> Parameter:
        """Return the declaration of `key`; InputError if there is none."""
        for declared in (self.settings, FLEET, self.arguments):
            if key in declared:
                return declared[key]
        return self.pool.limits.find(key)

    @property
    def names_a_file(self) -> bool:
        """The load names a file, which may take long to read."""
        return any(parameter.names_file(self.load[key]) for key, parameter in self.settings.items())

    def scenario(self) -> Scenario:
        """Return a scenario of what is requested now, which runs until it is stopped."""
        return Scenario(
            pool=self.pool.id,
            limits=dict(self.limits),
            load=dict(self.load),
            connect=self._given,
            fleet={} if self.fleet == FLEET.defaults() else dict(self.fleet),
            pooler_mode=self.pooler_mode,
        )

    def change(self, changes: Mapping[str, Value]) -> list[Step]:
        """Request changes that are undone together; return the steps, in an order in which each
        is allowed.

        Raises InputError, and changes nothing, if the values aren't allowed together.
        """
        before = {key: self[key] for key in changes}
        steps = self._apply(changes)
        entry = tuple((key, before[key], value) for key, value in steps)
        if entry:
            self._done.append(entry)
            self._undone.clear()
        return steps

    @property
    def changes(self) -> int:
        """How many changes can be taken back."""
        return len(self._done)

    def join_changes(self, since: int) -> None:
        """Have the changes after the first `since` undone together."""
        entries = self._done[since:]
        first = {key: old for entry in reversed(entries) for key, old, _ in entry}
        last = {key: new for entry in entries for key, _, new in entry}
        joined = tuple((key, old, last[key]) for key, old in first.items() if old != last[key])
        self._done[since:] = [joined] if joined else []

    @property
    def can_undo(self) -> bool:
        """There is a change to take back."""
        return bool(self._done)

    @property
    def can_redo(self) -> bool:
        """There is an undone change to request again."""
        return bool(self._undone)

    def undo(self) -> list[Step]:
        """Take the last change back; return the steps, none if there is nothing to undo."""
        return self._replay(self._done, self._undone, back=True)

    def drop(self) -> None:
        """Take the last change back for good."""
        self.undo()
        self._undone.pop()

    def redo(self) -> list[Step]:
        """Request the last undone change again; return the steps."""
        return self._replay(self._undone, self._done, back=False)

    def settle(self, key: str, value: Value) -> None:
        """Take over what the engine reports as in force."""
        if key in self.limits:
            self.limits[key] = value
        elif key in self.load:
            self._take({key: value})
        elif key in self.fleet:
            self.fleet[key] = value

    def refuse(self, key: str, value: Value) -> None:
        """Take over that the engine kept `value`, as if the change had never been requested."""
        self.settle(key, value)
        if self._done and [step[0] for step in self._done[-1]] == [key]:
            self._done.pop()

    def _replay(self, source: list[_Entry], target: list[_Entry], *, back: bool) -> list[Step]:
        if not source:
            return []
        entry = source.pop()
        target.append(entry)
        return self._apply({key: old if back else new for key, old, new in entry})

    def _apply(self, changes: Mapping[str, Value]) -> list[Step]:
        wanted = {key: self.parameter(key).check(value) for key, value in changes.items()}
        left = {key: value for key, value in wanted.items() if value != self[key]}
        limits = self.pool.limits.changed(self.limits, _of(left, self.limits))
        load = _of(left, self.load)
        self.settings.changed(self.load, load)
        steps = self._ordered(left)
        self.limits = limits
        self._take(load)
        self.fleet |= _of(left, FLEET)
        self._take_connect(_of(left, self.arguments))
        return steps

    def _take_connect(self, connect: Mapping[str, Value]) -> None:
        """Set connect arguments; one that is back at its default is no longer given."""
        for key, value in connect.items():
            if value == self.arguments[key].default:
                self.connect.pop(key, None)
            else:
                self.connect[key] = value

    def _take(self, load: Mapping[str, Value]) -> None:
        """Set settings; one that is back at its default no longer counts as chosen."""
        self.load |= load
        for key, value in load.items():
            if value == self.settings[key].default:
                self._chosen.discard(key)
            else:
                self._chosen.add(key)

    def _ordered(self, left: dict[str, Value]) -> list[Step]:
        """Order the steps so that no state between two of them breaks a bound."""
        limits, steps = dict(self.limits), [(k, v) for k, v in left.items() if k not in self.limits]
        waiting = _of(left, limits)
        while waiting:
            for key, value in waiting.items():
                try:
                    limits = self.pool.limits.changed(limits, {key: value})
                except InputError:
                    continue
                steps.append((key, value))
                del waiting[key]
                break
            else:
                return [*steps, *waiting.items()]  # no order is better than another
        return steps


def _of(changes: Mapping[str, Value], values: Mapping[str, object]) -> dict[str, Value]:
    return {key: value for key, value in changes.items() if key in values}


def _recorded_arguments(pool: type[Pool], connect: Mapping[str, Value]) -> Parameters:
    """Return the arguments for the kind of server that a session's most probably was."""
    servers = pool.servers or (POSTGRESQL,)
    return max(
        (pool.connect_arguments(server) for server in servers),
        key=lambda arguments: len(connect.keys() & arguments.keys()),
    )
