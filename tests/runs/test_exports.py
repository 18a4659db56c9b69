"""The files of a run are checked before it, and none is written twice."""

from __future__ import annotations

from pathlib import Path

import pytest

from poolviz.model.errors import InputError
from poolviz.runs.exports import check_exports
from poolviz.runs.request import RunRequest
from poolviz.scenarios.toml_file import read_draft


def test_no_two_names_may_lead_to_the_same_file(tmp_path: Path) -> None:
    (tmp_path / "link.csv").symlink_to("a.csv")
    (tmp_path / "b.poolviz").symlink_to("a.poolviz")
    a = tmp_path / "a.csv"
    beside = check_exports([a])[a].files(a)[1]
    for one, other in ((a, "link.csv"), (a, beside), (tmp_path / "a.poolviz", "b.poolviz")):
        with pytest.raises(InputError, match=r"would both write .*: rename one of them\.$"):
            check_exports([one, tmp_path / other])
    assert list(check_exports([a, a])) == [a]


def test_no_link_to_the_scenario_is_written(tmp_path: Path) -> None:
    scenario = tmp_path / "own.toml"
    scenario.write_text("title = 'x'\n")
    (tmp_path / "hard.toml").hardlink_to(scenario)
    (tmp_path / "soft.toml").symlink_to(scenario)
    for name in ("own.toml", "hard.toml", "soft.toml"):
        with pytest.raises(InputError, match="is the scenario itself"):
            RunRequest.of(read_draft(scenario), [tmp_path / name])
    assert scenario.read_text() == "title = 'x'\n"
