"""What faults declare: one parameter each, off by default, and where they are possible."""

from __future__ import annotations

import importlib
import pkgutil
import sys
from pathlib import Path

import pytest

from poolviz.load import faults
from poolviz.load.faults import FAULT_PARAMETERS, FAULTS, Fault, FaultConditions
from poolviz.load.settings import SETTINGS
from poolviz.load.statements import STATEMENTS
from poolviz.model.dialect import MYSQL, POSTGRESQL, SQLITE
from poolviz.model.errors import InputError
from poolviz.model.parameters import Numeric, Switch, Value
from poolviz.pools.listing import built_in_listings
from poolviz.pools.registry import pool_class

ON_A_SERVER = {
    *("kill_backend", "kill_all_backends", "restart_server", "lock_table", "network_silent"),
}

NEW_FAULT = '''
from poolviz.load.faults.base import Fault
from poolviz.model.parameters import Count


class Nothing(Fault):
    """Nothing happens, that many times."""

    parameter = Count(key="nothing", default=0, help="How many times nothing happens.")

    def inject(self, context, value):
        context.wait(0)
'''


def conditions(
    dialect: str = POSTGRESQL,
    *,
    ours: bool = True,
    network: bool = True,
    processes: bool = True,
    **load: Value,
) -> FaultConditions:
    pool = pool_class("sqlalchemy.QueuePool")
    return FaultConditions(dialect, ours, pool, SETTINGS.complete(load), network, processes)


def impossible(under: FaultConditions) -> set[str]:
    return {key for key, fault in FAULTS.items() if fault.reason(under)}


def test_every_fault_has_a_key_of_its_own_which_is_no_setting_and_no_limit() -> None:
    assert list(FAULTS) == list(FAULT_PARAMETERS)
    taken = {*SETTINGS}
    for listing in built_in_listings():
        if not listing.missing:
            taken |= {*listing.load().limits}
    assert not taken & {*FAULTS}


def test_every_fault_is_off_by_default_and_says_what_it_does() -> None:
    for fault in FAULTS.values():
        parameter = fault.parameter
        assert parameter.check(parameter.default) == parameter.default
        assert not parameter.default
        assert parameter.help.endswith(".")
        assert isinstance(parameter, (Switch, Numeric))
        # A switch has no amount to take back, so what stands is never one.
        assert not (fault.standing and isinstance(parameter, Switch))


def test_a_fault_without_a_default_amount_offers_one_that_it_takes() -> None:
    for fault in FAULTS.values():
        if not fault.standing and fault.parameter.bare is None:
            assert fault.parameter.check(fault.first_amount) != fault.parameter.default


def test_faults_that_happen_once_are_listed_before_those_that_stand() -> None:
    standing = [fault.standing for fault in FAULTS.values()]
    assert standing == sorted(standing)


def test_a_class_in_a_new_file_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "new.py").write_text(NEW_FAULT)
    monkeypatch.setattr(faults, "__path__", [*faults.__path__, str(tmp_path)])
    try:
        found = {fault.parameter.key: fault for fault in faults.find_faults()}
    finally:
        sys.modules.pop("poolviz.load.faults.new", None)
    assert [*found] == [*FAULTS, "nothing"]
    assert issubclass(found["nothing"], Fault)


def test_every_module_of_faults_has_one() -> None:
    for module in pkgutil.iter_modules(faults.__path__, "poolviz.load.faults."):
        if not module.name.endswith(".base"):
            members = vars(importlib.import_module(module.name)).values()
            assert any(fault in members for fault in FAULTS.values()), module.name


def test_amounts_are_checked_as_limits_are() -> None:
    assert FAULT_PARAMETERS["lock_table"].parse("2s") == 2.0
    assert FAULT_PARAMETERS["kill_backend"].parse("true") is True
    for key, text in (("leak_every", "-1"), ("lock_table", "soon"), ("kill_backend", "7")):
        with pytest.raises(InputError, match=key):
            FAULT_PARAMETERS[key].parse(text)
    with pytest.raises(InputError, match="perhaps kill_backend"):
        FAULT_PARAMETERS.find("kil_backend")


def test_everything_is_possible_on_our_own_server_under_a_load_on_tables() -> None:
    for statement in ("read", "read_write"):
        assert impossible(conditions(statement=statement)) == set()


def test_without_processes_of_its_own_a_run_has_none_to_kill_or_replace() -> None:
    under = conditions(processes=False, statement="read")
    assert impossible(under) == {"crash_process", "rolling_deploy"}


def test_a_server_that_is_not_ours_is_not_restarted_but_everything_else_is_possible() -> None:
    assert impossible(conditions(ours=False, statement="read")) == {"restart_server"}
    assert impossible(conditions(MYSQL, ours=False, statement="read")) == {"restart_server"}


def test_without_tables_in_the_load_there_is_nothing_to_lock() -> None:
    for statement in STATEMENTS:
        reason = FAULTS["lock_table"].reason(conditions(statement=statement.name))
        assert (not reason) is statement.tables
        assert not reason or reason.endswith("statement = read or read_write.")


def test_sqlite_has_no_server_for_faults_but_clients_and_connections() -> None:
    under = conditions(SQLITE, ours=False)
    assert impossible(under) == ON_A_SERVER
    for key in ON_A_SERVER:
        assert "SQLite" in FAULTS[key].reason(under)


def test_a_network_is_silent_only_where_there_is_one_or_the_server_is_ours(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reason = FAULTS["network_silent"].reason
    assert reason(conditions(ours=True, network=False)) == ""
    assert reason(conditions(ours=False, network=True)) == ""
    assert "Unix socket" in reason(conditions(ours=False, network=False))
    monkeypatch.setattr(sys, "platform", "darwin")
    assert reason(conditions(ours=True, network=False)) == ""
    assert reason(conditions(ours=False, network=True)).startswith("Only on Linux")
