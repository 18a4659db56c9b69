"""What the README names exists, and it names every figure of a result."""

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
KEYS = {
    "title",
    "pool",
    "dsn",
    "connect",
    "changes",
    "fail_if",
    "lesson",
}  # rows of the table of a scenario's keys


def _words(text: str) -> set[str]:
    return set(re.findall(r"`(\w+)`", text))


def _section(title: str) -> str:
    """Return the text under a heading, up to the next one of its level or above."""
    level, _ = title.split(" ", 1)
    after = README.partition(f"\n{title}\n")[2]
    assert after, title
    return re.split(rf"\n#{{1,{len(level)}}} ", after, maxsplit=1)[0]


def test_the_named_presets_exist() -> None:
    table = set(re.findall(r"^\| `(\w+)` \|", _section("## Scenarios"), re.MULTILINE))
    assert table - KEYS <= {preset.name for preset in presets()}


def test_the_named_faults_exist() -> None:
    table = _section("## The load").partition("| | |")[2].partition("\n\n")[0]
    named = {key for row in re.findall(r"^\|([^|]+)\|", table, re.M) for key in _words(row)}
    assert named and named <= set(FAULTS)


def test_the_named_pools_exist() -> None:
    known = {listing.id for listing in listings()}
    table = "".join(re.findall(r"^\| .*", _section("## The pools"), re.MULTILINE))
    library, named = "", set()
    for name in re.findall(r"`([\w.]*\.\w+)`", table):
        library = name.partition(".")[0] or library
        named.add(name if not name.startswith(".") else library + name)
    assert named and named <= known


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
