"""Any text is an address, or is refused in a sentence."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from poolviz.model.errors import InputError
from poolviz.runs.metrics.address import CollectorAddress, ListenAddress


# Of letters, names would be asked for that no server knows, which takes its time.
@given(st.text(":[]0123456789/ ²\0٣", max_size=12))
@example("::1:80")
@example("[::1%0]:80")
@example(":" * 60_000)
@example("0" * 60_000)
@example(f"{'1' * 60_000}:80")
def test_any_text_is_an_address_to_listen_at_or_refused(text: str) -> None:
    try:
        address = ListenAddress.parse(text)
    except InputError as error:
        (sentence,) = error.problems
        assert sentence.startswith("--metrics ") and sentence.isprintable()
    else:
        host, port = address.address[:2]
        assert address.loopback == (host.startswith("127.") or host == "::1")
        assert 0 <= port <= 65535


@given(
    st.one_of(
        st.text(max_size=30),
        st.builds("{}://{}".format, st.sampled_from(("http", "https", "HTTP")), st.text()),
        st.builds("http://{}:{}{}".format, st.text(), st.integers(), st.text()),
        st.builds("http://u:hunter2@{}/{}".format, st.text(), st.text()),
    )
)
@example("http://" + "a" * 60_000)
@example("http://[::1]:4318")
@example("http://ﬀ.com℀/")
def test_any_text_is_a_collector_or_refused(text: str) -> None:
    try:
        address = CollectorAddress.parse(text)
    except InputError as error:
        (sentence,) = error.problems
        assert sentence.startswith("--otlp: ") and sentence.isprintable()
    else:
        assert address.url.startswith(("http://", "https://"))
        assert address.shown.isprintable()
        assert "hunter2" not in address.shown.partition("/v1")[0] or "@" not in address.shown
