"""The messages between a run and its engine's process, both ways, as msgpack."""

from __future__ import annotations

import msgspec

from poolviz.language import tr, trn
from poolviz.model.parameters import Value
from poolviz.model.pool_description import PoolDescription
from poolviz.model.sample import Mark, Sample
from poolviz.model.scenario import Scenario
from poolviz.model.taken_events import TakenEvents


class DescribePool(msgspec.Struct, tag=True, frozen=True):
    """Import the pool `id` and describe it. Sent before StartRun, if at all.

    Answered by an ImportBegun, then by a PoolDescribed or a PoolUnusable.
    """

    id: str


class StartRun(msgspec.Struct, tag=True, frozen=True):
    """Run `scenario` on the server that `conninfo` names. Sent once.

    `environment` is what is known of that server already, without any secret, and comes back in
    RunStarted. `own_server` says that the sender has started the server, and will restart it on a
    ServerRestartRequested. With `together` the load waits for a BeginLoad, and whoever sends it
    watches the server: the run is one of several that go on at the same time. `pooler` is the
    conninfo of the console of a pooler in between, if any.
    """

    scenario: Scenario
    conninfo: str
    application_name: str
    environment: dict[str, str] = {}
    own_server: bool = False
    together: bool = False
    pooler: str = ""


class BeginLoad(msgspec.Struct, tag=True, frozen=True):
    """Begin the load of a run that has reported that its pool is open, by PoolOpened."""


class ChangeSetting(msgspec.Struct, tag=True, frozen=True):
    """Change a limit or a setting of the load, or inject a fault.

    Answered by a MarkAdded or a ChangeRefused.
    """

    key: str
    value: Value


class ChangeTogether(msgspec.Struct, tag=True, frozen=True):
    """Make several changes at one moment: they share a segment. Answered as each by itself."""

    values: dict[str, Value]


class AddNote(msgspec.Struct, tag=True, frozen=True):
    """Add a note to the timeline, now."""

    text: str


class ServerRestarted(msgspec.Struct, tag=True, frozen=True):
    """The server was restarted, as a ServerRestartRequested asked."""


class StopRun(msgspec.Struct, tag=True, frozen=True):
    """Stop the run: clients end, connections are closed, and RunEnded follows."""


class ImportBegun(msgspec.Struct, tag=True, frozen=True):
    """The import that a DescribePool asks for begins now. An answer to it follows."""


class PoolDescribed(msgspec.Struct, tag=True, frozen=True):
    """The answer to DescribePool: a pool that can be used."""

    description: PoolDescription


class PoolUnusable(msgspec.Struct, tag=True, frozen=True):
    """The answer to DescribePool: why the pool can't be used, in sentences."""

    problems: tuple[str, ...]


PART = "part of the session"  # the fact in a RunStarted's environment that says which was exported

# Facts of a process on another machine: where it runs, and how far that clock was ahead.
WORKER, CLOCK = "worker", "clock"


class PoolOpened(msgspec.Struct, tag=True, frozen=True):
    """The pool is open, and the load waits for a BeginLoad."""


class RunStarted(msgspec.Struct, tag="Began", frozen=True):
    """The pool is open, and the clients start. `started` is Unix time, in seconds. `member` is the
    name of this pool where a run has several, each in a process of its own.

    Session files contain this message, under this tag and these names of fields.
    """

    started: float
    scenario: Scenario
    environment: dict[str, str] = msgspec.field(name="facts")
    member: str = ""


class SampleTaken(msgspec.Struct, tag=True, frozen=True):
    """One sample."""

    sample: Sample


class EventsTaken(msgspec.Struct, tag=True, frozen=True):
    """The events of one sample. The `sample` has what isn't counted from them.

    Only the engine's process sends it; whoever gets it makes a SampleTaken of it.
    """

    sample: Sample
    events: TakenEvents


class MarkAdded(msgspec.Struct, tag=True, frozen=True):
    """A mark was added to the timeline: of what was applied, not of what was requested."""

    mark: Mark


class ChangeRefused(msgspec.Struct, tag=True, frozen=True):
    """A change was not applied, for a reason in one sentence; `value` is still in force."""

    key: str
    value: Value
    reason: str


class ProblemReported(msgspec.Struct, tag=True, frozen=True):
    """A problem of a run that goes on, in one sentence.

    It replaces an earlier one of the same `topic`; an empty sentence says that the problem is over.
    """

    topic: str
    sentence: str


class ServerRestartRequested(msgspec.Struct, tag=True, frozen=True):
    """Whoever started the server is to stop it and start it again now, because of a fault."""


class Rows(msgspec.Struct, frozen=True):
    """The rows that clients committed by their own count, and those found in the table."""

    expected: int
    found: int

    @property
    def sentence(self) -> str:
        """Both numbers, and what they mean."""
        lost = self.expected - self.found
        if lost == 0:
            return tr(
                "{expected:,} operations committed, and all of their rows are in the table.",
                expected=self.expected,
            )
        if lost > 0:
            return trn(
                "{expected:,} operations committed, and {found:,} rows are in the table: {n:,} was "
                "undone by others.",
                "{expected:,} operations committed, and {found:,} rows are in the table: {n:,} "
                "were undone by others.",
                lost,
                expected=self.expected,
                found=self.found,
            )
        return tr(
            "{expected:,} operations committed by the clients' count, and {found:,} rows are in "
            "the table: the others come from commits whose answer was lost, or from another "
            "program.",
            expected=self.expected,
            found=self.found,
        )


class RunEnded(msgspec.Struct, tag="Ended", frozen=True):
    """The run is over, with `open_at_end` connections left open by the meter's count,
    after the pool was closed.

    `failure` says in one sentence why the run could not begin or go on, with the `exit_status` for
    it; empty if it could. `rows` is there if the load added rows that could be counted. `stopped`
    says that the run was told to end.
    """

    open_at_end: int
    failure: str = ""
    exit_status: int = 0
    rows: Rows | None = None
    stopped: bool = False


Command = (
    DescribePool
    | StartRun
    | BeginLoad
    | ChangeSetting
    | ChangeTogether
    | AddNote
    | ServerRestarted
    | StopRun
)
Report = (
    ImportBegun
    | PoolDescribed
    | PoolUnusable
    | PoolOpened
    | RunStarted
    | SampleTaken
    | EventsTaken
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
    """Return `message` as bytes."""
    return _encode(message)


def unpack_command(data: bytes) -> Command:
    """Return the command in `data`."""
    return _commands.decode(data)


def unpack_report(data: bytes) -> Report:
    """Return the report in `data`."""
    return _reports.decode(data)
