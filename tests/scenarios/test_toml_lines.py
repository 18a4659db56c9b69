"""The line of each key in a TOML text, in whatever way it is written."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from typing import Any

import tomli_w
from hypothesis import given
from hypothesis import strategies as st

from poolviz.scenarios.toml_lines import KeyPath, lines_of

TEXTS = st.text(st.characters(exclude_categories=("Cs",)), max_size=8)
KEYS = st.one_of(st.sampled_from(["limits", "load", "at", "a b", "", "#", "'", '"']), TEXTS)
PLAIN = st.one_of(TEXTS, st.integers(-9, 9), st.booleans(), st.floats(0, 1), st.dates())
VALUES = st.recursive(
    PLAIN, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3)
)
TABLES = st.dictionaries(KEYS, VALUES, max_size=5)


def key_paths(value: Any, key_path: KeyPath = ()) -> Iterator[KeyPath]:
    """Yield the key path of everything in a table."""
    inside = value.items() if isinstance(value, dict) else ()
    if isinstance(value, list):
        inside = list(enumerate(value))
    for key, inner in inside:
        yield (*key_path, key)
        yield from key_paths(inner, (*key_path, key))


@given(TABLES, st.booleans())
def test_everything_in_a_text_has_its_line(table: dict[str, Any], multiline: bool) -> None:
    text = tomli_w.dumps(table, multiline_strings=multiline)
    found = lines_of(text)
    assert set(found) == set(key_paths(tomllib.loads(text)))
    assert all(1 <= line <= text.count("\n") + 1 for line in found.values())


@given(TABLES, st.integers(0, 4))
def test_lines_move_with_the_text_above(table: dict[str, Any], above: int) -> None:
    text = tomli_w.dumps(table)
    moved = lines_of("# not = a key [\r\n" * above + text)
    assert moved == {key_path: line + above for key_path, line in lines_of(text).items()}


ALL_WAYS = '''\
title = """
a = 1
[not.a.table] \\""" ""\\
"""""   # 4
pool = 'x'  # [no]
"quo\\u0074ed"."two words" = {a = 1, b.c = [2, {d = """
"""}]}
when = 1979-05-27 07:32:00
[limits]   # 9
 minconn=1
many = [
  1, # one, ] two
  [2,
   3],
]
[a.b.c]
d = true
[[changes]]
at = 1
[[changes.inner]]
x = 1
[[changes]]
[changes.inner]
y = 2
[a]
z = inf
'''


def test_every_way_to_write_a_key_is_found() -> None:
    found = lines_of(ALL_WAYS)
    assert set(found) == set(key_paths(tomllib.loads(ALL_WAYS)))
    lines = ALL_WAYS.split("\n")
    expected = {
        ("title",): "title",
        ("pool",): "pool",
        ("quoted", "two words", "b", "c", 1, "d"): '"quo',
        ("when",): "when",
        ("limits", "minconn"): " minconn",
        ("limits", "many", 1, 1): "   3]",
        ("a", "b", "c", "d"): "d = true",
        ("a", "z"): "z",
        ("changes", 0, "inner", 0, "x"): "x",
        ("changes", 1, "inner", "y"): "y",
    }
    for key_path, begins in expected.items():
        assert lines[found[key_path] - 1].startswith(begins), key_path
