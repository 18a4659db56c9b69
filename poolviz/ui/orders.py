"""What the engine of a run is told to change: at once, or as soon as it can be done.

A change that can't be carried out yet, such as a choice of the user's own SQL before any is
written, stays asked for; it goes out with the one that completes it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from poolviz.load.settings import check_load
from poolviz.load.statements import needs_tables
from poolviz.model.dialect import dialect_of
from poolviz.model.errors import InputError
from poolviz.model.parameters import Value
from poolviz.model.scenario import Scenario
from poolviz.ui.asked import Step
from poolviz.ui.backstage import Run


class Orders:
    """The changes that one run's engine was told, and those that wait. The GUI thread's alone.

    `furnish` has tables of a scale made, and calls `furnished` or `unfurnished` when that is over.
    """

    def __init__(self, run: Run, furnish: Callable[[int], None]) -> None:
        self._run, self._furnish = run, furnish
        scenario = run.scenario
        self._dialect = dialect_of(run.target.conninfo)
        self._told: dict[str, Value] = {**scenario.limits, **scenario.load}
        self._load = frozenset(scenario.load)
        self._waiting: dict[str, Value] = {}
        self._on_its_way: dict[str, Value] = {}  # told, and not answered yet
        self._scale = needs_tables(scenario)  # of the tables that are there
        self._wanted_scale = 0  # of those that are being made; 0: none are

    def give(self, steps: list[Step]) -> None:
        """Have the engine told of these changes, and of those that waited for them."""
        self._waiting |= dict(steps)
        self._flush()

    def answered(self, key: str, value: Value) -> bool:
        """The engine has put `value` in force. Whether somebody else than the user wanted it so,
        such as the scenario."""
        if key not in self._on_its_way:
            self._told[key] = value
            return True
        if self._on_its_way[key] == value:
            del self._on_its_way[key]
        return False

    def refused(self, key: str, value: Value) -> None:
        """The engine keeps `value`."""
        self._on_its_way.pop(key, None)
        self._told[key] = value

    def furnished(self) -> None:
        """The tables are there: go on with what waited for them."""
        self._scale, self._wanted_scale = self._wanted_scale, 0
        self._flush()

    def unfurnished(self) -> dict[str, Value]:
        """The tables can't be had. What waited for them is given up; the values that stay."""
        self._wanted_scale = 0
        given_up = [key for key, value in self._waiting.items() if self._scale_with(key, value)]
        for key in given_up:
            del self._waiting[key]
        return {key: self._told[key] for key in given_up}

    def _flush(self) -> None:
        """Tell what can be told, in an order in which each change is allowed when it comes."""
        went = True
        while went:
            went = False
            for key, value in tuple(self._waiting.items()):
                if value == self._told.get(key):
                    del self._waiting[key]
                elif self._may_go(key, value):
                    went = True
                    del self._waiting[key]
                    self._tell(key, value)

    def _may_go(self, key: str, value: Value) -> bool:
        if key not in self._load:
            return True
        try:
            check_load(self._load_with(key, value), self._dialect)
        except InputError:
            return False
        scale = self._scale_with(key, value)
        if scale and not self._wanted_scale:
            self._wanted_scale = scale
            self._furnish(scale)
        return not scale

    def _scale_with(self, key: str, value: Value) -> int:
        """The scale of tables that a change asks for; 0 where it can do with those there are."""
        if key not in self._load:
            return 0
        load = self._load_with(key, value)
        scale = needs_tables(Scenario(pool=self._run.scenario.pool, limits={}, load=load))
        return scale if scale > self._scale else 0

    def _load_with(self, key: str, value: Value) -> dict[str, Value]:
        load: Mapping[str, Value] = {each: self._told[each] for each in self._load}
        return {**load, key: value}

    def _tell(self, key: str, value: Value) -> None:
        self._told[key] = self._on_its_way[key] = value
        if self._run.link is not None:
            self._run.link.alter(key, value)
