"""A large scenario that is wrong is refused at once, and in few words."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from poolviz.model.errors import MOST_PROBLEMS, InputError
from poolviz.scenarios.check import MOST_CHANGES, MOST_CONDITIONS, complete_draft
from poolviz.scenarios.draft import Draft, DraftError
from poolviz.scenarios.toml_file import DEEPEST, LARGEST, read_draft
from poolviz.scenarios.toml_lines import nests_deeper
from poolviz.sessions.thresholds import Threshold

SIZE = 100_000  # characters
BOUND = 4.0  # seconds of this process for what takes less than one


def lines(line: Callable[[int], str], head: str = "") -> tuple[str, int]:
    """Return a text of `SIZE` characters made of lines, and their number."""
    written, index = [head], 0
    size = len(head)
    while size < SIZE:
        written.append(line(index))
        size += len(written[-1])
        index += 1
    return "".join(written), index


WRONG = {
    "unknown keys": lines(lambda n: f"key{n} = 3\n"),
    "unknown limits": lines(lambda n: f"pool_syze{n} = 3\n", "[limits]\n"),
    "unknown settings": lines(lambda n: f"klients{n} = 3\n", "[load]\n"),
    "unknown languages": lines(lambda n: f"en{n} = 'x'\n", "[watch]\n"),
    "unknown keys of one change": lines(lambda n: f"klients{n} = 3\n", "[[changes]]\nat = 1\n"),
    "unknown keys of many changes": lines(lambda n: f"[[changes]]\nat = {n}\nklients{n} = 3\n"),
    "wrong values of many changes": lines(lambda n: f"[[changes]]\nat = {n}\nclients = -1\n"),
    "changes without a time": lines(lambda n: "[[changes]]\nclients = 1\n"),
}


def refusal(path: Path, text: str) -> InputError:
    """Return the error for a scenario, which comes at once."""
    path.write_text(text, encoding="utf-8")
    began = time.process_time()
    with pytest.raises(InputError) as caught:
        complete_draft(read_draft(path), Threshold.parse)
    assert time.process_time() - began < BOUND
    return caught.value


@pytest.mark.parametrize(("text", "count"), WRONG.values(), ids=WRONG)
def test_of_thousands_of_mistakes_the_first_twenty_are_spelled_out(
    tmp_path: Path, text: str, count: int
) -> None:
    error = refusal(tmp_path / "large.toml", text)
    assert isinstance(error, DraftError)
    assert error.count == count
    for problems in (error.problems, error.problems_in_file):
        assert len(problems) == MOST_PROBLEMS + 1
        assert problems[-1] == f"… and {count - MOST_PROBLEMS:,} more mistakes."
    numbers = [int(problem.split(", line ")[1].split(":")[0]) for problem in error.problems[:-1]]
    assert numbers == sorted(numbers)
    assert sum(map(len, error.problems)) < 20_000


def test_twenty_one_mistakes_are_one_more(tmp_path: Path) -> None:
    twenty = "".join(f"key{n} = 1\n" for n in range(MOST_PROBLEMS))
    assert len(refusal(tmp_path / "own.toml", twenty).problems) == MOST_PROBLEMS
    problems = refusal(tmp_path / "own.toml", f"{twenty}other = 1").problems
    assert problems[-1] == "… and 1 more mistake."


ONE_MISTAKE = {
    "a long key": f"{'a' * SIZE} = 1",
    "a long value": f"[load]\narrivals = '{'a' * SIZE}'",
    "a long pool": f"pool = '{'a' * SIZE}'",
    "a long condition": f"fail_if = ['{'a' * SIZE} > 1']",
    "a long quoted key": f"limits = {{'{'a' * SIZE}' = 1}}",
    "a key with many dots": f"{'a.' * SIZE}a = 1",
    "a table with many dots": f"[{'a .' * SIZE}a]",
    "many arrays": f"title = {'[' * SIZE}{']' * SIZE}",
    "many inline tables": f"limits = {'{a = ' * 400}1{'}' * 400}",
    "many elements in many arrays": f"x = {'[' * 400}{'1,' * SIZE}{']' * 400}",
    "no TOML with brackets": "{[" * SIZE,
    "no TOML with quotes": '"' * SIZE + "\\" + '"""\\' * SIZE,
    "many changes": f"changes = [{'{at = 1, clients = 1}, ' * (MOST_CHANGES + 1)}]",
    "many conditions": "fail_if = [" + '"errors > 0", ' * (MOST_CONDITIONS + 1) + "]",
}


@pytest.mark.parametrize("text", ONE_MISTAKE.values(), ids=ONE_MISTAKE)
def test_one_large_mistake_is_one_short_sentence(tmp_path: Path, text: str) -> None:
    (sentence,) = refusal(tmp_path / "large.toml", text).problems
    assert len(sentence) < 1000
    assert sentence.endswith(".")


def test_a_scenario_of_a_megabyte_is_the_largest(tmp_path: Path) -> None:
    path = tmp_path / "large.toml"
    path.write_bytes(b"#" * LARGEST)
    assert read_draft(path) == Draft(source=read_draft(path).source)
    path.write_bytes(b"#" * (LARGEST + 1))
    with pytest.raises(InputError, match=r"large\.toml: it is larger than 1 MB\.$"):
        read_draft(path)


def test_what_never_ends_is_not_read(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.toml"
    os.mkfifo(pipe)
    for path in (pipe, Path("/dev/zero"), tmp_path):
        with pytest.raises(InputError, match="Can't read"):
            read_draft(path)


def test_as_many_changes_as_are_allowed_are_checked_in_time(tmp_path: Path) -> None:
    changes = [{"at": n, "clients": n % 100} for n in range(MOST_CHANGES)]
    began = time.process_time()
    assert len(complete_draft(Draft(changes=changes)).changes) == MOST_CHANGES
    assert time.process_time() - began < 2 * BOUND


def test_depth_is_that_of_keys_and_brackets_not_of_text() -> None:
    dots, brackets = "." * 100, "[{" * 100
    for text in (
        f'title = "{dots}{brackets}"',
        f"title = '{dots}{brackets}'",
        f'title = """\n{dots}{brackets}""\\""""',
        f"title = '''\n{dots}{brackets}''''",
        f"# {dots}{brackets}",
        "x = [" + "[1.5, 2.5], " * 100 + "]",
        "\n".join(f"a.b.c{n} = 1.5" for n in range(100)),
        f"{'.'.join('a' * DEEPEST)} = 1",
    ):
        assert not nests_deeper(text, DEEPEST)
    assert nests_deeper(f"{'.'.join('a' * (DEEPEST + 2))} = 1", DEEPEST)
