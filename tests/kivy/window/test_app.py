"""The app as a whole: pairing on its screens, options, large text, and how it ends."""

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.kivy.window.conftest import Open

from becalm_kivy import theme, words
from becalm_kivy.app import run_app, run_app_async
from becalm_kivy.preferences import PreferenceFile, Preferences
from becalm_kivy.servers import Keys
from becalm_protocol.errors import CloseCode, ConfigError
from becalm_protocol.handshake import SessionPhase

pytestmark = pytest.mark.usefixtures("gl")


async def test_options_are_kept(scripted: Any, tmp_path: Path, open_app: Open) -> None:
    async with open_app(scripted.url, Preferences(reduced_motion=True)) as shown:
        await shown.tap(shown.practice.ids.options)
        sheet = shown.app.options
        await shown.tap(sheet.switches["show_curves"])
        await shown.tap(sheet.text_scale)
        sheet.dismiss(animation=False)
        await shown.pictures()
    kept = PreferenceFile(tmp_path / "client.json").read()
    assert kept == Preferences(show_curves=True, reduced_motion=True, text_scale=1.3)


async def test_a_device_that_is_not_known_is_paired_on_the_screen(
    scripted: Any, person: Any, tmp_path: Path, open_app: Open
) -> None:
    """The server turns it away; a wrong link is answered in words and stays; the right one opens it, here elsewhere."""
    links: list[str] = []

    def pair(link: str) -> str:
        links.append(link)
        if len(links) == 1:
            raise ConfigError("this link was used before; ask for another", setting="link")
        scripted.refuses = None
        return str(scripted.url)

    scripted.refuses = CloseCode.AUTH
    scripted.welcome = person.welcome()
    async with open_app(scripted.url, keys=Keys(token=lambda _url: "key", pair=pair)) as shown:
        await shown.until(lambda: shown.app.pairing is not None)
        sheet = shown.app.pairing
        assert shown.practice.sentence == words.NOT_PAIRED
        await shown.tap(sheet.ids.pair)  # nothing was typed: nothing is asked
        assert links == []
        sheet.ids.link.text = " http://house:8765/pair#used "
        await shown.tap(sheet.ids.pair)
        await shown.until(lambda: sheet.answer == "This link was used before; ask for another")
        assert sheet.ids.link.text.strip().endswith("#used")
        sheet.ids.link.text = "http://house:8765/pair#fresh"
        await shown.tap(sheet.ids.pair)
        await shown.until(lambda: shown.practice.sentence == words.READY)
        await shown.until(lambda: sheet.parent is None)
    assert links == ["http://house:8765/pair#used", "http://house:8765/pair#fresh"]
    assert scripted.hellos[-1].token == "key"
    assert PreferenceFile(tmp_path / "client.json").read().server_url == scripted.url


async def test_pairing_is_in_the_options_and_can_be_put_away(scripted: Any, person: Any, open_app: Open) -> None:
    scripted.welcome = person.welcome()
    async with open_app(scripted.url, Preferences(text_scale=1.6, reduced_motion=True)) as shown:
        await shown.until(lambda: shown.practice.sentence == words.READY)
        await shown.tap(shown.practice.ids.options)
        await shown.tap(shown.app.options.pairing)
        from becalm_kivy.widgets.controls import PillButton

        sheet = shown.app.pairing
        await shown.pictures(4)
        assert [one for one in sheet.walk() if isinstance(one, PillButton) and one.height < theme.TOUCH_DP] == []
        assert sheet.ids.sheet.height < theme.HEIGHT_DP / 2 + 140  # a keyboard still has room below it
        await shown.tap(sheet.ids.close)
        await shown.until(lambda: sheet.parent is None)


async def test_large_text_is_never_clipped(scripted: Any, person: Any, open_app: Open) -> None:
    scripted.welcome = person.welcome(person.session(SessionPhase.PRACTICE))
    scripted.begin_at(100)
    async with open_app(scripted.url, Preferences(text_scale=1.6, show_numbers=True, show_curves=True)) as shown:
        await scripted.send(person.live(person.metrics(99.5), published_s=100.0))
        await shown.until(lambda: shown.practice._numbers_card.parent is not None)
        await shown.pictures(4)
        from kivy.uix.label import Label

        labels = [widget for widget in shown.practice.walk() if isinstance(widget, Label) and widget.text]
        clipped = [label.text for label in labels if label.texture_size[1] > label.height + 1]
        wide = [label.text for label in labels if label.texture_size[0] > label.width + 1]
    assert len(labels) > 15
    assert (clipped, wide) == ([], [])


async def test_the_app_runs_and_ends_by_itself(scripted: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BECALM_CLIENT_DIR", str(tmp_path))
    async with asyncio.timeout(20.0):
        await run_app_async(scripted.url, stop_after_s=0.4)
    assert scripted.hellos[0].client == "becalm window"
    assert await scripted.close_codes.get() == 1000


def test_run_app_makes_its_own_loop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unused_tcp_port: int) -> None:
    monkeypatch.setenv("BECALM_CLIENT_DIR", str(tmp_path))
    run_app(f"http://127.0.0.1:{unused_tcp_port}", stop_after_s=0.2)


@pytest.mark.parametrize("wish", [signal.SIGTERM, signal.SIGINT])
async def test_a_process_that_is_asked_to_end_ends_in_peace(
    scripted: Any, tmp_path: Path, wish: signal.Signals
) -> None:
    code = "import sys; from becalm_kivy.app import run_app; run_app(sys.argv[1])"
    window = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, scripted.url, env={**os.environ, "BECALM_CLIENT_DIR": str(tmp_path)},
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        async with asyncio.timeout(20):  # a cold start of Kivy on a busy machine
            await scripted.arrivals.get()
            window.send_signal(wish)
            _out, told = await window.communicate()
        assert (window.returncode, b"Traceback" in told) == (0, False), told
        assert await scripted.close_codes.get() == 1000
    finally:
        if window.returncode is None:
            window.kill()
            await window.wait()
