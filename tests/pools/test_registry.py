from __future__ import annotations

from importlib import metadata

import pytest

from poolviz.load.settings import SETTINGS
from poolviz.model.errors import InputError
from poolviz.model.parameters import Effect, Kind
from poolviz.model.scenario import DEFAULT_POOL
from poolviz.pools import POOLS, pool_class
from poolviz.pools.base import Pool


def test_pools_go_by_the_names_they_give_themselves() -> None:
    assert list(POOLS) == ["psycopg2.ThreadedConnectionPool", "sqlalchemy.QueuePool"]
    assert all(pool_class(id) is pool and pool.id == id for id, pool in POOLS.items())
    assert DEFAULT_POOL in POOLS


def test_an_unknown_pool_is_answered_with_the_near_ones() -> None:
    with pytest.raises(InputError, match=r"QeuePool is no pool .*: .*sqlalchemy\.QueuePool") as it:
        pool_class("sqlalchemy.QeuePool")
    assert "psycopg2" not in str(it.value)
    with pytest.raises(InputError, match=r"psycopg2.*sqlalchemy"):
        pool_class("42")


def test_no_limit_has_the_name_of_a_setting_of_the_load(kind: type[Pool]) -> None:
    assert not set(kind.limits) & set(SETTINGS)


def test_every_pool_explains_itself(kind: type[Pool]) -> None:
    assert kind.title
    assert kind.about.endswith(".")
    assert metadata.version(kind.library)
    assert kind.id in kind.limits.what
    for limit in kind.limits.values():
        assert limit.help.endswith(".")
        assert limit.effect is Effect.REBUILD or limit.effect_help.endswith(".")


def test_defaults_are_allowed_and_of_the_right_type(kind: type[Pool]) -> None:
    defaults = kind.limits.defaults()
    assert kind.limits.complete(defaults) == defaults
    types = {Kind.COUNT: int, Kind.SECONDS: float, Kind.SWITCH: bool, Kind.CHOICE: str}
    for key, limit in kind.limits.items():
        assert type(defaults[key]) is types[limit.kind]
        assert limit.minimum <= limit.slider[0] < limit.slider[1] <= limit.maximum
    assert 0 <= kind.kept(defaults) <= (kind.capacity(defaults) or kind.kept(defaults))
