"""Make packages of dist/poolviz: on Linux a .deb and a .tar.xz that installs without root, on
Windows and macOS a ZIP (not run there yet).

    python resources/packaging/make_packages.py [--bundle DIR] [--out DIR] [--level 0…9]

Beside each package it writes the SHA-256 sum and the bill of materials (CycloneDX).
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path[:0] = [str(ROOT), str(HERE)]

from bundle_check import LARGEST_PACKED, MEGABYTE  # noqa: E402
from sbom import make_sbom  # noqa: E402

import poolviz  # noqa: E402

_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}  # platform.machine() to Debian's name
_USUAL_LEVEL = 6


def main(arguments: list[str]) -> int:
    """Make the packages of this system and return the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--bundle", type=Path, default=ROOT / "dist" / "poolviz")
    parser.add_argument("--out", type=Path, default=ROOT / "dist")
    parser.add_argument("--level", type=int, default=_USUAL_LEVEL, help="of compression, 0 to 9")
    given = parser.parse_args(arguments)
    if not any((given.bundle / name).is_file() for name in ("poolviz", "poolviz.exe")):
        parser.error(f"there is no bundle in {given.bundle}: run `pyinstaller build.spec` first")
    given.out.mkdir(parents=True, exist_ok=True)
    os.umask(0o022)  # readable by everybody, whatever the umask of the user who builds it
    sbom = make_sbom(ROOT, given.bundle)
    makers = [make_archive, make_deb] if sys.platform == "linux" else [make_zip]
    for made in (make(given.bundle, given.out, given.level) for make in makers):
        size = made.stat().st_size
        if given.level >= _USUAL_LEVEL and size > LARGEST_PACKED:
            limit = LARGEST_PACKED // MEGABYTE
            raise SystemExit(f"{made} has {size / MEGABYTE:.0f} MB; the limit is {limit} MB.")
        write_sum(made)
        made.with_name(f"{made.name}.cdx.json").write_text(sbom, encoding="utf-8")
        sys.stdout.write(f"{size / MEGABYTE:6.1f} MB  {made}\n")
    return 0


def make_zip(bundle: Path, out: Path, _level: int) -> Path:
    """Make the ZIP of the folder (Windows) or of the application (macOS)."""
    system = "windows" if sys.platform == "win32" else "macos"
    target = out / f"poolviz-{poolviz.__version__}-{system}-{platform.machine().lower()}.zip"
    if sys.platform == "darwin":  # ditto keeps symlinks and permissions
        application = bundle.with_suffix(".app")
        subprocess.run(["ditto", "-ck", "--keepParent", application, target], check=True)
    else:
        shutil.make_archive(str(target.with_suffix("")), "zip", bundle.parent, bundle.name)
    return target


def make_archive(bundle: Path, out: Path, level: int) -> Path:
    """Make poolviz-VERSION-linux-MACHINE.tar.xz, which contains an install script."""
    name = f"poolviz-{poolviz.__version__}-linux-{platform.machine()}"
    target = out / f"{name}.tar.xz"
    with tempfile.TemporaryDirectory(prefix="poolviz-archive-") as folder:
        top = Path(folder) / name
        shutil.copytree(bundle, top / "poolviz", symlinks=True)
        for source, place in _shared():
            _copy(source, top / "share" / place)
        _copy(HERE / "linux" / "install.sh", top / "install.sh")
        _copy(ROOT / "LICENSE", top / "LICENSE")
        _copy(_third_party(bundle), top / "THIRD-PARTY.txt")
        command = ["tar", "--sort=name", "--owner=0", "--group=0", "--numeric-owner", "--xz"]
        command += [f"--mtime=@{_timestamp()}"] if _timestamp() else []
        subprocess.run(
            [*command, "-C", folder, "-cf", str(target), name],
            check=True,
            env=os.environ | {"XZ_OPT": f"-T0 -{level}"},
        )
    return target


def make_deb(bundle: Path, out: Path, level: int) -> Path:
    """Make the Debian package, poolviz_VERSION_ARCHITECTURE.deb."""
    architecture = _ARCHITECTURES.get(platform.machine(), platform.machine())
    target = out / f"poolviz_{poolviz.__version__}_{architecture}.deb"
    with tempfile.TemporaryDirectory(prefix="poolviz-deb-") as folder:
        top = Path(folder)
        top.chmod(0o755)
        shutil.copytree(bundle, top / "usr/lib/poolviz", symlinks=True)
        start = top / "usr/bin/poolviz"
        start.parent.mkdir()
        start.symlink_to("../lib/poolviz/poolviz")
        for source, place in _shared():
            _copy(source, top / "usr/share" / place)
        documents = top / "usr/share/doc/poolviz"
        documents.mkdir(parents=True)
        licence = (ROOT / "LICENSE").read_text(encoding="utf-8")
        others = _third_party(bundle).read_text(encoding="utf-8")
        (documents / "copyright").write_text(f"{licence}\n{others}", encoding="utf-8")
        changes = (ROOT / "CHANGELOG.md").read_bytes()
        (documents / "changelog.gz").write_bytes(gzip.compress(changes, 9, mtime=0))
        _write_control(top, architecture)
        compression = ["-Zxz", f"-z{level}"]
        subprocess.run(
            ["dpkg-deb", "--root-owner-group", *compression, "--build", folder, str(target)],
            check=True,
            stdout=subprocess.DEVNULL,
        )
    return target


def _write_control(top: Path, architecture: str) -> None:
    """Write dpkg's control file and the checksums that `dpkg --verify` uses."""
    files = sorted(path for path in (top / "usr").rglob("*") if not path.is_dir())
    plain = [path for path in files if not path.is_symlink()]
    control = (HERE / "linux" / "control").read_text(encoding="utf-8")
    for mark, text in (
        ("@VERSION@", poolviz.__version__),
        ("@ARCHITECTURE@", architecture),
        ("@GLIBC@", _glibc(plain)),
        ("@SIZE@", str(sum(path.stat().st_size for path in plain) // 1024)),
    ):
        control = control.replace(mark, text)
    folder = top / "DEBIAN"
    folder.mkdir()
    (folder / "control").write_text(control, encoding="utf-8")
    sums = [f"{_digest(path, 'md5')}  {path.relative_to(top)}\n" for path in plain]
    (folder / "md5sums").write_text("".join(sums), encoding="utf-8")


def _glibc(files: list[Path]) -> str:
    """Return the lowest version of glibc that has every symbol the files need."""
    needed = {
        int(number)
        for path in files
        if path.suffix == "" or ".so" in path.name
        for number in re.findall(rb"\0GLIBC_2\.(\d+)(?=\0)", path.read_bytes())
    }
    return f"2.{max(needed)}"


def _shared() -> Iterator[tuple[Path, str]]:
    """What desktops read: files, and where below `share` they belong."""
    yield HERE / "linux/poolviz.desktop", "applications/poolviz.desktop"
    yield HERE / "linux/poolviz-mime.xml", "mime/packages/poolviz.xml"
    metainfo = "org.poolviz.poolviz.metainfo.xml"
    yield HERE / "linux" / metainfo, f"metainfo/{metainfo}"
    yield ROOT / "resources/icon.svg", "icons/hicolor/scalable/apps/poolviz.svg"
    for icon in (ROOT / "resources/icons").glob("poolviz-*.png"):
        size = icon.stem.removeprefix("poolviz-")
        yield icon, f"icons/hicolor/{size}x{size}/apps/poolviz.png"


def _third_party(bundle: Path) -> Path:
    return bundle / "_internal/poolviz/resources/THIRD-PARTY.txt"


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
    target.chmod(0o755 if os.access(source, os.X_OK) else 0o644)


def _timestamp() -> str:
    """Return the modification time for all files in a reproducible build, else an empty string."""
    return os.environ.get("SOURCE_DATE_EPOCH", "")


def write_sum(path: Path) -> Path:
    """Write and return PATH.sha256, which `sha256sum --check` reads."""
    target = path.with_name(f"{path.name}.sha256")
    target.write_text(f"{_digest(path, 'sha256')}  {path.name}\n", encoding="utf-8")
    return target


def _digest(path: Path, algorithm: str) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
