"""The longest holds that are found are the true ones, in however many parts they are read."""

from __future__ import annotations

from collections import defaultdict
from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from poolviz.model.lanes import USED, Pieces, State
from poolviz.sessions.holds import US, longest_in

STEPS = st.lists(
    st.tuples(
        st.integers(0, 3),  # lane
        st.integers(1, 2000),  # µs until it begins
        st.lists(st.tuples(st.sampled_from(USED), st.integers(1, 3000)), min_size=1, max_size=3),
    ),
    min_size=1,
    max_size=40,
)


def made(steps: list[tuple[int, int, list[tuple[State, int]]]]) -> list[tuple[int, ...]]:
    """Rows of pieces: lane, state, begin, end, client, number, since."""
    now: dict[int, int] = defaultdict(int)
    rows = []
    for client, (lane, pause, parts) in enumerate(steps):
        rows.append((lane, State.IDLE, now[lane], now[lane] + pause, -1, lane, now[lane]))
        since = at = now[lane] + pause
        for state, length in parts:
            rows.append((lane, state, at, at + length, client, lane, since))
            at += length
        now[lane] = at
    return rows


def cut(rows: list[tuple[int, ...]], begin: int, end: int) -> Pieces:
    """The pieces between two moments, lane by lane."""
    inside = sorted(
        (lane, state, max(b, begin), min(e, end), *rest)
        for lane, state, b, e, *rest in rows
        if b < end and e > begin
    )
    inside.sort(key=lambda row: (row[0], row[2]))
    return Pieces(*np.array(inside, dtype=np.int64).reshape(-1, 7).T)


@settings(deadline=None, max_examples=60)
@given(steps=STEPS, cuts=st.lists(st.integers(1, 20_000), max_size=5))
def test_the_longest_holds_are_found_whole(
    steps: list[tuple[int, int, list[tuple[State, int]]]], cuts: list[int]
) -> None:
    rows = made(steps)
    last = max(row[3] for row in rows)
    edges = sorted({0, last, *(at for at in cuts if at < last)})
    found = longest_in([cut(rows, *both) for both in pairwise(edges)], 10)
    spent: dict[int, dict[int, int]] = defaultdict(lambda: defaultdict(int))
    wanted: dict[int, tuple[int, int]] = {}
    for _, state, begin, end, client, _, since in rows:
        if client >= 0:
            wanted[client] = since, end
            spent[client][state] += end - begin
    longest = sorted((end - since for since, end in wanted.values()), reverse=True)[:10]
    assert [round(hold.seconds / US) for hold in found] == longest
    for hold in found:
        since, end = wanted[hold.client]
        assert (round(hold.since / US), round(hold.until / US)) == (since, end)
        assert spent[hold.client][hold.mostly] == max(spent[hold.client].values())


def test_nothing_is_found_where_nobody_holds_a_connection() -> None:
    idle = [(0, State.IDLE, 0, 100, -1, 4, 0)]
    assert longest_in([cut(idle, 0, 100), cut([], 0, 0)]) == []
