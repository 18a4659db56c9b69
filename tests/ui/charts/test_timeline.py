"""Which part of the session is shown, however the user moves it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from poolviz.ui.charts.timeline import Timeline


def timeline(duration: float = 200.0, span: float | None = 60.0) -> Timeline:
    made = Timeline()
    made.duration = duration
    made.set_span(span)
    return made


class AnyMoves(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.timeline = Timeline()

    @rule(seconds=st.floats(0, 500))
    def grow(self, seconds: float) -> None:
        self.timeline.duration += seconds

    @rule(seconds=st.floats(-1000, 1000))
    def pan(self, seconds: float) -> None:
        self.timeline.pan(seconds)

    @rule(factor=st.floats(0.01, 100), share=st.floats(0, 1))
    def zoom(self, factor: float, share: float) -> None:
        frame = self.timeline.frame
        self.timeline.zoom(factor, frame.start + share * frame.span)

    @rule(span=st.sampled_from([60.0, 300.0, 900.0, None]))
    def set_span(self, span: float | None) -> None:
        self.timeline.set_span(span)

    @rule(end=st.floats(-100, 3000))
    def move_to(self, end: float) -> None:
        self.timeline.move_to(end)

    @rule()
    def follow(self) -> None:
        self.timeline.follow()

    @invariant()
    def something_of_the_session_is_shown(self) -> None:
        frame = self.timeline.frame
        assert frame.span > 0
        assert frame.end <= max(self.timeline.duration, 5.0)
        assert frame.end >= 0
        assert frame.start <= self.timeline.duration
        assert self.timeline.behind >= 0
        assert not (self.timeline.following and self.timeline.behind)


TestAnyMoves = AnyMoves.TestCase


def test_following_keeps_the_end_at_the_newest_sample() -> None:
    made = timeline()
    made.duration = 250.0
    assert (made.frame.start, made.frame.end) == (190.0, 250.0)
    assert made.frame.live


def test_panning_stays_while_the_session_grows() -> None:
    made = timeline()
    made.pan(-30)
    made.duration = 250.0
    assert (made.frame.start, made.frame.end) == (110.0, 170.0)
    assert made.behind == 80.0
    assert not made.following


def test_a_session_that_is_shown_whole_cant_be_dragged_away() -> None:
    made = timeline(duration=20.0)
    made.pan(-15)
    assert made.following


@given(st.floats(0.2, 3), st.floats(0.05, 0.95))
def test_zooming_keeps_the_moment_under_the_pointer(factor: float, share: float) -> None:
    made = timeline(duration=1000.0)
    made.pan(-400)
    before = made.frame
    around = before.start + share * before.span
    made.zoom(factor, around)
    after = made.frame
    assert abs((around - after.start) / after.span - share) < 1e-6


def test_zooming_out_ends_at_the_whole_session() -> None:
    made = timeline()
    made.zoom(1000, 150)
    assert (made.frame.start, made.frame.end) == (0.0, 200.0)


def test_an_ended_session_has_no_now() -> None:
    made = timeline()
    made.over = True
    assert not made.frame.live


def test_following_again_brings_the_chosen_span_back() -> None:
    made = timeline()
    made.zoom(0.1, 150)
    made.follow()
    assert made.frame.span == 60.0


@given(st.floats(0, 60))
def test_the_axis_grows_with_the_session_until_it_is_full(duration: float) -> None:
    made = timeline(duration=duration)
    assert made.frame.live
    assert abs(made.frame.span - max(duration, 5.0)) < 1e-9
    made.over = True
    assert abs(made.frame.span - max(duration, 0.5 if duration else 5.0)) < 1e-9
    assert made.shows_all
    assert made.frame.start >= -1e-9


def test_zooming_out_of_a_short_session_shows_no_more_than_there_is() -> None:
    made = timeline(duration=20.0)
    made.over = True
    made.zoom(0.25, 10.0)
    assert not made.shows_all
    made.zoom(100, 10.0)
    assert (made.frame.start, made.frame.end) == (0.0, 20.0)
