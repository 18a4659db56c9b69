"""Arrays of numbers as bytes that compress well.

Whole numbers are stored as the differences of neighbours, in as few bytes as these need. So are
times that are whole nanoseconds, as clocks give them. Of other fractions, the first bytes of all
come first, then the second ones: signs and exponents are alike, and only the rest is not.
"""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from poolviz.model.histogram import CELL

_NS = 1e-9
_EXACT = 2.0**53  # below it, every whole number is a float
_INTS = ("<i1", "<i2", "<i4", "<i8")


class Packed(msgspec.Struct, array_like=True):
    """An array: its `kind` ("ints", "ns", "floats" or "cells"), its bytes, and for differences
    how many bytes each has."""

    kind: str
    data: bytes
    width: str = ""
    more: bytes = b""


def pack_array(array: NDArray[Any]) -> Packed:
    """Return an array of int64, float64 or cells as bytes."""
    if array.dtype == CELL:
        buckets = _differences(array["bucket"].astype(np.int64))
        counts = _differences(array["count"].astype(np.int64))
        return Packed("cells", buckets[1], f"{buckets[0]}{counts[0]}", counts[1])
    if array.dtype == np.int64:
        width, data = _differences(array)
        return Packed("ints", data, width)
    with np.errstate(over="ignore"):
        nanoseconds = np.rint(array / _NS)
    if (np.abs(nanoseconds) < _EXACT).all():  # False for NaN
        whole = nanoseconds.astype(np.int64)
        if ((whole * _NS).view(np.int64) == array.view(np.int64)).all():
            width, data = _differences(whole)
            return Packed("ns", data, width)
    return Packed("floats", array.astype("<f8").view(np.uint8).reshape(-1, 8).T.tobytes())


def unpack_array(packed: Packed) -> NDArray[Any]:
    """Return the array that was packed. ValueError if none was."""
    if packed.kind == "cells":
        buckets = _sums(packed.data, packed.width[:3])
        counts = _sums(packed.more, packed.width[3:])
        cells = np.empty(len(buckets), dtype=CELL)
        cells["bucket"], cells["count"] = buckets, counts
        return cells
    if packed.kind == "ints":
        return _sums(packed.data, packed.width)
    if packed.kind == "ns":
        return _sums(packed.data, packed.width) * _NS
    if packed.kind == "floats":
        table = np.frombuffer(packed.data, dtype=np.uint8).reshape(8, -1)
        return np.ascontiguousarray(table.T).view("<f8").reshape(-1).astype(np.float64)
    raise ValueError(f"no kind {packed.kind!r}")


def _differences(numbers: NDArray[np.int64]) -> tuple[str, bytes]:
    """Return the differences of neighbours as bytes, and how many each has."""
    steps = np.diff(numbers, prepend=0)  # may pass 2^63, and comes back in `_sums`
    for width in _INTS:
        bounds = np.iinfo(width)
        if not len(steps) or (bounds.min <= steps.min() and steps.max() <= bounds.max):
            break
    narrow = steps.astype(width)
    return width, narrow.view(np.uint8).reshape(-1, narrow.itemsize).T.tobytes()


def _sums(data: bytes, width: str) -> NDArray[np.int64]:
    if width not in _INTS:
        raise ValueError(f"no width {width!r}")
    table = np.frombuffer(data, dtype=np.uint8).reshape(np.dtype(width).itemsize, -1)
    steps = np.ascontiguousarray(table.T).view(width).reshape(-1)
    sums: NDArray[np.int64] = steps.cumsum(dtype=np.int64)
    return sums
