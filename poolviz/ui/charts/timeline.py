"""What part of the session is shown: following the end, or standing where somebody left it."""

from __future__ import annotations

from poolviz.ui.charts.axes import Frame

_SHORTEST = 0.5  # seconds: ten samples
_WHOLE = 5.0  # a whole session shorter than this is shown on an axis of this length


class Timeline:
    """The visible window of a session that grows. All times in seconds since its start."""

    def __init__(self) -> None:
        self.span: float | None = 60.0  # None: all of it
        self.duration = 0.0
        self.over = False  # the session has ended: its end is no longer now
        self._end: float | None = None  # None: following
        self._width = 60.0  # what is shown while standing

    @property
    def following(self) -> bool:
        """The window's end is the session's end, and moves with it."""
        return self._end is None

    @property
    def behind(self) -> float:
        """How far the window's end is behind the session's."""
        return 0.0 if self._end is None else max(self.duration - self._end, 0.0)

    @property
    def frame(self) -> Frame:
        """The visible window."""
        if self._end is not None:
            return Frame(self._end - self._width, self._end, live=False)
        if self.span is None:
            return Frame(0.0, max(self.duration, _WHOLE), live=False)
        return Frame(self.duration - self.span, self.duration, live=not self.over)

    def follow(self) -> None:
        """Go back to the end."""
        self._end = None

    def stand(self) -> None:
        """Stay where the window is now."""
        frame = self.frame
        self._place(frame.end, frame.span)

    def set_span(self, seconds: float | None) -> None:
        """Show `seconds` up to the window's present end; None shows all of the session."""
        self.span = seconds
        if seconds is None:
            self.follow()
        elif self._end is not None:
            self._place(self._end, seconds)

    def pan(self, seconds: float) -> None:
        """Move the window; to the past where negative. All of a session can't be moved."""
        frame = self.frame
        if frame.start > 0 or frame.end < self.duration:
            self._place(frame.end + seconds, frame.span)

    def zoom(self, factor: float, around: float) -> None:
        """Show `factor` times as much, with the moment `around` staying where it is."""
        frame = self.frame
        longest = max(self.duration, self.span or 0.0, _WHOLE)
        width = min(max(frame.span * factor, _SHORTEST), longest)
        share = (frame.end - around) / frame.span
        self._place(around + width * share, width)

    def move_to(self, end: float) -> None:
        """Put the window's end at `end`; at the session's own end, follow it."""
        if end >= self.duration:
            self.follow()
        else:
            self._place(end, self.frame.span)

    def _place(self, end: float, width: float) -> None:
        self._width = width
        self._end = min(max(end, min(width, self.duration)), self.duration)
