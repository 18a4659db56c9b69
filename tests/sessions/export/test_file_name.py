"""The name that is suggested for an export."""

from __future__ import annotations

from pathlib import Path

from poolviz.model.messages import RunStarted
from poolviz.model.scenario import Scenario
from poolviz.sessions.export.file_name import run_name, suggested_name
from poolviz.sessions.recorder import Recorder
from tests.sessions.builders import STARTED


def test_the_suggested_name_says_what_was_run(recorder: Recorder) -> None:
    assert suggested_name(recorder, ".png") == (
        "poolviz_2026-05-11T143105Z_QueuePool_pool_size5+max_overflow10_c40.png"
    )
    with Recorder() as empty:
        assert suggested_name(empty, ".csv") == "poolviz.csv"
    own = Scenario(pool="my pools/own.py:My Pool", limits={}, load={})
    with Recorder() as other:
        other.add(RunStarted(STARTED, own, {}))
        assert suggested_name(other, ".csv") == "poolviz_2026-05-11T143105Z_My-Pool.csv"


def test_a_name_from_elsewhere_stays_one_name_that_every_file_system_takes() -> None:
    hostile = Scenario(
        pool="../../etc/x.py:..\\C:\u6f22" + "\u6f22" * 500,
        limits={"../a": 10**300, "\u202e/b\n": 2},
        load={"clients": "/../../etc/passwd"},
    )
    name = run_name(hostile, STARTED) + ".manifest.json"
    assert Path(name).name == name
    assert name.isascii()
    assert len(name) < 255
    assert name.startswith("poolviz_2026-05-11T143105Z_")
