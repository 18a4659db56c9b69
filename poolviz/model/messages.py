"""What goes over the pipe between the window and the engine, both ways, as msgpack."""

from __future__ import annotations

import msgspec

from poolviz.model.parameters import Value
from poolviz.model.sample import Mark, Sample
from poolviz.model.scenario import Scenario


class Begin(msgspec.Struct, tag=True, frozen=True):
    """Run `scenario` against the server that `conninfo` names. Sent once, first.

    `facts` is what is known of that server already (never a secret); they come back in Began.
    `own_server` is set by one who has started the server and heeds a RestartWanted.
    """

    scenario: Scenario
    conninfo: str
    application_name: str
    facts: dict[str, str] = {}
    own_server: bool = False


class Alter(msgspec.Struct, tag=True, frozen=True):
    """Change a limit or a setting of the load. Answered by a Marked or a Refused."""

    key: str
    value: Value


class Note(msgspec.Struct, tag=True, frozen=True):
    """Put a note on the timeline, now."""

    text: str


class Halt(msgspec.Struct, tag=True, frozen=True):
    """Stop: clients end, connections are closed, Ended comes."""


class Began(msgspec.Struct, tag=True, frozen=True):
    """The pool stands and the clients start. `started` is Unix time, in seconds."""

    started: float
    scenario: Scenario
    facts: dict[str, str]


class Ticked(msgspec.Struct, tag=True, frozen=True):
    """One sample."""

    sample: Sample


class Marked(msgspec.Struct, tag=True, frozen=True):
    """A moment on the timeline: what was applied, not what was asked."""

    mark: Mark


class Refused(msgspec.Struct, tag=True, frozen=True):
    """A change that was not applied, and why, in one sentence; `value` is still in force."""

    key: str
    value: Value
    reason: str


class Trouble(msgspec.Struct, tag=True, frozen=True):
    """Something to say while the run goes on. The same `topic` replaces what it said before;
    an empty sentence takes it back."""

    topic: str
    sentence: str


class RestartWanted(msgspec.Struct, tag=True, frozen=True):
    """A fault: whoever owns the server is to stop it and start it again, now."""


class Rows(msgspec.Struct, frozen=True):
    """Rows that clients committed, by their own account, and so many more that there are now."""

    expected: int
    found: int

    @property
    def sentence(self) -> str:
        """Both, and what they mean side by side."""
        committed = f"{self.expected:,} operations committed"
        lost = self.expected - self.found
        if lost == 0:
            return f"{committed}, and all of their rows are there."
        if lost > 0:
            undone = f"{lost:,} {'was' if lost == 1 else 'were'} undone by others"
            return f"{committed}, and {self.found:,} rows are there: {undone}."
        return (
            f"{committed} by the clients' account, and {self.found:,} rows are there: the others "
            "are of commits whose answer was lost, or of somebody else."
        )


class Ended(msgspec.Struct, tag=True, frozen=True):
    """The run is over; `open_at_end` connections were left open, by the meter's count.

    `failure` is a sentence where the run could not begin or go on; `exit_status` goes with it.
    `rows` where the load added some that could be counted.
    """

    open_at_end: int
    failure: str = ""
    exit_status: int = 0
    rows: Rows | None = None


Command = Begin | Alter | Note | Halt
Report = Began | Ticked | Marked | Refused | Trouble | RestartWanted | Ended

_encode = msgspec.msgpack.Encoder().encode
_commands: msgspec.msgpack.Decoder[Command] = msgspec.msgpack.Decoder(Command)
_reports: msgspec.msgpack.Decoder[Report] = msgspec.msgpack.Decoder(Report)


def pack(message: Command | Report) -> bytes:
    """A message as bytes."""
    return _encode(message)


def unpack_command(data: bytes) -> Command:
    """The command that the bytes hold."""
    return _commands.decode(data)


def unpack_report(data: bytes) -> Report:
    """The report that the bytes hold."""
    return _reports.decode(data)
