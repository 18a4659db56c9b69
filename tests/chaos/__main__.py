"""Rounds of chaos until the time is over. A broken invariant ends them with status 1."""

from __future__ import annotations

import argparse
import os
import secrets
import shutil
import sys
import tempfile
import threading
import time
import traceback
from contextlib import ExitStack
from pathlib import Path

from poolviz.servers.embedded.server import EmbeddedServer
from tests.chaos.invariants import Broken
from tests.chaos.plan import plan
from tests.chaos.rounds import Room
from tests.servers import mysql_server


def main() -> int:
    """Run rounds as the command line says; return the exit status."""
    arguments = _arguments()
    seed = arguments.seed if arguments.seed is not None else secrets.randbelow(1_000_000)
    print(f"chaos: seed {seed}, {arguments.seconds:g} s", flush=True)
    with ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="pv-"))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        folder.chmod(0o711)  # root's embedded server runs under another account
        os.environ["TMPDIR"] = tempfile.tempdir = str(folder / "temporary")
        Path(tempfile.tempdir).mkdir(mode=0o711)
        servers = {"sqlite": f"sqlite:///{folder}/sqlite.db"}
        if not mysql_server.lacking():
            servers["mysql"] = stack.enter_context(mysql_server.mariadb())
        room = Room(folder, servers)
        stack.callback(room.end)
        EmbeddedServer.start().stop()  # so that the first round isn't all initdb
        return _rounds(room, seed, arguments)


def _rounds(room: Room, seed: int, arguments: argparse.Namespace) -> int:
    end = time.monotonic() + arguments.seconds
    number, whole = arguments.first, True
    while time.monotonic() < end:
        what = plan(seed, number, room.servers)
        began = time.monotonic()
        if arguments.verbose:
            print(f"round {number}: {what}", flush=True)
        try:
            room.carry_out(what)
        except Exception as broken:  # noqa: BLE001 - what a round raises is broken too
            trace = "" if isinstance(broken, Broken) else traceback.format_exc()
            print(
                f"BROKEN: seed {seed}, round {number}: {trace or broken}\n"
                f"What was done: {what}\n"
                f"Again: python -m tests.chaos --seed {seed} --first {number} --rounds 1",
                flush=True,
            )
            room.end()
            whole = False
            if not arguments.keep_going:
                break
        took = time.monotonic() - began
        name = f"{what.kind.value}, {what.attack.what.value if what.attack else 'no attack'}"
        print(f"round {number}: {took:.1f} s ({name})", flush=True)
        number += 1
        if number - arguments.first == arguments.rounds:
            break
    verdict = "no invariant broken" if whole else "BROKEN"
    print(f"chaos: {number - arguments.first} rounds, {verdict}", flush=True)
    return 0 if whole else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seed", type=int, help="what decides every round; random by default")
    parser.add_argument("--seconds", type=float, default=60.0, help="how long rounds begin")
    parser.add_argument("--first", type=int, default=1, help="the first round's number")
    parser.add_argument("--rounds", type=int, help="how many rounds at most")
    parser.add_argument("--keep-going", action="store_true", help="go on after a broken round")
    parser.add_argument("--verbose", action="store_true", help="tell each round before it begins")
    return parser.parse_args()


if __name__ == "__main__":
    status = main()
    leftover = [thread.name for thread in threading.enumerate() if not thread.daemon]
    sys.exit(status if leftover == ["MainThread"] else 1)
