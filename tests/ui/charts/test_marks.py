"""The marks' labels, wherever marks are."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PySide6.QtGui import QFontMetricsF
from PySide6.QtWidgets import QApplication

from poolviz.model.sample import Mark, MarkKind
from poolviz.ui.charts.marks import Label, Room, arrange
from poolviz.ui.style.theme import ui_font

ROOM = Room(left=54, title_right=220, plot_right=900, right=978, top=7)
places = st.lists(
    st.tuples(st.floats(54, 900), st.text("abcdefgh 0123456789→", min_size=1, max_size=60)),
    max_size=30,
)


def mark(text: str, kind: MarkKind = MarkKind.CHANGE) -> Mark:
    return Mark(t=1.0, kind=kind, text=text)


def labels(*placed: tuple[float, str]) -> list[Label]:
    marks = [(x, mark(text)) for x, text in sorted(placed)]
    return arrange(marks, ROOM, QFontMetricsF(ui_font(11)))


@pytest.mark.usefixtures("qapp")
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(places)
def test_no_label_covers_another_or_the_title_or_leaves_the_panel(
    placed: list[tuple[float, str]],
) -> None:
    found = labels(*placed)
    for index, label in enumerate(found):
        assert not any(label.rect.intersects(other.rect) for other in found[index + 1 :])
        assert label.rect.right() <= ROOM.right
        assert label.rect.left() >= ROOM.left
        assert label.rect.top() > ROOM.top or label.rect.left() >= ROOM.title_right


def test_a_label_stands_right_of_its_line(qapp: QApplication) -> None:
    (label,) = labels((500.0, "pool_size 5 → 8"))
    assert 500 < label.rect.left() < 510


def test_the_newest_marks_are_named_and_the_others_counted(qapp: QApplication) -> None:
    found = labels(*((500.0 + index, f"a change that is number {index}") for index in range(5)))
    texts = [label.text for label in found]
    assert "a change that is number 4" in texts
    assert "+3" in texts


def test_labels_move_with_their_lines_and_dont_jump(qapp: QApplication) -> None:
    placed = [(700.0, "clients 8 → 40"), (720.0, "max_overflow 5 → 15"), (860.0, "pool_size 5 → 6")]
    before = {label.text: label.rect.topLeft() for label in labels(*placed)}
    after = {
        label.text: label.rect.topLeft() for label in labels(*((x - 200, t) for x, t in placed))
    }
    for text in ("clients 8 → 40", "max_overflow 5 → 15"):
        assert before[text].x() - after[text].x() == pytest.approx(200)
        assert before[text].y() == after[text].y()
