"""The README names what there is: presets, figures, faults, pools, commands."""

from __future__ import annotations

import re

import pytest

from poolviz.load.faults import FAULTS
from poolviz.pools.registry import listings
from poolviz.scenarios.presets import presets
from poolviz.sessions.summary import RunSummary
from poolviz.sessions.thresholds import FIGURES, Threshold
from tests.servers.fixtures import PROJECT

README = (PROJECT / "README.md").read_text(encoding="utf-8")
NAMED = set(re.findall(r"[\w.]+", " ".join(re.findall(r"`([^`\n]+)`", README))))


def _section(title: str) -> str:
    """Return the text under a heading, up to the next one of its level or above."""
    level, _ = title.split(" ", 1)
    after = README.partition(f"\n{title}\n")[2]
    assert after, title
    return re.split(rf"\n#{{1,{len(level)}}} ", after, maxsplit=1)[0]


def test_every_preset_is_named() -> None:
    table = set(re.findall(r"^\| `(\w+)` \|", _section("## Scenarios"), re.MULTILINE))
    assert {preset.name for preset in presets()} <= table


def test_every_fault_is_named() -> None:
    assert set(FAULTS) <= NAMED


def test_every_pool_is_named() -> None:
    for listing in listings():
        library, _, name = listing.id.partition(".")
        assert listing.id in NAMED or f".{name}" in NAMED, f"{library}'s {name}"


def test_every_figure_and_operator_of_a_condition_is_named() -> None:
    text = _section("### `--fail-if`")
    words = set(re.findall(r"\w+", text))
    for figure in FIGURES:
        time, _, statistic = figure.rpartition("_")
        assert figure in words or {f"{time}_", statistic} <= words, figure
    for operator in re.findall(r"`([<>=!]+)`", text):
        Threshold.parse(f"errors {operator} 0")


def test_every_key_of_a_result_is_named() -> None:
    text = _section("### `--json`")
    assert set(RunSummary.__struct_fields__) <= set(re.findall(r"\w+", text))


@pytest.mark.parametrize("path", re.findall(r"\]\(((?!http)[^)#]+)\)", README))
def test_every_link_leads_to_a_file(path: str) -> None:
    assert (PROJECT / path).exists()
