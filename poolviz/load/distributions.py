"""How long things take: the distributions that statement, hold and think times are drawn from."""

from __future__ import annotations

import csv
import math
import random
from abc import ABC, abstractmethod
from array import array
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import ClassVar, TextIO

from poolviz.model.errors import InputError
from poolviz.model.parameters import (
    Choice,
    File,
    Number,
    Parameter,
    Seconds,
    Value,
    parse_seconds,
    show_seconds,
)

Draw = Callable[[random.Random], float]

_GROUP = "how times vary"
_LONGEST = 3600.0  # seconds that a file's times may last: as long as a mean may be
_LARGEST = 128 << 20  # bytes that a file may have


class Distribution(ABC):
    """A kind of distribution of times, in seconds. Never altered once made, so clients share it.

    `mean` is in seconds, `spread` the standard deviation as a share of the mean, `file` the path
    of measured times. A kind says which of these it uses.
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
        """One time, in seconds: finite and never negative."""

    @property
    def nil(self) -> bool:
        """Every time drawn is 0."""
        return False


class Exponential(Distribution):
    """What work without a memory takes: mostly short, now and then long."""

    name = "exponential"
    help = "mostly short, now and then several times the mean"

    def __init__(self, mean: float, spread: float, file: str) -> None:  # noqa: ARG002
        self._mean = mean

    def draw(self, rng: random.Random) -> float:
        """One time."""
        return -math.log(1.0 - rng.random()) * self._mean


class Constant(Distribution):
    """Always the mean."""

    name = "constant"
    help = "always the mean"

    def __init__(self, mean: float, spread: float, file: str) -> None:  # noqa: ARG002
        self._mean = mean

    def draw(self, rng: random.Random) -> float:  # noqa: ARG002
        """The mean."""
        return self._mean


class Uniform(Distribution):
    """Anything from as far below the mean as above it, all alike."""

    name = "uniform"
    help = "all alike around the mean, at most from 0 to twice the mean (a spread of 0.577)"
    uses_spread = True

    def __init__(self, mean: float, spread: float, file: str) -> None:  # noqa: ARG002
        half = min(spread * math.sqrt(3.0), 1.0) * mean
        self._low, self._span = mean - half, 2.0 * half

    def draw(self, rng: random.Random) -> float:
        """One time."""
        return self._low + self._span * rng.random()


class LogNormal(Distribution):
    """A typical time and a tail to the right, as latencies usually have it."""

    name = "lognormal"
    help = "a typical time and a tail of longer ones, as measured latencies mostly look"
    uses_spread = True

    def __init__(self, mean: float, spread: float, file: str) -> None:  # noqa: ARG002
        variance = math.log1p(spread * spread)
        self._sigma = math.sqrt(variance)
        self._scale = mean * math.exp(-variance / 2.0)

    def draw(self, rng: random.Random) -> float:
        """One time."""
        return self._scale * math.exp(rng.gauss(0.0, self._sigma))


class Pareto(Distribution):
    """A least time, and rare ones that are far longer."""

    name = "pareto"
    help = "a least time, and rare ones far longer than all others"
    uses_spread = True

    def __init__(self, mean: float, spread: float, file: str) -> None:  # noqa: ARG002
        # The tail index a has mean and deviation when 1/a < 1/2, and the spread says which it is.
        inverse = spread / (spread + math.sqrt(spread * spread + 1.0))
        self._power, self._least = -inverse, mean * (1.0 - inverse)

    def draw(self, rng: random.Random) -> float:
        """One time."""
        least: float = self._least * (1.0 - rng.random()) ** self._power
        return least


class Measured(Distribution):
    """Times from a file, each as likely as any other."""

    name = "file"
    help = "drawn from a file of measured times"
    uses_mean = False
    uses_file = True

    def __init__(self, mean: float, spread: float, file: str) -> None:  # noqa: ARG002
        self._times = measured_times(file)
        self._count = len(self._times)

    def draw(self, rng: random.Random) -> float:
        """One of the file's times."""
        return self._times[int(rng.random() * self._count)]

    @property
    def nil(self) -> bool:
        """The file holds nothing but zeros."""
        return not any(self._times)


DISTRIBUTIONS: tuple[type[Distribution], ...] = (
    Exponential,
    Constant,
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
    """The settings of one time: its mean, its distribution, and what that asks for besides.

    `only_when` is what the distribution depends on; the others depend on the distribution.
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
            help=f"A file of measured {what} times, one a line: seconds, or with a unit (50ms). "
            "Of a CSV file the first column is read. Each is as likely to be drawn as any other.",
        ),
    )


def draw_of(what: str, settings: Mapping[str, Value]) -> Draw | None:
    """How to draw `what` times under `settings`; None where they are always 0.

    Raises InputError where a file is asked for that isn't given or can't be read.
    """
    kind = _BY_NAME[str(settings[f"{what}_distribution"])]
    mean, file = float(settings[f"{what}_time"]), str(settings[f"{what}_file"])
    if kind.uses_mean and mean == 0:
        return None
    if kind.uses_file and not file:
        raise InputError(
            f"{what}_file is empty: {what}_distribution is {kind.name}, so name a file of times."
        )
    distribution = kind(mean, float(settings[f"{what}_spread"]), file)
    return None if distribution.nil else distribution.draw


def measured_times(file: str) -> array[float]:
    """The times in `file`, in seconds; InputError names the file and the line that is wrong."""
    return read_column(file, _time, f"a time from 0 s to {show_seconds(_LONGEST)}")


def _time(text: str) -> float:
    seconds = parse_seconds(text)
    if not 0 <= seconds <= _LONGEST:
        raise ValueError
    return seconds


def read_column(file: str, parse: Callable[[str], float], takes: str) -> array[float]:
    """The first column of a text or CSV file, each cell parsed; a file is read once per change.

    Blank lines, `#` comments and one header line are passed over. `parse` raises ValueError for
    what is wrong and `takes` says what is right: InputError names the file and the line.
    """
    try:
        path = Path(file).expanduser().resolve()
        status = path.stat()
        if not path.is_file():
            raise InputError(f"{file} is no file: name a file of numbers, one a line.")
        if status.st_size > _LARGEST:
            raise InputError(f"{file} is too large: give a file of at most {_LARGEST >> 20} MB.")
        return _read_column(path, (status.st_mtime_ns, status.st_size), parse, takes)
    except (OSError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(f"{file} can't be read: {reason}.") from None
    except (UnicodeDecodeError, csv.Error):
        raise InputError(f"{file} is no text or CSV file: each line takes {takes}.") from None


@lru_cache(maxsize=8)
def _read_column(
    path: Path,
    version: tuple[int, int],  # noqa: ARG001 - so that a file that was written again is read again
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
                    wrong = f"{path}, line {line} is {cell[:40]!r}: it takes {takes}."
                    raise InputError(wrong) from None
            first = False
    if not values:
        raise InputError(f"{path} is empty: each line takes {takes}.")
    return values


def _first_cells(stream: TextIO) -> Iterator[tuple[int, str]]:
    """Each row's first line number and first cell; a row may have line ends inside quotes."""
    lines = ["\n" if line.lstrip().startswith("#") else line for line in stream]
    sample = next((line for line in lines if line.strip()), "")
    delimiter = next((character for character in sample if character in ",;\t"), ",")
    rows = csv.reader(lines, delimiter=delimiter, skipinitialspace=True)
    line = 1
    for row in rows:
        cell = row[0].partition("#")[0].strip() if row else ""
        if cell:
            yield line, cell
        line = rows.line_num + 1
