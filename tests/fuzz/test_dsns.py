"""Any text as a DSN."""

from __future__ import annotations

import pytest
from hypothesis import given

from poolviz.model.errors import PoolvizError
from poolviz.model.secrets import without_secrets
from poolviz.servers.dispatch import reach, with_password, without_password
from tests.fuzz.hostile import DSNS, PASSWORDS
from tests.fuzz.promise import MARK, counted, folder, fuzz, sentence_of

pytestmark = pytest.mark.usefixtures("no_runs")


@fuzz(share=0.12)
@given(DSNS)
def test_a_dsn_leads_to_no_server_and_tells_no_password(dsn: str) -> None:
    with folder(), counted("DSNs", dsn):
        try:
            target = reach(dsn)
        except PoolvizError as error:
            sentence_of(error)
        else:
            assert target.product == "SQLite"
            assert MARK not in f"{target} {target.shown}"


@fuzz(share=0.1)
@given(DSNS, PASSWORDS)
def test_a_dsn_is_stored_without_any_password(dsn: str, password: str) -> None:
    with counted("DSNs that are stored", dsn):
        stored = without_password(dsn)
        assert MARK not in stored
        changed = with_password(dsn, password)
        assert changed == dsn or MARK not in without_secrets(changed)
