"""Recording a run, or one of its members, into a session file, and reading it meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import msgspec

from poolviz.model.messages import RunEnded, RunStarted
from poolviz.model.sample import Mark, Sample
from poolviz.sessions.file.background_writer import BackgroundWriter
from poolviz.sessions.file.columns import Columns
from poolviz.sessions.file.contents import batched
from poolviz.sessions.file.format import CHUNK_BITS, WHOLE, ChunkRow, Counts
from poolviz.sessions.file.kept_lanes import KeptLanes
from poolviz.sessions.file.packing import Packer, Sums, unpack_sample, with_settings
from poolviz.sessions.file.reader import SessionReader
from poolviz.sessions.sweep_record import SWEEP, SweepRecord


class SessionWriter:
    """The record of a member of a session, the first one of `file` being the whole.

    One thread adds, any thread reads. Adding never waits for the disk. Samples for which there is
    no room any more are counted in `missing`, and `trouble` says that. `lanes` is of the
    file; without, all lanes are kept.
    """

    def __init__(self, file: BackgroundWriter, lanes: KeptLanes | None = None) -> None:
        self._file, self._lanes = file, lanes
        self._missing = 0  # guarded by the file's lock, as the packer is
        with file.lock:
            self._member = file.add_member(self._counts)
            self._packer = Packer(self._member, lanes)

    @property
    def path(self) -> Path | None:
        """The session file; None if it is a temporary one."""
        return self._file.path

    @property
    def trouble(self) -> str:
        """A sentence while the file can't be written, or if samples are missing in it."""
        return self._file.trouble

    @property
    def missing(self) -> int:
        """How many samples were not kept because too many waited for the disk."""
        return self._missing

    def further_member(self, began: RunStarted) -> SessionWriter:
        """Return the record of a further member that began so, in the same file."""
        with self._file.lock:  # no commit knows it without its beginning
            member = SessionWriter(self._file, self._lanes)
            member.begin(began)
            return member

    def begin(self, began: RunStarted) -> None:
        """Record how the run began. Returns at once, as all that follow."""
        with self._file.lock:
            self._file.append(self._packer.began(began))

    def end(self, ended: RunEnded) -> None:
        """Record how the run ended."""
        with self._file.lock:
            self._file.append(self._packer.ended(ended))

    def keep_sweep(self, record: SweepRecord) -> None:
        """Record how far a sweep is, in place of what was kept of it before."""
        with self._file.lock:
            self._file.append(("meta", (SWEEP, self._member), record.pack()))

    def add_mark(self, mark: Mark) -> None:
        """Record a mark."""
        with self._file.lock:
            self._file.append(self._packer.mark(mark))

    def add_sample(self, sample: Sample, sums: Sums) -> Sample:
        """Record a sample; return it with its settings shared with those of earlier samples. `sums`
        are of the samples before it."""
        with self._file.lock:
            if self._file.is_full:
                self._missing += 1
                return sample
            shared, rows = self._packer.sample(sample, sums)
            self._file.append(*rows)
            return shared

    def samples(self) -> Iterator[Sample]:
        """Yield every sample that was recorded until now, in order."""
        with self._file.lock:
            tail = self._file.waiting_samples(self._member)
            end = self._packer.counts.samples - len(tail)
        first = 0
        while first < end:
            page = self._page(first, end)
            if page is None:
                yield from self._from_closed_file(first, end)
                break
            first += len(page)
            yield from page
        for _, (number, settings, _), body in tail:
            yield self._with_settings(unpack_sample(body, (number, settings)), settings)

    def columns(self) -> Iterator[Columns]:
        """Yield all samples that were recorded until now, in order, as columns."""
        for batch in batched(self.samples(), 1 << CHUNK_BITS):
            yield Columns.of(batch, [0] * len(batch))

    def close(self) -> None:
        """Commit what is left of the whole session and leave one single file. Waits for the disk,
        30 s at most."""
        self._file.close()

    def _counts(self) -> Counts:
        counts = msgspec.structs.replace(self._packer.counts, missing=self._missing)
        if self._member == WHOLE:
            counts = msgspec.structs.replace(counts, members=self._file.members - 1)
        return counts

    def _page(self, first: int, end: int) -> list[Sample] | None:
        """Some of the committed samples from number `first` on; None if the file was closed."""
        page = self._file.page(self._member, first, end)
        if page is None:
            return None
        if isinstance(page, ChunkRow):
            chunk = Columns.unpack(page.body).samples(self._packer.settings)
            return list(islice(chunk, first - page.first, end - page.first))
        return [
            self._with_settings(unpack_sample(body, (number, settings)), settings)
            for number, (settings, body) in enumerate(page, start=first)
        ]

    def _from_closed_file(self, first: int, end: int) -> Iterator[Sample]:
        if self.path is None:
            raise RuntimeError("The session was not kept, and is closed.")
        return islice(SessionReader(self.path, self._member).samples(), first, end)

    def _with_settings(self, sample: Sample, number: int) -> Sample:
        return with_settings(sample, self._packer.settings[number])
