"""Any text is the address of a fleet that may be used, or is refused in a sentence."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from poolviz.model.errors import InputError
from poolviz.runs.fleet.address import FleetAddress


def refusal(text: str) -> str:
    with pytest.raises(InputError) as caught:
        FleetAddress.parse(text)
    (sentence,) = caught.value.problems
    return sentence


@given(
    st.one_of(
        st.text(max_size=30),
        st.builds("{}://{}".format, st.sampled_from(("tcp", "tls", "TLS", "ssh")), st.text()),
        st.builds("tcp://{}:{}{}".format, st.text(), st.integers(), st.text()),
        st.builds("tls://u:hunter2@{}/{}".format, st.text(), st.text()),
    )
)
@example("tcp://" + "a" * 60_000)
@example("tcp://[::1")
@example("tls://host:99999")
@example("tls://host:٣")
@example("tls://a\nb:1")
def test_any_text_is_an_address_or_refused(text: str) -> None:
    try:
        address = FleetAddress.parse(text)
    except InputError as error:
        (sentence,) = error.problems
        assert sentence.startswith("--fleet ") and sentence.isprintable()
        assert "hunter2" not in sentence
        assert len(sentence) < 500
    else:
        assert address.encrypted or address.loopback
        assert 0 < address.port <= 65535
        assert FleetAddress.parse(address.url) == address


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("tcp://127.0.0.1:8786", "tcp://127.0.0.1:8786"),
        ("tcp://127.0.0.3", "tcp://127.0.0.3:8786"),
        ("tcp://localhost:99", "tcp://localhost:99"),
        ("tcp://[::1]:99", "tcp://[::1]:99"),
        ("TLS://scheduler.example:99/", "tls://scheduler.example:99"),
        ("tls://10.1.2.3", "tls://10.1.2.3:8786"),
    ],
)
def test_addresses_that_may_be_used(text: str, url: str) -> None:
    assert FleetAddress.parse(text).url == url


@pytest.mark.parametrize(
    "text",
    ["tcp://10.1.2.3:8786", "tcp://scheduler:8786", "tcp://0.0.0.0", "tcp://localhost.evil.org:1"],
)
def test_another_machine_is_refused_without_tls_and_the_cure_is_said(text: str) -> None:
    sentence = refusal(text)
    assert "--tls-ca-file" in sentence
    assert FleetAddress.parse(sentence.split("give ")[1].rstrip(".")).encrypted


@pytest.mark.parametrize(
    "text", ["", "8786", "127.0.0.1:8786", "http://h:1", "tls://h/x", "tls://"]
)
def test_what_is_no_address_is_refused(text: str) -> None:
    assert "tcp://127.0.0.1:8786" in refusal(text)
