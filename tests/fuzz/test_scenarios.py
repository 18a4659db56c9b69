"""Any bytes as a scenario: mutations of right ones, and others."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poolviz.system.resources import resource
from tests.fuzz.hostile import WORDS
from tests.fuzz.promise import command, contents, counted, folder, fuzz, keeps_the_promise

pytestmark = pytest.mark.usefixtures("no_runs")

_PRESETS = tuple(path.read_bytes() for path in sorted(resource("presets").glob("*.toml")))
_TOKENS = st.sampled_from(
    (
        *(b"[", b"]", b"[[", b"]]", b"{", b"}", b"=", b".", b",", b'"', b"'", b'"""', b"'''", b"#"),
        *(b"\n", b"\r", b"\0", b"\xff", b"\xed\xa0\x80", b"\\", b"\\u0000", b"\xef\xbb\xbf", b"e9"),
        *(
            b"nan",
            b"inf",
            b"-1",
            b"1e400",
            b"9" * 5000,
            b"0x" + b"f" * 5000,
            b"true",
            b"1979-05-27",
        ),
        *(b"[changes]", b"[[changes]]\nat=1\n", b"[[load]]", b"limits = 1\n", b"a." * 400),
        *(b"[" * 2000, b"at = -1\n", b"pool = ''\n", b"pool = 'x'\n", b"dsn = 'password=m4rk3d'\n"),
        *(b"dsn = 'mysql://u:m4rk3d@h@localhost:1/'\n", b"sql = ':x'\n", b"statement = 'sql'\n"),
        *(
            b"hold_file = '/dev/zero'\nhold_distribution = 'file'\n",
            b"seed = 1.5\n",
            b"fail_if=[1]",
        ),
    )
)
_OTHER = WORDS.map(lambda text: text.encode("utf-8", "surrogatepass"))


@st.composite
def mutated(draw: st.DrawFn, whole: st.SearchStrategy[bytes]) -> bytes:
    """Return bytes of which some were removed, doubled, exchanged or replaced by others."""
    data = draw(whole)
    for _ in range(draw(st.integers(1, 4))):
        at, end = sorted(draw(st.integers(0, len(data))) for _ in range(2))
        end = min(end, at + draw(st.sampled_from((0, 1, 5, 50, 5000))))
        new = draw(st.one_of(st.just(b""), st.just(data[at:end] * 2), _TOKENS, _OTHER))
        data = data[:at] + new + data[end:]
    return data


SCENARIOS = st.one_of(
    mutated(st.sampled_from(_PRESETS)),
    mutated(st.sampled_from(_PRESETS)),
    st.lists(_TOKENS | _OTHER, max_size=10).map(b"".join),
    st.binary(max_size=60),
)


@fuzz(share=0.2, few=40)
@given(SCENARIOS)
def test_any_bytes_are_a_scenario_or_refused(data: bytes) -> None:
    with folder() as place:
        path = Path("own.toml")
        path.write_bytes(data)
        before = contents(place)
        with counted("scenarios", data):
            outcome = command("run", str(path), "--dsn", "host=/nonexistent", "--quiet")
        keeps_the_promise(outcome)
        assert outcome.status in (2, 3)
        assert contents(place) == before
