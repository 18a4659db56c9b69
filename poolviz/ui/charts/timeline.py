"""Which part of a session is shown: the newest, which it follows, or a part chosen by the user."""

from __future__ import annotations

from poolviz.ui.charts.axes import Frame

_SHORTEST = 0.5  # seconds: ten samples
_WHOLE = 5.0  # while a session is shorter than this, its axis has this length


class Timeline:
    """The visible part of a session that grows. All times are in seconds since its start."""

    def __init__(self) -> None:
        self.span: float | None = 60.0  # None: all of it
        self.duration = 0.0
        self.over = False  # the session has ended, so its end is no longer now
        self._end: float | None = None  # None: following
        self._width = 60.0  # seconds shown while not following

    @property
    def following(self) -> bool:
        """The visible part ends at the session's end, and moves with it."""
        return self._end is None

    @property
    def behind(self) -> float:
        """Seconds from the end of the visible part to the session's end."""
        return 0.0 if self._end is None else max(self.duration - self._end, 0.0)

    @property
    def frame(self) -> Frame:
        """The visible part. Its axis grows with the session until it is as long as is wanted, and
        that of a session that is over fits it."""
        if self._end is not None:
            return Frame(self._end - self._width, self._end, live=False)
        whole = max(self.duration, _SHORTEST if self.over and self.duration else _WHOLE)
        if self.span is None:
            return Frame(0.0, whole, live=False)
        end = max(self.duration, whole) if self.over else self.duration
        return Frame(end - min(self.span, whole), end, live=not self.over)

    @property
    def shows_all(self) -> bool:
        """Nothing of the session is outside of the visible part."""
        frame = self.frame
        return frame.start <= 0.0 and frame.end >= self.duration

    def follow(self) -> None:
        """Follow the session's end again."""
        self._end = None

    def pause(self) -> None:
        """Keep showing the present part."""
        frame = self.frame
        self._place(frame.end, frame.span)

    def set_span(self, seconds: float | None) -> None:
        """Show `seconds` up to the present end of the visible part; None shows the session."""
        self.span = seconds
        if seconds is None:
            self.follow()
        elif self._end is not None:
            self._place(self._end, seconds)

    def pan(self, seconds: float) -> None:
        """Move the visible part, to the past if negative; no effect while all is visible."""
        frame = self.frame
        if frame.start > 0 or frame.end < self.duration:
            self._place(frame.end + seconds, frame.span)

    def zoom(self, factor: float, around: float) -> None:
        """Show `factor` times as much. The time `around` stays at its place."""
        frame = self.frame
        longest = max(self.duration, frame.span)
        width = min(max(frame.span * factor, _SHORTEST), longest)
        share = (frame.end - around) / frame.span
        self._place(around + width * share, width)

    def move_to(self, end: float) -> None:
        """End the visible part at `end`; follow the session if that is its end."""
        if end >= self.duration:
            self.follow()
        else:
            self._place(end, self.frame.span)

    def show_part(self, start: float, end: float) -> None:
        """Show the part from `start` to `end`, and don't follow."""
        self._place(end, max(end - start, _SHORTEST))

    def _place(self, end: float, width: float) -> None:
        self._width = width
        self._end = min(max(end, min(width, self.duration)), self.duration)
