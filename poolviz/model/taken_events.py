"""What happened within a tick, as it is taken from the process in which clients run.

Counting it takes as long as a hundred operations, during which no client of that process could go
on. So the process only takes the events, and the one that gets them makes a sample of them.

Moments and durations are in ns by the clock of the engine's process, in arrays of int64 as bytes.
"""

from __future__ import annotations

from array import array

import msgspec


class ClientEvents(msgspec.Struct, array_like=True, frozen=True):
    """What was taken from one of a client's buffers (`load.event_buffer`): its events, and what
    was appended with them.

    `buffer` is another number for each buffer of a run, and `number` the client's. `before` is the
    moment of the event before the first of these, 0 without one. `late` has the time since it was
    due for each event of a kind that says so, `connections` the number of the connection for each
    acquire that got one, -1 where it isn't known.
    """

    buffer: int
    number: int
    before: int = 0
    stamps: bytes = b""
    kinds: bytes = b""
    late: bytes = b""
    connections: bytes = b""
    held: bytes = b""
    held_in_transaction: bytes = b""


class AppendedEvents(msgspec.Struct, array_like=True, frozen=True):
    """`ClientEvents` as the client has appended them: what each operation appends is in lists.

    Making arrays of these takes much longer than sending them, so whoever counts them does it.
    """

    buffer: int
    number: int
    before: int = 0
    stamps: list[int] = []
    kinds: bytes = b""
    late: bytes = b""
    connections: list[int] = []
    held: bytes = b""
    held_in_transaction: bytes = b""

    def in_arrays(self) -> ClientEvents:
        """Return them with all moments and numbers in arrays."""
        return ClientEvents(
            self.buffer,
            self.number,
            self.before,
            array("q", self.stamps).tobytes(),
            self.kinds,
            self.late,
            array("q", self.connections).tobytes(),
            self.held,
            self.held_in_transaction,
        )


class TakenEvents(msgspec.Struct, array_like=True, frozen=True, kw_only=True):
    """What happened from `start` to `end`.

    `opened` and `closed` are the moments at which connections were, each with its connection's
    number, and for those that were opened with the seconds that it `took`, an array of doubles.
    `due` and `dropped` are those of the requests of an open load, and `waited` how long each that
    was dropped had waited. `retries` has the seconds of each acquire that needed some, as doubles.
    `new_clients` are the numbers of those that haven't been named before. `waiting` is empty but
    in the last tick of a run, where it has client and moment of each acquire that isn't over.

    More than `kept` connections are overflow. The pool `shares` connections if it gives one to
    several clients.
    """

    start: int
    end: int
    kept: int
    shares: bool = False
    opened: bytes = b""
    opened_numbers: bytes = b""
    took: bytes = b""
    closed: bytes = b""
    closed_numbers: bytes = b""
    due: bytes = b""
    dropped: bytes = b""
    waited: bytes = b""
    retries: bytes = b""
    clients: list[AppendedEvents] = []
    new_clients: list[int] = []
    waiting: list[tuple[int, int]] = []
