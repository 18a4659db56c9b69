"""The command: see the package's docstring."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import click

from tests.library_tests.libraries import LIBRARIES, Library, Server
from tests.library_tests.source import download, lay_out
from tests.library_tests.verdict import Outcomes, Verdict, judge, reason

PLUGIN = Path(__file__).parent / "plugin"
PATIENCE = 900.0  # seconds for all tests of one library; psycopg-pool's slow ones take the longest
# Plugins of this project's own tests.
OTHERS = ("randomly", "xdist", "pytestqt", "pytest_cov", "hypothesispytest")


@click.command(help="Run the libraries' own tests for their pools with our classes.")
@click.argument("library", type=click.Choice(list(LIBRARIES), case_sensitive=False), required=False)
@click.argument("source", type=click.Path(exists=True, path_type=Path), required=False)
@click.option("--slow/--no-slow", help="Run tests marked as slow, too.")
def main(library: str | None, source: Path | None, slow: bool) -> None:
    """Run the tests of one library, or of all whose sdist carries them."""
    chosen = (
        [LIBRARIES[library]] if library else [one for one in LIBRARIES.values() if one.in_sdist]
    )
    if source is None and not chosen[0].in_sdist:
        raise click.UsageError(
            f"The sdist of {library} carries no tests: give a folder with its repository at the "
            f"tag of {chosen[0].version}."
        )
    # Not the usual folder of temporary files, whose name is too long for sockets on macOS.
    with tempfile.TemporaryDirectory(prefix="pv-") as name, ThreadPoolExecutor(2) as two:
        folder = Path(name)
        folder.chmod(0o711)  # servers may run under another account
        try:
            sources = {library: source} if source else download(chosen, folder)
            # Two at once: most of a test is waiting.
            verdicts = list(two.map(lambda one: run(one, sources[one.name], folder, slow), chosen))
        except RuntimeError as error:
            raise click.ClickException(str(error)) from error
    for one, verdict in zip(chosen, verdicts, strict=True):
        show(one, verdict)
    passed, failed = (sum(len(getattr(v, what)) for v in verdicts) for what in ("passed", "failed"))
    skipped = sum(len(verdict.skipped) for verdict in verdicts)
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    sys.exit(bool(failed))


def run(library: Library, source: Path, folder: Path, slow: bool) -> Verdict:
    """Run a library's tests with our class, and what fails with the library's own.

    Raises RuntimeError if pytest can't run them.
    """
    laid = lay_out(library, source, folder)
    with library.server() as server:
        ours = run_tests(library, laid, server, ours=True, slow=slow)
        failed = [test for test, (outcome, _) in ours.items() if outcome == "failed"]
        unlisted = [test for test in failed if not reason(test, library.cannot_pass)]
        again = run_tests(library, laid, server, ours=True, slow=slow, only=unlisted)
        upstream = run_tests(library, laid, server, ours=False, slow=slow, only=failed)
    return judge(ours, again, upstream, library.cannot_pass)


def run_tests(
    library: Library,
    laid: Path,
    server: Server,
    *,
    ours: bool,
    slow: bool,
    only: Collection[str] | None = None,
) -> Outcomes:
    """Run pytest on a library's tests, on those of `only` if given; return their outcomes."""
    if only is not None and not only:
        return {}
    outcomes, names = laid / "outcomes.json", laid / "only.json"
    outcomes.unlink(missing_ok=True)
    environment = os.environ | {"PYTHONPATH": str(PLUGIN), "POOLVIZ_OUTCOMES": str(outcomes)}
    environment |= server.environment
    environment.pop("POOLVIZ_LIBRARY", None)
    if ours:
        environment["POOLVIZ_LIBRARY"] = library.name
    if only is not None:
        names.write_text(json.dumps(list(only)))
        environment["POOLVIZ_ONLY"] = str(names)
    # -s: SQLAlchemy's tests would import their source's package, which isn't compiled.
    command = [sys.executable, "-s", "-m", "pytest", "-q", "--tb=short", "-o", "addopts="]
    command += ["-p", "pools_in_place", "--rootdir", str(laid)]
    command += [part for other in OTHERS for part in ("-p", f"no:{other}")]
    command += [*library.options, *server.options, *library.files]
    if not slow:
        command += ["-m", "not slow"]
    with tempfile.TemporaryFile("w+") as log:
        with suppress(subprocess.TimeoutExpired):
            subprocess.run(
                command,
                cwd=laid,
                env=environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                timeout=PATIENCE,
                check=False,
            )
        log.seek(0)
        said = log.read()
    if not outcomes.exists():
        raise RuntimeError(f"{library.name}'s tests didn't come to their end:\n{said[-5000:]}")
    found: dict[str, tuple[str, str]] = json.loads(outcomes.read_text())
    if not found:
        raise RuntimeError(f"{library.name}'s tests weren't found:\n{said[-5000:]}")
    return found


def show(library: Library, verdict: Verdict) -> None:
    """Print how many of a library's tests passed, and of the others why not."""
    others = {
        "can't pass": verdict.listed,
        "fails with the library's own class too": verdict.upstream,
        "failed at first, and passed when run again": verdict.unsteady,
        "FAILED": verdict.broken,
        "WRONGLY LISTED": verdict.stale,
    }
    run_ = len(verdict.passed) + sum(map(len, others.values()))
    print(f"{library.name} {library.version}: {len(verdict.passed)} of {run_} passed")
    for what, tests in others.items():
        for test, said in tests.items():
            print(f"  {what}: {test}\n    {' '.join(said.split())[:400]}")


if __name__ == "__main__":
    main()
