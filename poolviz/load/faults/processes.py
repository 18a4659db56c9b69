"""What happens to the processes of an application that has several."""

from __future__ import annotations

from abc import abstractmethod
from typing import Protocol

from poolviz.language import tr
from poolviz.load.faults.base import Fault, FaultConditions, FaultContext
from poolviz.model.parameters import Count, Seconds, Value


class Processes(Protocol):
    """The processes of a run."""

    def crash(self, number: int) -> None:
        """Kill `number` processes, the oldest first. Others take their places."""

    def replace_all(self, overlap: float) -> None:
        """Replace one process after the other: a new one begins, and the old one ends `overlap`
        seconds later."""


class ProcessFault(Fault):
    """A fault of the processes of a run, which whoever owns them carries out."""

    @classmethod
    def reason(cls, conditions: FaultConditions) -> str:
        """Return that a run needs processes of its own for it."""
        if conditions.processes:
            return ""
        return tr("This run has no processes that could be replaced: it needs --processes.")

    def inject(self, context: FaultContext, value: Value) -> None:  # noqa: ARG002
        """Raise RuntimeError: within one process nothing can be done."""
        raise RuntimeError(f"{self.parameter.key} is carried out by the owner of the processes.")

    @abstractmethod
    def carry_out(self, processes: Processes, value: Value) -> None:
        """Do it, without waiting for its end."""


class CrashProcess(ProcessFault):
    """Processes are killed, and their supervisor starts others."""

    parameter = Count(
        key="crash_process",
        default=0,
        maximum=64,
        slider=(0, 8),
        help="How many processes are killed, as by the kernel when memory runs out. Each one's "
        "clients and connections are gone at once, and a new process takes its place.",
    )
    first_amount = 1.0
    rank = 55

    def carry_out(self, processes: Processes, value: Value) -> None:
        """Kill `value` processes."""
        processes.crash(int(value))


class RollingDeploy(ProcessFault):
    """Each process is replaced, and old and new ones overlap."""

    parameter = Seconds(
        key="rolling_deploy",
        default=0.0,
        maximum=3600,
        slider=(0, 60),
        log_slider=True,
        help="Replace the processes one after the other, as a deployment does: how long an old one "
        "goes on, with its connections, after the new one has begun. New ones don't wait for that, "
        "so that for a long time there may be twice as many.",
    )
    lasts = True
    first_amount = 5.0
    rank = 56

    def carry_out(self, processes: Processes, value: Value) -> None:
        """Begin to replace them."""
        processes.replace_all(float(value))
