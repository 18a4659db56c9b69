"""The Spanish README has what the English one has."""

from __future__ import annotations

import re

from tests.language.catalogues import ROOT

ENGLISH, SPANISH = ((ROOT / name).read_text() for name in ("README.md", "README.es.md"))


def headings(text: str) -> list[int]:
    """The levels of the headings, code left out."""
    return [len(level) for level in re.findall(r"^(#+) ", without_code(text), re.MULTILINE)]


def without_code(text: str) -> str:
    return re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)


def test_both_have_the_same_headings() -> None:
    assert headings(SPANISH) == headings(ENGLISH)


def test_both_have_the_same_code() -> None:
    blocks = re.compile(r"^```.*?^```$", re.DOTALL | re.MULTILINE)
    assert blocks.findall(SPANISH) == blocks.findall(ENGLISH)


def test_tables_have_as_many_rows() -> None:
    rows = re.compile(r"^\|", re.MULTILINE)
    assert len(rows.findall(SPANISH)) == len(rows.findall(ENGLISH))


def test_each_leads_to_the_other() -> None:
    assert "(README.es.md)" in ENGLISH
    assert "(README.md)" in SPANISH
