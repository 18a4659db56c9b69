from __future__ import annotations

import tomllib
from importlib import metadata

import pytest

from poolviz.load.settings import SETTINGS
from poolviz.model.dialect import MYSQL, POSTGRESQL, SQLITE
from poolviz.model.errors import InputError
from poolviz.model.parameters import (
    Choice,
    Count,
    Effect,
    Numeric,
    Parameter,
    Seconds,
    Switch,
    Text,
)
from poolviz.model.scenario import DEFAULT_POOL
from poolviz.pools.base import Pool, TaskPool, ThreadPool
from poolviz.pools.listing import Listing, built_in_listings
from poolviz.pools.registry import POOLS, check_server, pool_class
from tests.pools.bench import can_have, timeouts
from tests.servers.fixtures import PROJECT


def test_pools_are_found_by_their_own_ids() -> None:
    assert all(pool_class(id) is pool and pool.id == id for id, pool in POOLS.items())
    assert DEFAULT_POOL in POOLS


def test_the_extra_of_a_pool_installs_its_drivers() -> None:
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    assert {one.extra for one in built_in_listings()} <= {*extras, ""}
    for one in built_in_listings():
        assert bool(one.drivers) == bool(one.extra)
        for driver in one.drivers:
            (distribution,) = set(metadata.packages_distributions().get(driver, [driver]))
            assert any(wanted.startswith(distribution.lower()) for wanted in extras[one.extra])


def test_the_error_for_a_missing_driver_has_the_command_that_installs_it() -> None:
    absent = Listing("x.Pool", "X", "x_pools", ("no_such_driver",), "x")
    assert absent.missing == "pip install 'poolviz[x]'"
    with pytest.raises(InputError, match=r"x\.Pool needs a driver .* pip install 'poolviz\[x\]'"):
        absent.load()


def test_the_error_for_an_unknown_pool_suggests_similar_ids() -> None:
    similar = r"QeuePool is not a pool .*: .*sqlalchemy\.QueuePool"
    with pytest.raises(InputError, match=similar) as it:
        pool_class("sqlalchemy.QeuePool")
    assert "psycopg2" not in str(it.value)
    with pytest.raises(InputError, match=r"psycopg2.*sqlalchemy"):
        pool_class("42")


def test_no_limit_has_the_name_of_a_setting_of_the_load(kind: type[Pool]) -> None:
    assert not set(kind.limits) & set(SETTINGS)


def test_every_pool_and_limit_is_described(kind: type[Pool]) -> None:
    assert kind.title
    assert kind.about.endswith(".")
    assert metadata.version(kind.library)
    assert kind.id in kind.limits.noun
    for limit in kind.limits.values():
        assert limit.help.endswith(".")
        assert limit.effect is Effect.REBUILD or limit.effect_help.endswith(".")


def test_defaults_are_allowed_and_of_the_right_type(kind: type[Pool]) -> None:
    defaults = kind.limits.defaults()
    assert kind.limits.complete(defaults) == defaults
    types: dict[type[Parameter], type] = {Count: int, Seconds: float, Switch: bool, Choice: str}
    types[Text] = str
    for key, limit in kind.limits.items():
        assert type(defaults[key]) is types[type(limit)]
        assert not isinstance(limit, Numeric) or (
            limit.minimum <= limit.slider[0] < limit.slider[1] <= limit.maximum
        )
    assert 0 <= kind.kept(defaults) <= (kind.capacity(defaults) or kind.kept(defaults))


def test_capacity_can_be_set_unless_it_is_one_or_unlimited(
    kind: type[Pool],
) -> None:
    most = kind.capacity(kind.limits.defaults())
    if most is None or most == 1:
        assert not any(can_have(kind, capacity) for capacity in (2, 5))
    else:
        assert all(can_have(kind, capacity) for capacity in range(1, 9))


def test_every_wait_is_bounded_by_a_limit(kind: type[Pool]) -> None:
    if not kind.waits:
        pytest.skip(f"{kind.id} fails at once; no caller waits")
    assert timeouts(kind, 1.0)
    assert kind.exhausted


def test_errors_raised_at_once_are_among_those_of_an_exhausted_pool(
    kind: type[Pool],
) -> None:
    assert kind.waits or not kind.refused
    assert all(issubclass(refusal, kind.exhausted) for refusal in kind.refused)
    assert not any(
        issubclass(error, kind.refused) for error in set(kind.exhausted) - {*kind.refused}
    )


def test_a_pool_for_one_client_says_why(kind: type[Pool]) -> None:
    assert not kind.one_client or kind.one_client.endswith(".")


def test_every_pool_names_its_servers(kind: type[Pool]) -> None:
    assert set(kind.servers) <= {POSTGRESQL, MYSQL, SQLITE}
    assert kind.servers
    assert issubclass(kind, ThreadPool) != issubclass(kind, TaskPool)


def test_a_pool_is_refused_for_a_server_that_it_doesnt_run_on() -> None:
    check_server(pool_class("asyncpg.Pool"), None)
    check_server(pool_class("asyncpg.Pool"), "host=x")
    check_server(pool_class("aiomysql.Pool"), "mariadb://h/d")
    for dsn in (None, "postgresql://h/d", "sqlite:///f.db"):
        with pytest.raises(InputError, match=r"^aiomysql\.Pool runs on MySQL: .* mysql://"):
            check_server(pool_class("aiomysql.Pool"), dsn)
    with pytest.raises(InputError, match=r"^asyncpg\.Pool runs on PostgreSQL: .* postgresql://"):
        check_server(pool_class("asyncpg.Pool"), "mysql://u:s3cret@h/d")
