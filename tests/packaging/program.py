"""The packaged program as somebody runs it: root, or a user with an empty home."""

from __future__ import annotations

import os
import pwd
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import psycopg2

from tests.servers.fixtures import BOUND, wait_until

GONE_WITHIN = 5.0  # seconds after the program was killed


@dataclass(frozen=True)
class Somebody:
    """Who runs the program, and the home that they begin with nothing in."""

    name: str
    uid: int
    gid: int
    home: Path
    locale: str = "C.UTF-8"

    @property
    def root(self) -> bool:
        return self.uid == 0

    @property
    def data(self) -> Path:
        """Where the program keeps things for them."""
        return self.home / ("data" if self.root else ".local/share/poolviz")

    @property
    def temporary(self) -> Path:
        return self.home / "tmp"

    def environment(self, display: str = "") -> dict[str, str]:
        """As little as a desktop gives a program."""
        return {
            "HOME": str(self.home),
            "PATH": "/usr/bin:/bin",
            "LANG": self.locale,
            "TMPDIR": str(self.temporary),
            **({"DISPLAY": display} if display else {}),
            # Root's own place is the machine's, which a test leaves alone.
            **({"POOLVIZ_HOME": str(self.data)} if self.root else {}),
        }

    def account(self) -> dict[str, Any]:
        """What makes subprocess run a program as them."""
        if self.uid == os.geteuid():
            return {}
        return {"user": self.uid, "group": self.gid, "extra_groups": []}

    def run(self, program: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Have the program run to its end."""
        return subprocess.run(
            [program, *arguments],
            env=self.environment(),
            cwd=self.home,
            capture_output=True,
            text=True,
            check=False,
            timeout=4 * BOUND,
            **self.account(),
        )

    def leave_tour(self) -> None:
        """Have left the first tour: its frame has the colour of sliders, which are found by it."""
        self.data.mkdir(parents=True, exist_ok=True)
        settings = self.data / "settings.ini"
        settings.write_text("[tour]\nover=true\n", encoding="utf-8")
        for path in (settings, *self.data.parents, self.data):
            if path.is_relative_to(self.home):
                os.chown(path, self.uid, self.gid)

    @contextmanager
    def start(
        self, program: Path, *arguments: str, display: str = ""
    ) -> Iterator[subprocess.Popen[bytes]]:
        """The running program, whose words go to the file `said`; nothing of it runs at the end."""
        with self._running([str(program), *arguments], display) as process:
            try:
                yield process
            finally:
                process.kill()
                process.wait()
                wait_until(lambda: not of(program), "every process of the program is gone")

    @contextmanager
    def start_from_source(self, display: str) -> Iterator[subprocess.Popen[bytes]]:
        """The program of the sources, in the same way."""
        with self._running([sys.executable, "-m", "poolviz"], display) as process:
            try:
                yield process
            finally:
                family = _family(process.pid)
                process.kill()
                process.wait()
                _, alive = psutil.wait_procs(family, BOUND)
                assert not alive, f"left behind: {alive}"

    @contextmanager
    def _running(self, command: list[str], display: str) -> Iterator[subprocess.Popen[bytes]]:
        with (self.home / "said").open("wb") as said:
            process = subprocess.Popen(
                command,
                env=self.environment(display),
                cwd=self.home,
                stdout=said,
                stderr=said,
                **self.account(),
            )
        yield process

    @property
    def said(self) -> str:
        """What the program that was started said, but for a remark of Qt's."""
        return (self.home / "said").read_text(encoding="utf-8")

    def ask(self, question: str) -> Any:
        """The first value that their embedded server answers: it lets nobody else in."""
        folder = self.data / "postgres" / "0" / "data"
        with (
            self._acting(),
            closing(
                psycopg2.connect(host=str(folder), port=5432, user="postgres", dbname="postgres")
            ) as connection,
            connection.cursor() as cursor,
        ):
            cursor.execute(question)
            return cursor.fetchone()[0]

    @contextmanager
    def _acting(self) -> Iterator[None]:
        """What is done within is done as them."""
        before = os.geteuid()
        os.seteuid(self.uid)
        try:
            yield
        finally:
            os.seteuid(before)

    def connections(self) -> int:
        """How many connections of the program their server has."""
        query = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'poolviz%'"
        return int(self.ask(query))

    def samples(self) -> int:
        """Samples in the newest session that the program has written."""
        for path in sorted(self.data.glob("sessions/2*.poolviz"), reverse=True):
            # As them: SQLite's files beside it would be root's, if root came to it first.
            with (
                self._acting(),
                closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as connection,
            ):
                return int(connection.execute("SELECT count(*) FROM samples").fetchone()[0])
        return 0


@contextmanager
def somebody(name: str) -> Iterator[Somebody]:
    """A user with a home of their own for a while, with nothing in it."""
    entry = pwd.getpwnam(name)
    home = Path(tempfile.mkdtemp(prefix=f"poolviz-home-{name}-"))
    try:
        home.chmod(0o711)
        (home / "tmp").mkdir()
        person = Somebody(name, entry.pw_uid, entry.pw_gid, home)
        if os.geteuid() != person.uid:
            for path in (home, home / "tmp"):
                os.chown(path, person.uid, person.gid)
        yield person
    finally:
        shutil.rmtree(home)


def _family(process: int) -> list[psutil.Process]:
    """What the process has started and is still there; nothing once it has ended."""
    try:
        return psutil.Process(process).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def of(program: Path) -> list[psutil.Process]:
    """Every process of the bundle that `program` is in, its server's included."""
    folder, found = program.resolve().parent, []
    for process in psutil.process_iter():
        try:
            if Path(process.exe()).is_relative_to(folder):
                found.append(process)
        except (psutil.Error, OSError):
            continue
    return found
