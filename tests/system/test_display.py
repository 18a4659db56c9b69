"""Whether a window could be opened, found out without Qt."""

from __future__ import annotations

import sys

import pytest

from poolviz.system.display import display_problem

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="X and Wayland")


@pytest.fixture(autouse=True)
def _bare(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("QT_QPA_PLATFORM", "DISPLAY", "WAYLAND_DISPLAY", "XDG_RUNTIME_DIR"):
        monkeypatch.delenv(name, raising=False)


def test_without_any_display_it_says_so() -> None:
    assert display_problem() == ("There is no display (neither DISPLAY nor WAYLAND_DISPLAY is set)")


@pytest.mark.parametrize("variable", ["DISPLAY", "WAYLAND_DISPLAY"])
def test_a_display_that_isnt_there_is_named(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, ":9977")
    assert display_problem() == "The display :9977 can't be opened"


def test_a_platform_that_the_user_chose_is_not_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QT_QPA_PLATFORM", "offscreen")
    assert display_problem() is None
