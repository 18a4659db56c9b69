"""Whether the load generator is at its own limit, so that its figures may not be the pool's."""

from __future__ import annotations

from poolviz.model.sample import Sample

_LASTING = 1.0  # seconds of samples after which it is so, or is over


class Overload:
    """Follows the samples of a run; a moment of overload doesn't count."""

    def __init__(self) -> None:
        self._so = False
        self._other_since: float | None = None  # when samples began to say something else

    def see(self, last: Sample | None) -> bool:
        """Whether there is overload, the newest sample being `last`; without one there is none."""
        if last is None:
            self._so, self._other_since = False, None
        elif last.strained is self._so:
            self._other_since = None
        elif self._other_since is None or self._other_since > last.t:
            self._other_since = last.t
        elif last.t - self._other_since > _LASTING:
            self._so, self._other_since = last.strained, None
        return self._so


def measured(sample: Sample) -> str:
    """How much is requested of the load generator, in a few words."""
    return f"{sample.cpu:.0%} of a core, timers {sample.lag * 1e3:.0f} ms late".replace("%", " %")


def sentence_about(sample: Sample) -> str:
    """What to say of a overload that lasts."""
    return (
        f"The load generator is at its own limit ({measured(sample)}): these figures may be its "
        "own, not the pool's."
    )
