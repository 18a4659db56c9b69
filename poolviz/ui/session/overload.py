"""Whether the load generator has been over one of its limits for a while."""

from __future__ import annotations

from poolviz.language import tr
from poolviz.model.load_generator import limits_crossed
from poolviz.model.sample import Sample

_LASTING = 1.0  # seconds of samples after which an overload counts, or is over


class Overload:
    """Follows the samples of a run; an overload of a moment doesn't count."""

    def __init__(self) -> None:
        self._lasts = False
        self._different_since: float | None = None  # when samples began to say something else
        self._worst: Sample | None = None  # the last sample that was over a limit

    def see(self, last: Sample | None) -> Sample | None:
        """Take the newest sample; return the last one that was over a limit while an overload
        lasts, else None. Without a sample there is none."""
        if last is None:
            self._lasts, self._different_since, self._worst = False, None, None
            return None
        if last.overloaded:
            self._worst = last
        if last.overloaded is self._lasts:
            self._different_since = None
        elif self._different_since is None or self._different_since > last.t:
            self._different_since = last.t
        elif last.t - self._different_since > _LASTING:
            self._lasts, self._different_since = last.overloaded, None
        return self._worst if self._lasts else None


def limit_sentence(sample: Sample) -> str:
    """Return what to say of an overload that lasts, by a sample that was over a limit."""
    return tr(
        "The load generator is at its own limit ({limits_crossed}): these "
        "figures may be its own, not the pool's.",
        limits_crossed=limits_crossed(sample.cpu, sample.lag),
    )
