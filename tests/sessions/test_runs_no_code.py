"""A session names the pool that it ran, which may be a file of anybody's. Whatever is done with the
session short of running it, that file is not executed."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from poolviz.model.scenario import Scenario
from poolviz.sessions.export.registry import suffixes
from poolviz.sessions.recorder import Recorder
from poolviz.sessions.session import Session
from tests.sessions.builders import LIMITS, began, record, reports, samples, ticks

CODE = """
from pathlib import Path
Path({marker!r}).write_text("executed")
class Pool:
    pass
"""


@pytest.fixture
def marker(tmp_path: Path) -> Path:
    """Where the code that must not be executed would write."""
    return tmp_path / "executed"


@pytest.fixture(params=["file", "module"])
def crafted(tmp_path: Path, marker: Path, request: pytest.FixtureRequest) -> Path:
    """A session of a pool whose file writes the marker once it is imported."""
    code = tmp_path / "crafted_pool.py"
    code.write_text(CODE.format(marker=str(marker)))
    pool = f"{code}:Pool" if request.param == "file" else "crafted_pool:Pool"
    scenario = Scenario(pool=pool, limits=LIMITS, load={"clients": 3}, duration=1.0)
    path = tmp_path / "crafted.poolviz"
    with Recorder(path) as recorder:
        start = began(scenario=scenario)
        record(recorder, [start, *list(reports(samples(ticks(20))))[1:]])
    return path


def poolviz(folder: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    """A poolviz that finds the module, without a display."""
    environment = os.environ | {"PYTHONPATH": str(folder), "POOLVIZ_HOME": str(folder / "home")}
    for display in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"):
        environment.pop(display, None)
    return subprocess.run(
        [sys.executable, "-m", "poolviz", *map(str, arguments)],
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
        env=environment,
        cwd=folder,
    )


def test_the_code_writes_the_marker_when_it_is_imported(crafted: Path, marker: Path) -> None:
    subprocess.run(
        [sys.executable, "-c", "import crafted_pool"], check=True, cwd=crafted.parent, timeout=60
    )
    assert marker.exists()


@pytest.mark.parametrize("suffix", sorted({*suffixes()} - {".pdf", ".png", ".svg"}))
def test_an_export_runs_no_code(
    crafted: Path, marker: Path, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(crafted.parent))
    target = crafted.with_name(f"out{suffix}")
    with Session.open(crafted) as session:
        assert session.scenario.pool.partition(":")[0].removesuffix(".py").endswith("crafted_pool")
        assert session.summary().samples == len(list(session.samples())) == 20
        assert target in session.export(target)
    assert target.stat().st_size
    assert not marker.exists()
    assert "crafted_pool" not in sys.modules


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (lambda path: ("export", path, *(path.with_name(f"out{end}") for end in suffixes())), 0),
        (lambda path: (path,), 2),
    ],
    ids=["export", "shown without a display"],
)
def test_no_command_that_takes_a_session_runs_code(
    crafted: Path,
    marker: Path,
    arguments: Callable[[Path], tuple[object, ...]],
    status: int,
) -> None:
    done = poolviz(crafted.parent, *arguments(crafted))
    assert done.returncode == status
    assert "Traceback" not in done.stderr
    assert not marker.exists()
