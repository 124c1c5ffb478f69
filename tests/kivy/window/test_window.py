"""The screens in pixels: what moves, what dims, what is read on them, and what is never red."""

import math
from typing import Any

import pytest
from tests.kivy.window.conftest import Open

from becalm_kivy import theme, words
from becalm_kivy.preferences import Preferences
from becalm_protocol.events import SignalKind, StreamState, StreamStatus
from becalm_protocol.handshake import SessionPhase

pytestmark = pytest.mark.usefixtures("gl")


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
        await shown.pictures(5)  # the words are there before a busy machine has drawn them
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
