"""Which limits of a pool a sweep changes, and what the pool's limits are at each size."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from poolviz.language import tr
from poolviz.model.errors import InputError
from poolviz.model.parameters import Count, Value
from poolviz.pools.base import Pool

_RANGE = re.compile(r"(\d+)\s*\.\.\s*(\d+)")
_LADDER = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256)
_PROBES = (20, 50)  # sizes by which it is seen what a limit does


@dataclass(frozen=True)
class Range:
    """A limit and the lowest and highest value that are tried of it."""

    key: str
    low: int
    high: int

    @classmethod
    def parse(cls, key: str, text: str) -> Range | None:
        """Return the range that `LOW..HIGH` says; None if `text` is no range. InputError for one
        that has nothing in it."""
        found = _RANGE.fullmatch(text.strip())
        if found is None:
            return None
        return cls.of(key, int(found[1]), int(found[2]))

    @classmethod
    def of(cls, key: str, low: int, high: int) -> Range:
        """Return the range from `low` to `high`. InputError if there is nothing in it."""
        if high <= low:
            given = f"{key}={low}..{high}"
            raise InputError(
                tr("{range}: a range goes from a lower to a higher number.", range=given)
            )
        return cls(key, low, high)

    def values(self) -> list[int]:
        """Return the values that are tried first: close together where they are small."""
        inside = [each for each in _LADDER if self.low < each < self.high]
        return [self.low, *inside, self.high]


def size_limit(pool: type[Pool], limits: Mapping[str, Value]) -> str:
    """Return the limit of `pool` that says how many connections it has at most. InputError if none
    does, because then there is nothing to find out."""
    for key, limit in pool.limits.items():
        if isinstance(limit, Count):
            low, high = (pool.capacity({**limits, key: probe}) for probe in _PROBES)
            if low is not None and high is not None and high - low == _PROBES[1] - _PROBES[0]:
                return key
    raise InputError(
        tr("{pool} has no limit of how many connections it opens: no size to find.", pool=pool.id)
    )


def overflow_limits(pool: type[Pool], size: str, limits: Mapping[str, Value]) -> list[str]:
    """Return the limits that allow further connections beside `size`, such as max_overflow."""
    found = []
    for key, limit in pool.limits.items():
        if key != size and isinstance(limit, Count) and limit.at_least is None:
            with_none, with_some = (pool.capacity({**limits, key: each}) for each in (0, 7))
            if with_none is not None and with_some is not None and with_some - with_none == 7:
                found.append(key)
    return found


def check_range(pool: type[Pool], swept: Range) -> None:
    """Raise InputError if `swept` isn't a whole number among the pool's limits, or leaves their
    bounds."""
    limit = pool.limits.find(swept.key)
    if not isinstance(limit, Count):
        raise InputError(tr("{key} is not a whole number: only those can be swept.", key=swept.key))
    limit.check(swept.low)
    limit.check(swept.high)


def limits_at(
    pool: type[Pool], limits: Mapping[str, Value], keys: Sequence[str], values: Sequence[int]
) -> dict[str, Value]:
    """Return all limits with these values; a lower bound such as `minconn` yields to them."""
    found = {**limits, **dict(zip(keys, values, strict=True))}
    for key in keys:
        floor = pool.limits[key].at_least
        if floor is not None and floor not in keys:
            found[floor] = min(int(found[floor]), int(found[key]))
    pool.limits.check_together(found)
    return found


def in_order(
    pool: type[Pool], now: Mapping[str, Value], wanted: Mapping[str, Value]
) -> list[tuple[str, Value]]:
    """Return the changes that lead from `now` to `wanted`, so that none of them is refused: a lower
    bound goes down before its upper one, and up after it."""
    changes = [(key, value) for key, value in wanted.items() if now[key] != value]
    floors = {limit.at_least for limit in pool.limits.values()}

    def rank(change: tuple[str, Value]) -> int:
        key, value = change
        if key not in floors:
            return 1
        return 0 if float(value) < float(now[key]) else 2

    return sorted(changes, key=rank)
