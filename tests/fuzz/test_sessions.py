"""Session files with other bytes in them than were recorded."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.promise import command, contents, counted, folder, fuzz, keeps_the_promise
from tests.sessions.file.recording import recorded

pytestmark = pytest.mark.usefixtures("no_runs")

_OLD = Path(__file__).parents[1] / "sessions" / "data" / "format-1.poolviz"


@pytest.fixture(scope="session")
def wholes(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, ...]:
    """A session of this version and one of an earlier one."""
    new = recorded(tmp_path_factory.mktemp("fuzz") / "new.poolviz")
    return new.read_bytes(), _OLD.read_bytes()


CHANGES = st.lists(
    st.tuples(
        st.floats(0, 1, exclude_max=True),
        st.one_of(st.binary(min_size=1, max_size=8), st.sampled_from((b"\0" * 4096, b"\xff" * 64))),
        st.sampled_from(("overwrite", "insert", "remove", "cut")),
    ),
    min_size=1,
    max_size=4,
)


def changed(data: bytes, changes: list[tuple[float, bytes, str]]) -> bytes:
    for part, new, how in changes:
        at = int(part * len(data))
        match how:
            case "overwrite":
                data = data[:at] + new + data[at + len(new) :]
            case "insert":
                data = data[:at] + new + data[at:]
            case "remove":
                data = data[:at] + data[at + len(new) :]
            case "cut":
                data = data[:at]
    return data


@fuzz(share=0.1)
@given(st.sampled_from((0, 1)), CHANGES, st.sampled_from((".json", ".csv", ".toml", ".poolviz")))
def test_a_changed_session_is_exported_or_refused(
    wholes: tuple[bytes, ...],
    which: int,
    changes: list[tuple[float, bytes, str]],
    suffix: str,
) -> None:
    with folder() as place:
        path = Path("own.poolviz")
        path.write_bytes(changed(wholes[which], changes))
        before = contents(place)
        with counted("session files", changes):
            outcome = command("export", str(path), f"out{suffix}")
        keeps_the_promise(outcome)
        assert outcome.status in (0, 2)
        after = contents(place)
        if outcome.status:
            assert after == before
        else:
            assert f"out{suffix}" in after
            assert not [name for name in after if name.startswith(".")]
