"""What goes over the pipe between the window and the engine, both ways, as msgpack."""

from __future__ import annotations

import msgspec

from poolviz.model.parameters import Value
from poolviz.model.sample import Mark, Sample
from poolviz.model.scenario import Scenario


class StartRun(msgspec.Struct, tag=True, frozen=True):
    """Run `scenario` against the server that `conninfo` names. Sent once, first.

    `environment` is what is known of that server already (never a secret); they come back in
    RunStarted. `own_server` is set by one who has started the server and heeds a
    ServerRestartRequested.
    """

    scenario: Scenario
    conninfo: str
    application_name: str
    environment: dict[str, str] = msgspec.field(name="facts", default_factory=dict)
    own_server: bool = False


class ChangeSetting(msgspec.Struct, tag=True, frozen=True):
    """Change a limit or a setting of the load. Answered by a MarkAdded or a ChangeRefused."""

    key: str
    value: Value


class AddNote(msgspec.Struct, tag=True, frozen=True):
    """Put a note on the timeline, now."""

    text: str


class StopRun(msgspec.Struct, tag=True, frozen=True):
    """Stop: clients end, connections are closed, RunEnded comes."""


class RunStarted(msgspec.Struct, tag="Began", frozen=True):
    """The pool is open and the clients start. `started` is Unix time, in seconds.

    Session files hold this message under the tag and the names given here.
    """

    started: float
    scenario: Scenario
    environment: dict[str, str] = msgspec.field(name="facts")


class SampleTaken(msgspec.Struct, tag=True, frozen=True):
    """One sample."""

    sample: Sample


class MarkAdded(msgspec.Struct, tag=True, frozen=True):
    """A moment on the timeline: what was applied, not what was asked."""

    mark: Mark


class ChangeRefused(msgspec.Struct, tag=True, frozen=True):
    """A change that was not applied, and why, in one sentence; `value` is still in force."""

    key: str
    value: Value
    reason: str


class ProblemReported(msgspec.Struct, tag=True, frozen=True):
    """Something to say while the run goes on. The same `topic` replaces what it said before;
    an empty sentence takes it back."""

    topic: str
    sentence: str


class ServerRestartRequested(msgspec.Struct, tag=True, frozen=True):
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


class RunEnded(msgspec.Struct, tag="Ended", frozen=True):
    """The run is over; `open_at_end` connections were left open, by the meter's count.

    `failure` is a sentence where the run could not begin or go on; `exit_status` goes with it.
    `rows` where the load added some that could be counted.
    """

    open_at_end: int
    failure: str = ""
    exit_status: int = 0
    rows: Rows | None = None


Command = StartRun | ChangeSetting | AddNote | StopRun
Report = (
    RunStarted
    | SampleTaken
    | MarkAdded
    | ChangeRefused
    | ProblemReported
    | ServerRestartRequested
    | RunEnded
)

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
