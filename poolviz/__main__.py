"""Starts poolviz: `poolviz` on the command line, or `python -m poolviz`."""

from __future__ import annotations

import multiprocessing
import sys


def main() -> None:
    """Run the command line and end the process with its exit status."""
    # In a bundle, the engine's child starts here as well and never gets past this line.
    multiprocessing.freeze_support()
    from poolviz.cli import run_command_line  # noqa: PLC0415 - the child needs none of it

    sys.exit(run_command_line(sys.argv[1:]))


if __name__ == "__main__":
    main()
