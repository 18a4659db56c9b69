"""Chaos decides by its seed alone, and finds what is broken."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from poolviz.model.messages import Rows
from poolviz.model.sample import Level, ReportedCounts, Sample, ServerView
from poolviz.pools.catalogue import listings
from tests.belongings import belongings
from tests.chaos import __main__ as program
from tests.chaos import invariants
from tests.chaos.attack import carried_out
from tests.chaos.invariants import Broken
from tests.chaos.plan import Attack, Kind, Plan, Violence, plan

SERVERS = ("sqlite", "mysql")


def test_a_seed_decides_every_round() -> None:
    rounds = [str(plan(7, number, SERVERS)) for number in range(40)]
    assert rounds == [str(plan(7, number, SERVERS)) for number in range(40)]
    assert len(set(rounds)) == 40
    assert rounds[0] != str(plan(8, 0, SERVERS))


def test_rounds_reach_every_pool_and_do_every_violence() -> None:
    rounds = [plan(seed, number, SERVERS) for seed in range(2) for number in range(60)]
    pools = {leg.scenario.pool for each in rounds for leg in each.legs}
    assert pools == {each.id for each in listings() if not each.missing}
    assert {each.attack.what for each in rounds if each.attack} == set(Violence)
    assert {each.kind for each in rounds} == set(Kind)
    changed = {
        change.key for each in rounds for leg in each.legs for change in leg.scenario.changes
    }
    assert {"clients", "maxconn", "pool_size", "leak_every", "restart_server"} <= changed


def sample(index: int, there: int, lent: int, **changed: Any) -> Sample:
    def level(value: int) -> Level:
        return Level(value, value, value, value)

    whole = Sample(
        index=index,
        t=(index + 1) * 0.05,
        span=0.05,
        segment=0,
        open=level(there),
        used=level(lent),
        idle=level(there - lent),
        overflow=level(0),
        pending=level(0),
        retrying=level(0),
        opened=there if index == 0 else 0,
        limits={},
        load={},
        capacity=5,
        server=ServerView(idle=there),
        reported_counts=ReportedCounts(there, lent, 0),
    )
    return msgspec.structs.replace(whole, **changed)


def calm(**changed: Any) -> list[Sample]:
    """Five samples in which all is well, but for what is changed in the third."""
    return [sample(n, 4, 2, **(changed if n == 2 else {})) for n in range(5)]


def test_samples_in_which_all_is_well_are_whole() -> None:
    invariants.check_samples(calm())
    invariants.check_limits("sqlalchemy.QueuePool", calm())
    invariants.check_agreement(calm()[-1], with_server=True)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"idle": Level(3, 3, 3, 3)}, r"idle 3 \+ used 2 isn't open 4"),
        ({"used": Level(2, 2, 2, 1.5)}, "means of idle and used"),
        ({"pending": Level(0, -1, 0, 0)}, "pending has impossible extremes"),
        ({"t": 0.9}, "doesn't come after|is in neither"),
        ({"segment": 3}, "is in an earlier segment"),
        ({"span": 0.03}, "is in neither"),
        ({"errors": {"PoolError": 2}}, "2 errors by name, 0 by kind"),
        ({"timeouts": 1}, "0 timeouts by name, 1 by their moments"),
        ({"opened": 1}, "5 connections were opened and not closed, 4 are open"),
    ],
)
def test_a_sample_that_is_not_whole_is_found(changed: dict[str, Any], words: str) -> None:
    with pytest.raises(Broken, match=words):
        invariants.check_samples(calm(**changed))


def test_more_in_use_than_the_limits_allow_is_found() -> None:
    with pytest.raises(Broken, match="6 used, limits allow 5 and 2 were"):
        invariants.check_limits("sqlalchemy.QueuePool", calm(used=Level(2, 2, 6, 2)))


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"reported_counts": ReportedCounts(3, 2, 0)}, "4 open by the meter, 3 by the pool"),
        ({"reported_counts": ReportedCounts(4, 1, 0)}, "2 used by the meter, 1 by the pool"),
        ({"reported_counts": ReportedCounts(4, 2, 1)}, "0 pending by the meter, 1 by the pool"),
        ({"server": ServerView(idle=3)}, "4 open by the meter, 3 by the server"),
        ({"capacity": 3}, "4 open, 3 allowed"),
    ],
)
def test_counts_that_disagree_are_found(changed: dict[str, Any], words: str) -> None:
    with pytest.raises(Broken, match=words):
        invariants.check_agreement(sample(0, 4, 2, **changed), with_server=True)


def test_rows_that_are_missing_are_found_where_no_other_client_may_have_undone_them() -> None:
    some = Rows(expected=39, found=26)
    with pytest.raises(Broken, match="rows"):
        invariants.check_rows("sqlalchemy.QueuePool", some, exact=True)
    invariants.check_rows("sqlalchemy.QueuePool", some, exact=False)
    invariants.check_rows("sqlalchemy.StaticPool", some, exact=True)
    with pytest.raises(Broken, match="rows"):
        invariants.check_rows("sqlalchemy.AssertionPool", some, exact=True)


def test_a_process_of_the_round_that_goes_on_is_found_and_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(invariants, "PATIENCE", 0.3)
    before, mark = belongings(), f"chaos test {time.time_ns()}"
    with subprocess.Popen(
        [sys.executable, "-c", "print(flush=True); input()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=os.environ | {"MARK": mark},
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        with pytest.raises(Broken, match=rf"left behind: .*process {process.pid} .*input\(\)"):
            invariants.check_nothing_left(before, tmp_path, mark, {os.getpid()})
        process.communicate()
    invariants.check_nothing_left(before, tmp_path, mark, {os.getpid()})


def test_a_servers_lock_file_that_stays_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(invariants, "PATIENCE", 0.1)
    data = tmp_path / "postgres" / "0" / "data"
    data.mkdir(parents=True)
    (data / "postmaster.pid").touch()
    with pytest.raises(Broken, match=r"a server's file .*postmaster\.pid"):
        invariants.check_nothing_left(belongings(), tmp_path, "no such mark", {os.getpid()})


def test_who_is_frozen_goes_on(tmp_path: Path) -> None:
    script = "import sys\nfor line in sys.stdin: print(line, end='', flush=True)"
    command = [sys.executable, "-c", script, "engine_child"]
    with subprocess.Popen(command, stdin=-1, stdout=-1, text=True, bufsize=1) as process:
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write("before\n")
        assert process.stdout.readline() == "before\n"
        with carried_out(Attack(Violence.FREEZE_ENGINE, 0.0, 60.0), os.getpid()):
            state = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[0]
            assert state == "T"
        process.stdin.write("after\n")
        assert process.stdout.readline() == "after\n"


def test_a_broken_round_is_told_so_that_it_can_be_repeated(
    capsys: pytest.CaptureFixture[str],
) -> None:
    class Broke:
        servers = SERVERS

        def carry_out(self, what: Plan) -> None:
            raise Broken("three connections are left")

        end: Callable[[], None] = staticmethod(lambda: None)

    arguments = argparse.Namespace(
        seconds=60.0, first=5, rounds=None, keep_going=False, verbose=False
    )
    assert program._rounds(Broke(), 42, arguments) == 1  # type: ignore[arg-type]
    said = capsys.readouterr().out
    assert "BROKEN: seed 42, round 5: three connections are left" in said
    assert str(plan(42, 5, SERVERS)) in said
    assert "python -m tests.chaos --seed 42 --first 5 --rounds 1" in said
