"""Checks of a finished bundle: its size, missing modules, and the same pools as the source."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Collection, Iterable, Iterator
from importlib import metadata
from pathlib import Path

MEGABYTE = 1_000_000
LARGEST, LARGEST_PACKED = 220 * MEGABYTE, 75 * MEGABYTE
_LINE = re.compile(
    r"(?:missing|excluded) module named '?(?P<name>[\w.]+)'? - imported by (?P<by>.*)"
)
_IMPORTER = re.compile(r"'?([\w.]+)'? \(([^)]*)\)")


def missing_modules(
    warnings: str, libraries: Collection[str], absent: Collection[str]
) -> Iterator[str]:
    """Yield PyInstaller's warnings about missing modules that poolviz needs.

    It needs what poolviz itself imports, and what a library of the bundle imports at the top level
    of a module. Conditional imports of a library and modules in `absent` are ignored.
    """
    for line in warnings.splitlines():
        match = _LINE.match(line)
        if match is None or match["name"].partition(".")[0] in absent:
            continue
        for importer, how in _IMPORTER.findall(match["by"]):
            ours = importer.partition(".")[0] == "poolviz"
            if ours or (how == "top-level" and importer.partition(".")[0] in libraries):
                yield f"{match['name']}, imported by {importer} ({how})"


def check_warnings(path: Path, libraries: Collection[str], absent: Collection[str]) -> None:
    """Raise SystemExit if a module that poolviz needs is missing."""
    missing = list(missing_modules(path.read_text(encoding="utf-8"), libraries, absent))
    if missing:
        raise SystemExit("The bundle lacks modules:\n  " + "\n  ".join(missing))


def check_foreign(modules: Iterable[str], packages: Collection[str]) -> None:
    """Raise SystemExit if the bundle contains a package that poolviz doesn't require."""
    owners = metadata.packages_distributions()
    known = {name.lower() for name in packages}
    for top in sorted({name.partition(".")[0] for name in modules}):
        if foreign := [name for name in owners.get(top, ()) if name.lower() not in known]:
            raise SystemExit(
                f"The bundle contains {foreign[0]}, which poolviz doesn't require: exclude it."
            )


def check_size(folder: Path) -> None:
    """Print the ten largest parts; raise SystemExit if the bundle is over the limit."""
    sizes = sorted(((_size(part), part) for part in _parts(folder)), reverse=True)
    for size, part in sizes[:10]:
        sys.stdout.write(f"{size / MEGABYTE:8.1f} MB  {part.relative_to(folder)}\n")
    total = sum(size for size, _ in sizes)
    sys.stdout.write(f"{total / MEGABYTE:8.1f} MB  in all\n")
    if total > LARGEST:
        raise SystemExit(
            f"The bundle has {total / MEGABYTE:.0f} MB; the limit is {LARGEST / MEGABYTE:.0f} MB."
        )


def _parts(folder: Path) -> Iterator[Path]:
    """Yield the bundle's parts: the program, and each package or library beside it."""
    for path in folder.iterdir():
        yield from path.iterdir() if path.name == "_internal" else [path]


def _size(path: Path) -> int:
    files = [path] if path.is_file() else path.rglob("*")
    return sum(each.lstat().st_size for each in files if not each.is_dir())


def check_same_offer(root: Path, program: Path) -> None:
    """Raise SystemExit unless the program has the pools, presets and keys of the source."""
    for command in (["pools", "--json"], ["presets", "--json"], ["schema"]):
        source = _output([sys.executable, "-m", "poolviz", *command], root)
        bundle = _output([str(program), *command], Path(program.anchor))
        if source != bundle:
            raise SystemExit(
                f"`{program} {' '.join(command)}` differs from what the source prints."
            )
        if b'"available": false' in bundle:
            raise SystemExit("The bundle lacks a driver: see `poolviz pools` in it.")


def _output(command: list[str], folder: Path) -> bytes:
    done = subprocess.run(command, cwd=folder, capture_output=True, check=False, timeout=120)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed: {done.stderr.decode(errors='replace')}")
    return done.stdout


def check_bundle(root: Path, folder: Path) -> None:
    """Run every check of a finished bundle; SystemExit says which one failed."""
    check_size(folder)
    suffix = ".exe" if sys.platform == "win32" else ""
    check_same_offer(root, folder / f"poolviz{suffix}")
