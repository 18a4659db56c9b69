"""Runs on the server that poolviz brings, whatever the drivers' environment variables say."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import poolviz
from poolviz.model.dialect import POSTGRESQL
from poolviz.pools.registry import POOLS
from poolviz.system.driver_environment import driver_variables_hidden

IDS = [id for id, pool in POOLS.items() if POSTGRESQL in pool.servers]
HOSTILE = {
    "PGHOST": "nowhere.invalid",
    "PGHOSTADDR": "192.0.2.1",
    "PGPORT": "1",
    "PGUSER": "nobody",
    "PGPASSWORD": "wrong",
    "PGDATABASE": "nothing",
    "PGSERVICE": "no_such_service",
    "PGSERVICEFILE": "/nowhere/service.conf",
    "PGSYSCONFDIR": "/nowhere",
    "PGOPTIONS": "-c no_such_setting=1",
    "PGAPPNAME": "another program",
    "PGSSLMODE": "verify-full",
    "PGSSLROOTCERT": "/nowhere/root.crt",
    "PGSSLCERT": "/nowhere/client.crt",
    "PGSSLKEY": "/nowhere/client.key",
    "PGSSLCRL": "/nowhere/crl",
    "PGSSLNEGOTIATION": "direct",
    "PGSSLMINPROTOCOLVERSION": "nonsense",
    "PGSSLMAXPROTOCOLVERSION": "nonsense",
    "PGSSLSNI": "nonsense",
    "PGREQUIRESSL": "1",
    "PGREQUIREPEER": "nobody",
    "PGREQUIREAUTH": "scram-sha-256",
    "PGCHANNELBINDING": "require",
    "PGGSSENCMODE": "require",
    "PGKRBSRVNAME": "nonsense",
    "PGGSSLIB": "nonsense",
    "PGCONNECT_TIMEOUT": "nonsense",
    "PGCLIENTENCODING": "nonsense",
    "PGTARGETSESSIONATTRS": "standby",
    "PGLOADBALANCEHOSTS": "nonsense",
    "PGMINPROTOCOLVERSION": "nonsense",
    "PGMAXPROTOCOLVERSION": "nonsense",
    "PGDATESTYLE": "nonsense",
    "PGTZ": "Nowhere/Nothing",
    "PGGEQO": "nonsense",
    "PGLOCALEDIR": "/nowhere",
}


@pytest.fixture
def hostile(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    passwords = tmp_path / "passwords"
    passwords.write_text("*:*:*:*:wrong")
    passwords.chmod(0o644)  # of which libpq warns on standard error
    for name, value in (HOSTILE | {"PGPASSFILE": str(passwords)}).items():
        monkeypatch.setenv(name, value)


@pytest.mark.usefixtures("hostile")
@pytest.mark.parametrize("id", IDS)
def test_no_variable_touches_a_run(id: str, capfd: pytest.CaptureFixture[str]) -> None:
    load = {"clients": 1, "statement": "read_write", "think_time": 0.01}
    with poolviz.run(pool=id, load=load, duration=0.5) as result:
        assert result.complete
        assert result.operations
        assert not result.errors
        assert not result.warnings
        assert result.server == "embedded PostgreSQL"
    assert capfd.readouterr().err == ""
    assert all(os.environ[name] == value for name, value in HOSTILE.items())


def test_hidden_variables_come_back_when_the_last_block_ends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PGHOST", "kept")
    first, second = driver_variables_hidden(), driver_variables_hidden()
    with first:
        with second:
            assert "PGHOST" not in os.environ
        assert "PGHOST" not in os.environ
    assert os.environ["PGHOST"] == "kept"
