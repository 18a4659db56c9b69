"""Starts poolviz: `poolviz` on the command line, or `python -m poolviz`."""

from __future__ import annotations

import os
import sys


def main() -> None:
    """Run the command line and end the process with its exit status."""
    if sys.argv[1:2] not in (["_watchdog"], ["_engine"], ["_export"]):
        # Before anything that takes its time: a signal that comes earlier ends Python itself.
        try:
            from poolviz.system import interrupts  # noqa: PLC0415 - not for those three

            interrupts.install()
        except KeyboardInterrupt:  # Python's own handling of SIGINT, until then
            os._exit(130)
        _open_standard_descriptors()
        interrupts.listen()
    _leave_library_path()
    # numpy would start a thread for each core, which keeps it busy for a tenth of a second while
    # the window, the engine and the server start; poolviz multiplies no matrices.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    # A packaged program has no other way to start the processes that belong to it.
    if sys.argv[1:2] == ["_watchdog"]:
        from poolviz.servers.embedded import watchdog  # noqa: PLC0415 - this process needs no more

        sys.exit(watchdog.main(sys.argv[2:]))
    if sys.argv[1:2] == ["_engine"]:
        from poolviz.runs.engine_signals import ignore_signals  # noqa: PLC0415 - likewise

        ignore_signals()
        from poolviz.runs import engine_child  # noqa: PLC0415 - likewise

        engine_child.main(sys.argv[2:])
        return
    if sys.argv[1:2] == ["_export"]:
        from poolviz.runs import export_child  # noqa: PLC0415 - likewise

        export_child.main(sys.argv[2:])
        return
    from poolviz.system.standard_streams import set_up_standard_streams  # noqa: PLC0415 - likewise

    set_up_standard_streams()
    from poolviz.language import use_language, wanted_language  # noqa: PLC0415 - likewise
    from poolviz.system.preferences import preferred_language  # noqa: PLC0415 - likewise

    use_language(wanted_language(preferred_language()))
    from poolviz.commands.cli import run_command_line  # noqa: PLC0415 - the child needs none of it

    sys.exit(run_command_line(sys.argv[1:]))


def _open_standard_descriptors() -> None:
    """Open descriptors 0 to 2 on nothing where they are closed: a file or a pipe that is opened
    later would get such a number, and with it what is printed."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest number that is free: this one


def _leave_library_path() -> None:
    """Give programs that are started from here the user's libraries, not those of the bundle.

    A bundle's own processes find theirs anew; for this one the path has done its work.
    """
    if getattr(sys, "frozen", False):
        original = os.environ.pop("LD_LIBRARY_PATH_ORIG", None)
        os.environ.pop("LD_LIBRARY_PATH", None)
        if original is not None:
            os.environ["LD_LIBRARY_PATH"] = original


if __name__ == "__main__":
    main()
