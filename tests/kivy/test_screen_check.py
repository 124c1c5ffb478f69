import sys

import pytest

from becalm_kivy import words
from becalm_kivy.app import run_app
from becalm_kivy.screen_check import can_open_window
from becalm_protocol.errors import ConfigError

linux_only = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="other systems always have a display")


@linux_only
def test_without_a_display_there_is_no_window(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    assert can_open_window() == (False, words.NO_DISPLAY)


@linux_only
@pytest.mark.parametrize("name", ["DISPLAY", "WAYLAND_DISPLAY"])
def test_with_a_display_there_is_one(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, ":0")
    assert can_open_window() == (True, "")


@linux_only
def test_a_missing_display_is_one_clear_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "SDL_VIDEODRIVER"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ConfigError, match=r"no display .* --client terminal"):
        run_app("http://127.0.0.1:8765")


def test_a_wrong_address_is_said_before_any_window_opens() -> None:
    with pytest.raises(ConfigError, match="server address"):
        run_app("ftp://nowhere")
