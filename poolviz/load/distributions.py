"""The distributions that statement, hold and think times are drawn from.

To add a distribution, write one subclass of `Distribution` here and name it in `DISTRIBUTIONS`.
Its name becomes a choice of statement_distribution, hold_distribution and think_distribution, in
the window, on the command line, and in scenarios and their schema. Mean and spread of every
distribution are checked by `tests/load/test_distributions.py`.
"""

from __future__ import annotations

import csv
import math
import random
from abc import ABC, abstractmethod
from array import array
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from itertools import chain, islice
from pathlib import Path
from typing import ClassVar, TextIO, TypeAlias

from poolviz.language import tr
from poolviz.model.errors import InputError
from poolviz.model.parameters import (
    Choice,
    File,
    Number,
    Parameter,
    Seconds,
    Value,
    parse_seconds,
    shown_time,
)
from poolviz.system.files import reason, resolved

Draw: TypeAlias = Callable[[random.Random], float]  # returns seconds

_GROUP = "how times vary"
_LONGEST = 3600.0  # seconds that a time in a file may last: as long as a mean may be
_LARGEST = 32 << 20  # bytes that a file may have
_MOST = 1_000_000  # lines that a file may have, which take a second or two to read


class Distribution(ABC):
    """A distribution of times, in seconds. Immutable, so that clients share it.

    `mean` is in seconds, `spread` is the standard deviation as a multiple of the mean, and `file`
    is the path of a file of measured times. Each class says which of these it uses. `help` says
    how its times vary, as part of a sentence after its `name`.
    """

    name: ClassVar[str]
    help: ClassVar[str]
    uses_mean: ClassVar[bool] = True
    uses_spread: ClassVar[bool] = False
    uses_file: ClassVar[bool] = False

    @abstractmethod
    def __init__(self, mean: float, spread: float, file: str) -> None: ...

    @abstractmethod
    def draw(self, rng: random.Random) -> float:
        """Return a random time in seconds: finite and not negative."""

    @property
    def nil(self) -> bool:
        """Whether every time is 0."""
        return False


class Exponential(Distribution):
    """The memoryless distribution: mostly short times, now and then a long one."""

    name = "exponential"
    help = "mostly short, now and then several times the mean"

    def __init__(self, mean: float, spread: float, file: str) -> None:  # noqa: ARG002
        self._mean = mean

    def draw(self, rng: random.Random) -> float:
        """Return a random time in seconds."""
        return -math.log(1.0 - rng.random()) * self._mean


class ConstantTime(Distribution):
    """The mean, every time."""

    name = "constant"
    help = "always the mean"

    def __init__(self, mean: float, spread: float, file: str) -> None:  # noqa: ARG002
        self._mean = mean

    def draw(self, rng: random.Random) -> float:  # noqa: ARG002
        """Return the mean."""
        return self._mean


class Uniform(Distribution):
    """All times from as far below the mean as above it, with equal probability."""

    name = "uniform"
    help = "equally likely around the mean, at most from 0 to twice the mean (a spread of 0.577)"
    uses_spread = True

    def __init__(self, mean: float, spread: float, file: str) -> None:  # noqa: ARG002
        half = min(spread * math.sqrt(3.0), 1.0) * mean
        self._low, self._span = mean - half, 2.0 * half

    def draw(self, rng: random.Random) -> float:
        """Return a random time in seconds."""
        return self._low + self._span * rng.random()


class LogNormal(Distribution):
    """A typical time with a tail of longer ones, as latencies usually have."""

    name = "lognormal"
    help = "a typical time with a tail of longer ones, as measured latencies mostly look"
    uses_spread = True

    def __init__(self, mean: float, spread: float, file: str) -> None:  # noqa: ARG002
        variance = math.log1p(spread * spread)
        self._sigma = math.sqrt(variance)
        self._scale = mean * math.exp(-variance / 2.0)

    def draw(self, rng: random.Random) -> float:
        """Return a random time in seconds."""
        return self._scale * math.exp(rng.gauss(0.0, self._sigma))


class Pareto(Distribution):
    """A minimum time with a heavy tail."""

    name = "pareto"
    help = "a minimum time with a heavy tail of rare ones that are far longer"
    uses_spread = True

    def __init__(self, mean: float, spread: float, file: str) -> None:  # noqa: ARG002
        # Mean and deviation exist if the tail index is above 2; the spread determines it.
        inverse = spread / (spread + math.sqrt(spread * spread + 1.0))
        self._power, self._least = -inverse, mean * (1.0 - inverse)

    def draw(self, rng: random.Random) -> float:
        """Return a random time in seconds."""
        least: float = self._least * (1.0 - rng.random()) ** self._power
        return least


class Measured(Distribution):
    """Times from a file, each with the same probability."""

    name = "file"
    help = "drawn from a file of measured times"
    uses_mean = False
    uses_file = True

    def __init__(self, mean: float, spread: float, file: str) -> None:  # noqa: ARG002
        self._times = measured_times(file)
        self._count = len(self._times)

    def draw(self, rng: random.Random) -> float:
        """Return one of the times in the file."""
        return self._times[int(rng.random() * self._count)]

    @property
    def nil(self) -> bool:
        """Whether the file has nothing but zeros."""
        return not any(self._times)


DISTRIBUTIONS: tuple[type[Distribution], ...] = (
    Exponential,
    ConstantTime,
    Uniform,
    LogNormal,
    Pareto,
    Measured,
)
_BY_NAME = {kind.name: kind for kind in DISTRIBUTIONS}


def time_parameters(
    what: str,
    default: float,
    help: str,
    *,
    maximum: float,
    slider: tuple[float, float],
    only_when: tuple[str, tuple[str, ...]] | None = None,
) -> tuple[Parameter, ...]:
    """Return the settings of the time `what`: mean, distribution, spread and file.

    `only_when` is what the choice of the distribution depends on; the other settings depend on
    the distribution.
    """
    chosen = f"{what}_distribution"

    def using(property_: str) -> tuple[str, tuple[str, ...]]:
        return chosen, tuple(kind.name for kind in DISTRIBUTIONS if getattr(kind, property_))

    kinds = "; ".join(f"{kind.name}: {kind.help}" for kind in DISTRIBUTIONS)
    return (
        Seconds(
            key=f"{what}_time",
            default=default,
            maximum=maximum,
            slider=slider,
            log_slider=True,
            only_when=using("uses_mean"),
            help=help,
        ),
        Choice(
            key=chosen,
            default=Exponential.name,
            choices=tuple(_BY_NAME),
            only_when=only_when,
            group=_GROUP,
            help=f"How the {what} times vary. {kinds}.",
        ),
        Number(
            key=f"{what}_spread",
            default=0.5,
            maximum=10,
            slider=(0, 3),
            unit="×",
            only_when=using("uses_spread"),
            group=_GROUP,
            help=f"The standard deviation of the {what} times, as a multiple of their mean.",
        ),
        File(
            key=f"{what}_file",
            default="",
            only_when=using("uses_file"),
            group=_GROUP,
            help=f"A file of measured {what} times, one per line: seconds, or with a unit (50ms). "
            "In a CSV file, the first column. Each is drawn with the same probability.",
        ),
    )


def draw_of(what: str, settings: Mapping[str, Value]) -> Draw | None:
    """Return a function that draws the times `what` of `settings`; None if they are always 0.

    Raises InputError if a file of times is needed and isn't named or can't be read.
    """
    kind = _BY_NAME[str(settings[f"{what}_distribution"])]
    mean, file = float(settings[f"{what}_time"]), str(settings[f"{what}_file"])
    if kind.uses_mean and mean == 0:
        return None
    if kind.uses_file and not file:
        raise InputError(
            tr(
                "{what}_file is empty: {what}_distribution is {name}, so name a file of times.",
                what=what,
                name=kind.name,
            )
        )
    distribution = kind(mean, float(settings[f"{what}_spread"]), file)
    return None if distribution.nil else distribution.draw


def measured_times(file: str) -> array[float]:
    """Return the times in `file`, in seconds. Raises InputError, which names the wrong line."""
    return read_column(
        file, _time, tr("a time from 0 s to {longest}", longest=shown_time(_LONGEST))
    )


def _time(text: str) -> float:
    seconds = parse_seconds(text)
    if not 0 <= seconds <= _LONGEST:
        raise ValueError
    return seconds


def _expanded(file: str) -> Path:
    """Return the path, in which ~ may stand for the folder of a user."""
    try:
        return Path(file).expanduser()
    except RuntimeError as error:
        raise InputError(tr("{file} can't be read: {error}.", file=file, error=error)) from None


def read_column(file: str, parse: Callable[[str], float], takes: str) -> array[float]:
    """Return the first column of a text or CSV file, each cell parsed by `parse`.

    Blank lines, `#` comments and one header line are skipped. A file is read again only if it has
    changed. Raises InputError, which names the file and the line, if `parse` raises ValueError;
    `takes` says what a cell should be.
    """
    path = resolved(_expanded(file))
    try:
        status = path.stat()
        if not path.is_file():
            raise InputError(
                tr("{file} is not a file: name a file of numbers, one per line.", file=file)
            )
        if status.st_size > _LARGEST:
            raise InputError(
                tr(
                    "{file} is too large: give a file of at most {largest} MB.",
                    file=file,
                    largest=_LARGEST >> 20,
                )
            )
        return _read_column(path, (status.st_mtime_ns, status.st_size), parse, takes)
    except OSError as error:
        raise InputError(
            tr("{file} can't be read: {error}.", file=file, error=reason(error))
        ) from None
    except (UnicodeDecodeError, csv.Error):
        raise InputError(
            tr("{file} is not a text or CSV file: each line takes {takes}.", file=file, takes=takes)
        ) from None


@lru_cache(maxsize=8)
def _read_column(
    path: Path,
    version: tuple[int, int],  # noqa: ARG001 - part of the cache's key: a changed file is read again
    parse: Callable[[str], float],
    takes: str,
) -> array[float]:
    values = array("d")
    with path.open(encoding="utf-8-sig", newline="") as stream:
        first = True
        for line, cell in _first_cells(stream):
            try:
                values.append(parse(cell))
            except ValueError:
                if not first or cell[0] in "+-.0123456789":
                    wrong = tr(
                        "{path}, line {line} is {cell!r}: it takes {takes}.",
                        path=path,
                        line=line,
                        cell=cell[:40],
                        takes=takes,
                    )
                    raise InputError(wrong) from None
            first = False
    if not values:
        raise InputError(tr("{path} is empty: each line takes {takes}.", path=path, takes=takes))
    return values


def _first_cells(stream: TextIO) -> Iterator[tuple[int, str]]:
    """Yield each row's first line number and first cell; quoted cells may span lines."""
    lines = ("\n" if line.lstrip().startswith("#") else line for line in islice(stream, _MOST))
    skipped: list[str] = []
    sample = ""
    while not sample.strip() and (sample := next(lines, "")):
        skipped.append(sample)
    delimiter = next((character for character in sample if character in ",;\t"), ",")
    rows = csv.reader(chain(skipped, lines), delimiter=delimiter, skipinitialspace=True)
    line = 1
    for row in rows:
        cell = row[0].partition("#")[0].strip() if row else ""
        if cell:
            yield line, cell
        line = rows.line_num + 1
    if stream.readline():
        raise InputError(
            tr(
                "{name} is too long: give a file of at most {most:,} lines.",
                name=stream.name,
                most=_MOST,
            )
        )
