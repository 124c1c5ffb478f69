import os
import socket
import subprocess
import sys
from pathlib import Path

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
def test_a_display_that_answers_is_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setenv("WAYLAND_DISPLAY", "wayland-7")
    assert can_open_window() == (False, "the display wayland-7 does not answer")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as display:
        display.bind(str(tmp_path / "wayland-7"))
        display.listen()
        assert can_open_window() == (True, "")


@linux_only
@pytest.mark.parametrize(("display", "possible"), [(":4711", False), (":4711.0", False), ("far.example:10.0", True)])
def test_an_x_display_is_asked_where_it_is_local(
    monkeypatch: pytest.MonkeyPatch, display: str, *, possible: bool
) -> None:
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    monkeypatch.setenv("DISPLAY", display)
    assert can_open_window()[0] is possible


@linux_only
def test_a_missing_display_is_one_clear_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "SDL_VIDEODRIVER"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ConfigError, match=r"no display .* --kind terminal"):
        run_app("http://127.0.0.1:8765")


def test_a_wrong_address_is_said_before_any_window_opens() -> None:
    with pytest.raises(ConfigError, match="server address"):
        run_app("ftp://nowhere")


def test_a_window_that_cannot_open_is_one_clear_sentence(tmp_path: Path) -> None:
    code = "from becalm_kivy.app import run_app; run_app('http://127.0.0.1:1', stop_after_s=1)"
    environment = {name: text for name, text in os.environ.items() if not name.startswith("KIVY_")}
    # A remote display is not asked beforehand, and the dummy driver has no GL: the window itself must fail.
    environment |= {"SDL_VIDEODRIVER": "dummy", "DISPLAY": "far.example:1", "BECALM_CLIENT_DIR": str(tmp_path)}
    ran = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=30)
    assert "ConfigError: screen: no window could be opened" in ran.stderr
    assert "apt-get install libgl1" in ran.stderr
