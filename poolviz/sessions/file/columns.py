"""Samples as columns, which take a fraction of the room and are read many at once.

Every whole number and time of a sample is a column; a `Level` is four, and a `Durations` four and
its cells. Cells and figures of clients, of which each sample has any number, lie one after the
other, with a column of how many each sample has. What few samples have (errors, what the server
said) stands by itself with the number of its sample.

Columns are exact: a sample that was made of them is the one that they were made of.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any, TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray

from poolviz.language import tr
from poolviz.model.histogram import BUCKETS, CELL, Durations
from poolviz.model.sample import Level, ReportedCounts, Sample
from poolviz.sessions.file.arrays import Packed, pack_array, unpack_array
from poolviz.sessions.file.format import Damage, Settings

Column: TypeAlias = NDArray[Any]

_LARGEST = 64_000_000  # bytes of a chunk once unpacked; one of 40 clients takes a million
_LEVEL = ("last", "low", "high", "mean")
_DURATIONS = ("count", "total", "low", "high")
_REPORTED = ("open", "used", "pending")
_OF_CLIENTS = {"per_client": np.int64, "longest_waits": np.float64}
_IN_FORCE = ("limits", "load", "faults")  # which are stored as settings
_NONE = -(2**63)  # in a column of numbers that may be None
_EMPTY = Durations()

_fields = {each.name: each for each in msgspec.structs.fields(Sample)}


def _of(*kinds: object) -> tuple[str, ...]:
    return tuple(name for name, each in _fields.items() if each.type in kinds)


_NUMBERS, _SWITCHES, _FLOATS = _of(int), _of(bool), _of(float)
_LEVELS, _HISTOGRAMS = _of(Level), _of(Durations)
_COLUMNS = (*_NUMBERS, *_SWITCHES, *_FLOATS, *_LEVELS, *_HISTOGRAMS, *_OF_CLIENTS, *_IN_FORCE)
_RARE = tuple(name for name in _fields if name not in (*_COLUMNS, "capacity", "reported_counts"))


class _Stored(msgspec.Struct, array_like=True):
    """A chunk as it is packed: each column, and by field what few samples have."""

    count: int
    columns: dict[str, Packed]
    rare: dict[str, dict[int, msgspec.Raw]]


_unpack = msgspec.msgpack.Decoder(_Stored).decode
_pack = msgspec.msgpack.Encoder().encode
_rare_decoders = {
    name: msgspec.msgpack.Decoder(_fields[name].type) for name in (*_RARE, "reported_counts")
}


@dataclass(frozen=True)
class Columns:
    """Successive samples. `columns` holds by name (`t`, `open.mean`, `wait.count`) an array with a
    number for each, and `settings` the number of each one's settings. `wait.cells` has the cells of
    all, `wait.filled` how many each sample has, and `per_client.clients`, `per_client.values` and
    `per_client.filled` likewise what belongs to clients."""

    count: int
    columns: dict[str, Column]
    rare: dict[str, dict[int, Any]] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Column:
        return self.columns[name]

    @classmethod
    def of(cls, samples: Sequence[Sample], settings: Sequence[int]) -> Columns:
        """Return the columns of samples with settings of these numbers."""
        columns: dict[str, Column] = {"settings": np.array(settings, dtype=np.int64)}
        for name in (*_NUMBERS, *_SWITCHES):
            columns[name] = np.array([getattr(s, name) for s in samples], dtype=np.int64)
        for name in _FLOATS:
            columns[name] = np.array([getattr(s, name) for s in samples], dtype=np.float64)
        for name in _LEVELS:
            levels = [getattr(s, name) for s in samples]
            for part in _LEVEL:
                kind = np.float64 if part == "mean" else np.int64
                values = [getattr(each, part) for each in levels]
                columns[f"{name}.{part}"] = np.array(values, dtype=kind)
        rare: dict[str, dict[int, Any]] = {}
        columns["capacity"] = _optional([s.capacity for s in samples])
        odd = {
            n: s.reported_counts for n, s in enumerate(samples) if not _fit(s.reported_counts)
        }  # which a pool of the user's may report
        if odd:
            rare["reported_counts"] = odd
        for part in _REPORTED:
            reported = (s.reported_counts for s in samples)
            values = [None if n in odd else getattr(r, part) for n, r in enumerate(reported)]
            columns[f"reported.{part}"] = _optional(values)
        for name in _HISTOGRAMS:
            columns |= _durations(name, [getattr(s, name) for s in samples])
        for name in _OF_CLIENTS:
            columns |= _of_clients(name, [getattr(s, name) for s in samples])
        for name in _RARE:
            found = {n: value for n, s in enumerate(samples) if (value := getattr(s, name))}
            if found:
                rare[name] = found
        return cls(len(samples), columns, rare)

    @classmethod
    def unpack(cls, body: bytes) -> Columns:
        """Return what was packed. Damage if it can't have been."""
        try:
            stored = _unpack(_decompressed(body))
            columns = {name: unpack_array(packed) for name, packed in stored.columns.items()}
            rare = {
                name: {n: _rare_decoders[name].decode(raw) for n, raw in values.items()}
                for name, values in stored.rare.items()
                if name in _rare_decoders
            }
        except (msgspec.MsgspecError, zlib.error, ValueError, TypeError, RecursionError):
            raise Damage(tr("a part of its samples is not what was written")) from None
        unpacked = cls(stored.count, _completed(columns, stored.count), rare)
        _check(unpacked)
        return unpacked

    def pack(self) -> bytes:
        """Return the columns as bytes."""
        columns = {name: pack_array(column) for name, column in self.columns.items()}
        rare = {
            name: {n: msgspec.Raw(_pack(value)) for n, value in values.items()}
            for name, values in self.rare.items()
        }
        return zlib.compress(_pack(_Stored(self.count, columns, rare)), 6)

    def samples(self, settings: Sequence[Settings]) -> Iterator[Sample]:
        """Yield the samples, with settings of those numbers, which are shared. Damage if there is
        none of a number."""
        values: dict[str, Sequence[Any]] = {
            name: self[name].tolist() for name in (*_NUMBERS, *_FLOATS)
        }
        for name in _SWITCHES:
            values[name] = self[name].astype(bool).tolist()
        for name in _LEVELS:
            parts = (self[f"{name}.{part}"].tolist() for part in _LEVEL)
            values[name] = [Level(*each) for each in zip(*parts, strict=True)]
        for name in _HISTOGRAMS:
            values[name] = self._durations(name)
        for name in _OF_CLIENTS:
            values[name] = self._of_clients(name)
        values["capacity"] = _with_none(self["capacity"])
        reported = (_with_none(self[f"reported.{part}"]) for part in _REPORTED)
        values["reported_counts"] = [ReportedCounts(*each) for each in zip(*reported, strict=True)]
        numbers = self["settings"].tolist()
        if numbers and not 0 <= min(numbers) <= max(numbers) < len(settings):
            raise Damage(tr("settings of its samples are missing"))
        names = tuple(values)
        rows = zip(*values.values(), strict=True)
        for n, (row, number) in enumerate(zip(rows, numbers, strict=True)):
            force = settings[number]
            rare = {name: found[n] for name, found in self.rare.items() if n in found}
            yield Sample(
                limits=force.limits,
                load=force.load,
                faults=force.faults,
                **{**dict(zip(names, row, strict=True)), **rare},
            )

    def _durations(self, name: str) -> list[Durations]:
        parts = [self[f"{name}.{part}"].tolist() for part in _DURATIONS]
        cells = self[f"{name}.cells"].tobytes()
        ends = (self[f"{name}.filled"].cumsum() * CELL.itemsize).tolist()
        begins = [0, *ends[:-1]]
        return [
            Durations(count, total, low, high, cells[begin:end]) if count or end > begin else _EMPTY
            for count, total, low, high, begin, end in zip(*parts, begins, ends, strict=True)
        ]

    def _of_clients(self, name: str) -> list[dict[int, Any]]:
        clients, values = self[f"{name}.clients"].tolist(), self[f"{name}.values"].tolist()
        ends = self[f"{name}.filled"].cumsum().tolist()
        return [
            dict(zip(clients[begin:end], values[begin:end], strict=True))
            for begin, end in zip([0, *ends[:-1]], ends, strict=True)
        ]


def _fit(counts: ReportedCounts) -> bool:
    """Whether a column takes the counts: none is larger than any computer can count to."""
    values = (counts.open, counts.used, counts.pending)
    return all(value is None or abs(value) < -_NONE for value in values)


def missing(column: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return where a column of numbers that may be None has None."""
    found: NDArray[np.bool_] = column == _NONE
    return found


def _optional(values: Sequence[int | None]) -> Column:
    return np.array([_NONE if value is None else value for value in values], dtype=np.int64)


def _with_none(column: Column) -> list[int | None]:
    return [None if value == _NONE else value for value in column.tolist()]


def _durations(name: str, histograms: Sequence[Durations]) -> dict[str, Column]:
    columns: dict[str, Column] = {
        f"{name}.{part}": np.array(
            [getattr(each, part) for each in histograms],
            dtype=np.int64 if part == "count" else np.float64,
        )
        for part in _DURATIONS
    }
    cells = np.frombuffer(b"".join(each.cells for each in histograms), dtype=CELL)
    filled = [len(each.cells) // CELL.itemsize for each in histograms]
    return columns | {f"{name}.cells": cells, f"{name}.filled": np.array(filled, dtype=np.int64)}


def _of_clients(name: str, figures: Sequence[Mapping[int, float]]) -> dict[str, Column]:
    clients = [client for each in figures for client in each]
    values = [value for each in figures for value in each.values()]
    return {
        f"{name}.clients": np.array(clients, dtype=np.int64),
        f"{name}.values": np.array(values, dtype=_OF_CLIENTS[name]),
        f"{name}.filled": np.array([len(each) for each in figures], dtype=np.int64),
    }


def _decompressed(body: bytes) -> bytes:
    unpacking = zlib.decompressobj()
    unpacked = unpacking.decompress(body, _LARGEST)
    if not unpacking.eof:
        raise ValueError(tr("it is cut off, or larger than a chunk can be"))
    return unpacked


def _completed(columns: dict[str, Column], count: int) -> dict[str, Column]:
    """Return the columns with those that an earlier version didn't have, at their defaults."""
    for name in (*_NUMBERS, *_SWITCHES, *_FLOATS):
        if name not in columns and not _fields[name].required:
            kind = np.float64 if name in _FLOATS else np.int64
            columns[name] = np.full(count, _fields[name].default, dtype=kind)
    return columns


def _check(columns: Columns) -> None:
    """Raise Damage unless every column is there, of the right kind and length, and cells and
    figures of clients are as many as they should be."""
    wrong = Damage(tr("a part of its samples has columns that don't fit together"))
    if columns.count < 1:
        raise wrong
    whole = [*_NUMBERS, *_SWITCHES, "settings", "capacity"]
    whole += [f"{name}.{part}" for name in _LEVELS for part in _LEVEL[:3]]
    whole += [f"reported.{part}" for part in _REPORTED]
    whole += [f"{name}.count" for name in _HISTOGRAMS]
    whole += [f"{name}.filled" for name in (*_HISTOGRAMS, *_OF_CLIENTS)]
    floats = [*_FLOATS, *(f"{name}.mean" for name in _LEVELS)]
    floats += [f"{name}.{part}" for name in _HISTOGRAMS for part in _DURATIONS[1:]]
    for names, kind in ((whole, np.int64), (floats, np.float64)):
        for name in names:
            column = columns.columns.get(name)
            if column is None or column.dtype != kind or len(column) != columns.count:
                raise wrong
    for name in (*_HISTOGRAMS, *_OF_CLIENTS):
        parts = {"cells": CELL} if name in _HISTOGRAMS else {
            "clients": np.dtype(np.int64), "values": np.dtype(_OF_CLIENTS[name])
        }  # fmt: skip
        filled = columns[f"{name}.filled"].tolist()
        if any(each < 0 for each in filled):
            raise wrong
        *_, total = accumulate(filled, initial=0)
        for part, dtype in parts.items():
            column = columns.columns.get(f"{name}.{part}")
            if column is None or column.dtype != dtype or len(column) != total:
                raise wrong
        if name in _HISTOGRAMS and (columns[f"{name}.cells"]["bucket"] >= BUCKETS).any():
            raise wrong
    if any(not 0 <= n < columns.count for values in columns.rare.values() for n in values):
        raise wrong
