"""Logging: where records go, and what never goes with them."""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from poolviz.model.errors import InputError
from poolviz.system.logs import (
    current_log_settings,
    set_up_logging,
    set_up_window_logging,
    window_log,
)
from tests.servers.fixtures import BOUND, PROJECT

MARK = "m4rk"
logger = logging.getLogger("poolviz.somewhere.deep")


def test_records_of_the_level_and_above_are_appended_to_the_file(tmp_path: Path) -> None:
    file = tmp_path / "a.log"
    file.write_text("before\n")
    set_up_logging("warning", file)
    logger.info("not this")
    logger.warning("%s of %s", 1, 2)
    before, line = file.read_text().splitlines()
    assert before == "before"
    assert "WARNING" in line
    assert line.endswith("poolviz.somewhere.deep: 1 of 2")
    set_up_logging("debug", file)
    logger.debug("this too")
    assert file.read_text().count("\n") == 3


def test_without_a_file_they_go_to_what_stderr_then_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    set_up_logging()
    logger.warning("It happened")
    assert capsys.readouterr().err == ("poolviz: WARNING: It happened (poolviz.somewhere.deep)\n")
    monkeypatch.setattr(sys, "stderr", None)  # as in a program without a terminal
    logger.warning("It happened again")


def test_no_password_is_in_a_line_a_traceback_or_a_stack(tmp_path: Path) -> None:
    file = tmp_path / "a.log"
    set_up_logging("debug", file)
    logger.error("Can't connect to %s", f"postgresql://u:{MARK}@h/db")
    logger.error("Can't connect with %r", {"password": f"'{MARK}"}, stack_info=True)
    try:
        raise ValueError(f"host=h password='a {MARK}' user=u")
    except ValueError:
        logger.exception("Can't connect")
    text = file.read_text()
    assert MARK not in text
    assert "ValueError: host=h password=*** user=u" in text
    assert text.count("deep: Can't connect") == 3


def test_what_a_record_quotes_is_printable_and_makes_no_line_of_its_own(tmp_path: Path) -> None:
    file = tmp_path / "a.log"
    set_up_logging("debug", file)
    logger.info("Reached %s", "\x1b[2J\x8d\n2026-01-01 ERROR forged")
    (line,) = file.read_text().splitlines()
    assert line.endswith(r"Reached \x1b[2J\x8d\n2026-01-01 ERROR forged")
    try:
        raise ValueError("\x07")
    except ValueError:
        logger.exception("It failed")
    assert "\nValueError: \\x07\n" in file.read_text()


def test_a_record_that_cannot_be_written_is_reported_once_without_its_contents(
    capsys: pytest.CaptureFixture[str],
) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("there is no device that is always full")
    set_up_logging("debug", Path("/dev/full"))
    for _ in range(2):
        logger.error("password=%s", MARK)
    said = capsys.readouterr().err
    assert said.startswith("poolviz: Can't write to the log /dev/full: ")
    assert said.count("\n") == 1
    assert MARK not in said


def test_no_logger_but_poolvizs_own_is_touched(tmp_path: Path) -> None:
    code = (
        "import logging, sys\n"
        "from pathlib import Path\n"
        "from poolviz.system.logs import set_up_logging, set_up_window_logging\n"
        "set_up_logging('debug', Path(sys.argv[1]))\n"
        "set_up_window_logging('debug')\n"
        "set_up_logging('debug')\n"
        "root = logging.getLogger()\n"
        "assert (root.handlers, root.level, logging.root.manager.disable) == ([], 30, 0)\n"
        "names = [name for name, each in root.manager.loggerDict.items()\n"
        "         if isinstance(each, logging.Logger) and (each.handlers or each.level)]\n"
        "assert names == ['poolviz'], names\n"
        "logging.getLogger('other').error('not ours')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "a.log")],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        env={"POOLVIZ_HOME": str(tmp_path / "home")},
        timeout=BOUND,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "not ours\n")
    assert (tmp_path / "a.log").read_text() == ""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such modes")
def test_a_new_log_is_its_owners_alone_and_an_old_one_keeps_its_mode(tmp_path: Path) -> None:
    new, old = tmp_path / "new.log", tmp_path / "old.log"
    old.touch(0o644)
    for file, mode in ((new, 0o600), (old, 0o644)):
        set_up_logging("info", file)
        assert file.stat().st_mode & 0o777 == mode


def test_the_windows_log_is_rotated_and_private_and_two_old_ones_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POOLVIZ_HOME", str(tmp_path / "home"))
    set_up_window_logging()
    assert window_log() == tmp_path / "home" / "logs" / "poolviz.log"
    for _ in range(450):
        logger.info("x" * 10_000)
    files = sorted(window_log().parent.iterdir())
    assert [file.name for file in files] == ["poolviz.log", "poolviz.log.1", "poolviz.log.2"]
    assert all(file.stat().st_size <= 1_000_000 for file in files)
    if sys.platform != "win32":
        assert {file.stat().st_mode & 0o777 for file in files} == {0o600}


def test_a_child_process_logs_to_the_same_file_also_after_a_rotation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POOLVIZ_HOME", str(tmp_path))
    set_up_window_logging("debug")
    code = (
        "import logging, sys\n"
        "from pathlib import Path\n"
        "from poolviz.system.logs import set_up_logging\n"
        "set_up_logging(sys.argv[1], Path(sys.argv[2]))\n"
        "for line in sys.stdin:\n"
        "    logging.getLogger('poolviz.child').debug(line.strip())\n"
        "    print(flush=True)\n"
    )
    level, file = current_log_settings()
    with subprocess.Popen(
        [sys.executable, "-c", code, level, str(file)],
        cwd=PROJECT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as child:
        assert child.stdin is not None and child.stdout is not None

        def say(words: str) -> None:
            print(words, file=child.stdin, flush=True)
            assert child.stdout is not None
            child.stdout.readline()

        say("first")
        assert "poolviz.child: first" in window_log().read_text()
        for _ in range(110):
            logger.info("x" * 10_000)
        say("second")
        assert "poolviz.child: second" in window_log().read_text()
        assert "first" not in window_log().read_text()


def test_a_window_that_cannot_write_its_log_goes_on_with_stderr(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "logs").write_text("in the way of the folder")
    monkeypatch.setenv("POOLVIZ_HOME", str(tmp_path))
    set_up_window_logging()
    assert "Can't write the log to" in capsys.readouterr().err
    logger.warning("It happened")
    assert "It happened" in capsys.readouterr().err
    assert current_log_settings() == ("info", None)


@pytest.mark.parametrize("set_up", [set_up_logging, set_up_window_logging])
def test_a_wrong_level_or_file_is_one_sentence(
    set_up: Callable[[str, Path | None], None], tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=r"^There is no log level 'loud': it is one of debug, "):
        set_up("loud", None)
    with pytest.raises(
        InputError, match=r"^Can't write the log to .*: choose another file with --log"
    ):
        set_up("info", tmp_path / "no" / "folder.log")
