"""The real window without a display, in this test's own loop, fed over the real wire."""

import asyncio
import math
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from becalm_kivy import theme, words
from becalm_kivy.app import run_app, run_app_async
from becalm_kivy.preferences import PreferenceFile, Preferences
from becalm_kivy.servers import Keys, Servers
from becalm_protocol.errors import CloseCode, ConfigError
from becalm_protocol.events import SignalKind, StreamState, StreamStatus
from becalm_protocol.handshake import SessionPhase

Pixel = tuple[int, int, int]
NO_KEYS = Keys(token=lambda _url: None, pair=lambda _link: "")
pytestmark = pytest.mark.usefixtures("gl")


class Shown:
    """A running window."""

    def __init__(self, app: Any) -> None:
        self.app = app
        self.practice = app.practice

    async def pictures(self, n_pictures: int = 3) -> None:
        from kivy.clock import Clock

        done, left = asyncio.Event(), [n_pictures]

        def count(_dt: float) -> bool:
            left[0] -= 1
            if left[0] <= 0:
                done.set()
            return left[0] > 0

        Clock.schedule_interval(count, 0)
        async with asyncio.timeout(20.0):
            await done.wait()

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(20.0):
            while not condition():
                await self.pictures(1)

    async def tap(self, widget: Any) -> None:
        from kivy.tests.common import UnitTestTouch

        touch = UnitTestTouch(*widget.to_window(*widget.center))
        touch.touch_down()
        await self.pictures(2)
        touch.touch_up()
        await self.pictures(3)

    async def pixels(self) -> tuple[bytes, int, int]:
        """The whole picture as RGBA, its width and height."""
        from kivy.core.window import Window
        from kivy.graphics.opengl import GL_RGBA, GL_UNSIGNED_BYTE, glReadPixels

        await self.pictures(8)  # layouts come to rest within a few, and the buffer read below may be one flip old
        taken: list[bytes] = []
        width, height = Window.system_size

        def take(*_args: object) -> None:
            taken.append(bytes(glReadPixels(0, 0, width, height, GL_RGBA, GL_UNSIGNED_BYTE)))

        Window.bind(on_flip=take)
        try:
            async with asyncio.timeout(20.0):
                while not taken:
                    Window.canvas.ask_update()
                    await self.pictures(1)
        finally:
            Window.unbind(on_flip=take)
        return taken[-1], width, height

    async def brightness_in(self, widget: Any) -> int:
        """The brightest channel of any pixel within a widget."""
        data, width, _height = await self.pixels()
        left, bottom = widget.to_window(*widget.pos)
        rows = range(int(bottom), int(bottom + widget.height))
        columns = slice(int(left), int(left + widget.width))
        return max(
            max(data[4 * width * row : 4 * width * (row + 1)][4 * columns.start : 4 * columns.stop : 4]) for row in rows
        )


Open = Callable[..., Any]


@pytest.fixture
def open_app(tmp_path: Path) -> Open:
    @asynccontextmanager
    async def opened(url: str, preferences: Preferences | None = None, keys: Keys = NO_KEYS) -> AsyncIterator[Shown]:
        from becalm_kivy.screens.becalm_app import BecalmApp

        file = PreferenceFile(tmp_path / "client.json")
        file.write(preferences or Preferences())
        app = BecalmApp(Servers(url, keys), preference_file=file)
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(app.follow()), group.create_task(app.carry_out_presses())]
            window = group.create_task(app.async_run(async_lib="asyncio"))
            async with asyncio.timeout(20.0):
                while app.root is None or not app.root.width > 100:  # noqa: ASYNC110 - Kivy tells nobody
                    await asyncio.sleep(0.01)
            shown = Shown(app)
            await shown.pictures()
            try:
                yield shown
            finally:
                app.stop()
                await window
                for task in tasks:
                    task.cancel()

    return opened


async def test_it_opens_on_a_phone_shape(scripted: Any, open_app: Open) -> None:
    async with open_app(scripted.url) as shown:
        _data, width, height = await shown.pixels()
    assert (width, height) == (theme.WIDTH_DP, theme.HEIGHT_DP)


async def test_the_pacer_moves_in_pixels(scripted: Any, person: Any, open_app: Open) -> None:
    scripted.welcome = person.welcome()
    async with open_app(scripted.url) as shown:
        scripted.begin_at(60)
        await scripted.send(person.session(SessionPhase.PRACTICE))
        pacer = shown.practice.ids.pacer
        await shown.until(lambda: not pacer.is_idle and pacer.fullness > 0.02)
        before, width, _height = await shown.pixels()
        radius = pacer.radius
        await shown.until(lambda: pacer.radius > radius + 14)
        after, _width, _height = await shown.pixels()
        x, y = pacer.to_window(*pacer.center)
        at = 4 * (int(y) * width + int(x + radius + 8))  # outside the circle before, inside it afterwards
    assert shown.practice.cue == words.BREATHE_IN
    assert after[at + 1] > before[at + 1] + 8


async def test_with_less_motion_the_circle_keeps_its_size(scripted: Any, person: Any, open_app: Open) -> None:
    scripted.welcome = person.welcome()
    async with open_app(scripted.url, Preferences(reduced_motion=True)) as shown:
        scripted.begin_at(60)
        await scripted.send(person.session(SessionPhase.PRACTICE))
        pacer, water = shown.practice.ids.pacer, shown.practice.ids.water
        await shown.until(lambda: not pacer.is_idle and pacer.fullness > 0.02)
        radius, seconds, fullness = pacer.radius, water.seconds, pacer.fullness
        await shown.until(lambda: pacer.fullness > fullness + 0.1)
        assert (pacer.radius, water.seconds) == (radius, seconds)


async def test_paused_motion_stands_still_and_the_words_go_on(scripted: Any, person: Any, open_app: Open) -> None:
    scripted.welcome = person.welcome()
    async with open_app(scripted.url) as shown:
        scripted.begin_at(61.5)
        await scripted.send(person.session(SessionPhase.PRACTICE))
        practice = shown.practice
        await shown.until(lambda: practice.cue == words.BREATHE_IN)
        await shown.tap(practice.ids.pause)
        held = (practice.ids.pacer.fullness, practice.ids.water.seconds)
        await shown.until(lambda: practice.cue == words.BREATHE_OUT)
        assert (practice.ids.pacer.fullness, practice.ids.water.seconds) == held
        assert practice.pause_words == words.MOVE_AGAIN


async def test_a_lost_sensor_dims_its_curve_and_says_so(scripted: Any, person: Any, open_app: Open) -> None:
    scripted.welcome = person.welcome(person.session(SessionPhase.PRACTICE))
    scripted.begin_at(100)
    belt = tuple(8.0 + math.sin(idx / 16) for idx in range(300))
    async with open_app(scripted.url, Preferences(show_curves=True)) as shown:
        await scripted.send(person.live(person.waveform(SignalKind.RESPIRATION, 70.0, belt), published_s=100.0))
        panel = shown.practice._panels["breath"]
        await shown.until(lambda: "live" in shown.practice._chips["breath"].state_words and panel.parent is not None)
        await shown.pictures(5)
        live = await shown.brightness_in(panel.view)
        lost = StreamStatus(stream_id="belt", received_ns=0, state=StreamState.LOST)
        await scripted.send(person.live(lost, seq=2))
        await shown.until(lambda: panel.state_words == words.FROM_EARLIER)
        dimmed = await shown.brightness_in(panel.view)
        assert shown.practice.notice.startswith(words.BREATH_LOST)
        assert shown.practice._chips["breath"].mark == "bar"
    assert dimmed < 0.75 * live


async def test_nothing_is_red(scripted: Any, person: Any, open_app: Open) -> None:
    scripted.welcome = person.welcome(person.session(SessionPhase.PRACTICE), sensors=person.sensors(StreamState.LOST))
    scripted.begin_at(100)
    async with open_app(scripted.url, Preferences(show_curves=True, show_numbers=True)) as shown:
        await scripted.send(person.live(person.metrics(99.5, arousal=90.0), published_s=100.0))
        await shown.until(lambda: shown.practice.settling_word == words.ACTIVE)
        data, _width, _height = await shown.pixels()
    triples = zip(data[0::4], data[1::4], data[2::4], strict=True)
    assert [pixel for pixel in set(triples) if pixel[0] > 90 and pixel[0] > 2 * max(pixel[1], pixel[2])] == []


async def test_start_and_stop_ask_the_server(scripted: Any, person: Any, open_app: Open, desk: Any) -> None:
    scripted.welcome = person.welcome()
    async with open_app(scripted.url) as shown:
        shown.app._servers.url = desk.url
        await shown.until(lambda: shown.practice.sentence == words.READY)
        assert shown.practice.ids.main.height >= theme.TOUCH_DP
        await shown.tap(shown.practice.ids.main)
        await shown.until(lambda: len(desk.asked) == 1)
        scripted.begin_at(61)
        await scripted.send(person.session(SessionPhase.PRACTICE))
        await shown.until(lambda: shown.practice.main_words == words.STOP and not shown.practice.is_busy)
        await shown.tap(shown.practice.ids.main)
        await shown.until(lambda: len(desk.asked) == 2)
    assert [path for path, _body in desk.asked] == ["/v1/sessions", "/v1/sessions/5e55/stop"]


async def test_a_refusal_is_read_on_the_screen(scripted: Any, person: Any, open_app: Open, desk: Any) -> None:
    scripted.welcome = person.welcome()
    desk.status, desk.answer = 409, b'{"detail": "Another session is running."}'
    async with open_app(scripted.url) as shown:
        shown.app._servers.url = desk.url
        await shown.until(lambda: shown.practice.sentence == words.READY)
        await shown.tap(shown.practice.ids.main)
        await shown.until(lambda: shown.practice.notice == "Another session is running.")


async def test_without_a_server_the_pacer_runs_alone(unused_tcp_port: int, open_app: Open) -> None:
    async with open_app(f"http://127.0.0.1:{unused_tcp_port}") as shown:
        await shown.until(lambda: shown.practice.main_words == words.BEGIN_ALONE)
        await shown.tap(shown.practice.ids.main)
        await shown.until(lambda: shown.practice.cue == words.BREATHE_IN)
        assert shown.practice.sentence == words.ALONE
        await shown.tap(shown.practice.ids.main)
        await shown.until(lambda: shown.practice.cue == words.REST)


async def test_the_end_asks_for_the_felt_sense_first(scripted: Any, person: Any, open_app: Open) -> None:
    scripted.welcome = person.welcome(person.session(SessionPhase.PRACTICE))
    scripted.begin_at(90)
    async with open_app(scripted.url) as shown:
        await shown.until(lambda: shown.practice.cue == words.BREATHE_IN or shown.practice.cue == words.BREATHE_OUT)
        await scripted.send(person.live(person.metrics(90.0)))
        await scripted.send(person.session(SessionPhase.ENDED))
        summary = shown.app.summary
        await shown.until(lambda: summary.parent is not None)
        assert summary.sentence == words.SUMMARY_TOO_SHORT
        easier = summary._felt[0]
        await shown.tap(easier)
        assert tuple(easier.edge) == theme.TEAL
        await shown.tap(summary.ids.done)
        await shown.until(lambda: shown.practice.parent is not None)


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
