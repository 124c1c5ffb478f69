import asyncio
import io
import os
from typing import Any

import pytest
from rich.console import Console

from becalm_kivy import terminal, words
from becalm_kivy.link_state import Link, LinkState
from becalm_kivy.model import PracticeModel
from becalm_kivy.terminal import draw, run_terminal
from becalm_protocol.derived import Index
from becalm_protocol.events import StreamState, StreamStatus
from becalm_protocol.handshake import SessionPhase
from becalm_protocol.units import ns_from_s

UP = LinkState(link=Link.CONNECTED, sentence=words.CONNECTED)


def picture(model: PracticeModel, *, at_s: float, refusal: str | None = None) -> list[str]:
    console = Console(width=80, height=24, file=io.StringIO(), color_system=None)
    view = model.look(now_ns=ns_from_s(at_s), session_ns=ns_from_s(at_s))
    with console.capture() as capture:
        console.print(draw(view, refusal=refusal))
    return capture.get().splitlines()


@pytest.fixture
def model(person: Any) -> PracticeModel:
    model = PracticeModel()
    for message in (UP, person.welcome(person.session(SessionPhase.PRACTICE))):
        model.apply(message, now_ns=0)
    return model


def test_practice_fits_an_old_terminal(model: PracticeModel, person: Any) -> None:
    for message in (
        person.live(person.metrics(100.0, arousal=38.0)),
        person.live(StreamStatus(stream_id="belt", received_ns=0, state=StreamState.LOST)),
    ):
        model.apply(message, now_ns=0)
    lines = picture(model, at_s=101)
    text = "\n".join(lines)
    assert len(lines) <= 23
    assert max(map(len, lines)) <= 80
    for expected in (
        words.BREATHE_IN,
        words.SETTLING,
        "From heart rate, skin level",
        "64 /min",
        "38  \u00b1 5",
        words.BREATH_LOST,
        "lost",
        "1:41",
    ):
        assert expected in text


def test_the_bar_follows_the_pacer(model: PracticeModel) -> None:
    full = ["\n".join(picture(model, at_s=60 + t_s)).count("\u2588") for t_s in (0.0, 2.0, 4.0, 7.0)]
    assert full == [0, 20, 40, 20]


def test_old_values_say_so(model: PracticeModel, person: Any) -> None:
    model.apply(person.live(person.metrics(100.0, arousal=38.0)), now_ns=0)
    text = "\n".join(picture(model, at_s=140))
    assert f"64 /min  \u00b1 1.0, {words.FROM_EARLIER}" in text
    assert words.SETTLING_STALE in text


def test_a_refusal_is_shown(model: PracticeModel) -> None:
    assert any("No agent is connected" in line for line in picture(model, at_s=61, refusal="No agent is connected."))


def test_the_summary_comes_last(model: PracticeModel, person: Any) -> None:
    for second in range(60, 300):
        model.apply(person.live(person.metrics(float(second), arousal=60 - (second - 60) / 8)), now_ns=0)
    model.apply(person.session(SessionPhase.ENDED), now_ns=0)
    text = " ".join(" ".join(picture(model, at_s=300)).split())
    assert words.SUMMARY_FELT in text
    assert "Arousal eased from 56 to 34" in text


async def test_it_follows_a_server_until_it_is_stopped(scripted: Any, person: Any) -> None:
    scripted.welcome = person.welcome(person.session(SessionPhase.PRACTICE))
    scripted.begin_at(70)
    shown, stop = io.StringIO(), asyncio.Event()
    console = Console(width=80, height=24, file=shown, force_terminal=True)
    async with asyncio.timeout(20.0), asyncio.TaskGroup() as group:
        group.create_task(run_terminal(scripted.url, stop=stop, console=console))
        await scripted.wait_client()
        await scripted.send(person.live(person.metrics(70.0, arousal=38.0)))
        while words.BREATHE_IN not in shown.getvalue() or "38" not in shown.getvalue():  # noqa: ASYNC110
            await asyncio.sleep(0.02)
        stop.set()


async def test_a_pipe_gets_a_line_a_second(scripted: Any, person: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(terminal, "LINE_S", 0.01)
    scripted.welcome = person.welcome(person.session(SessionPhase.PRACTICE))
    scripted.begin_at(70)
    shown, stop = io.StringIO(), asyncio.Event()
    async with asyncio.timeout(20.0), asyncio.TaskGroup() as group:
        group.create_task(run_terminal(scripted.url, stop=stop, console=Console(file=shown)))
        await scripted.wait_client()
        await scripted.send(person.live(person.metrics(70.0, arousal=38.0)))
        while f"{words.AROUSAL} 38" not in shown.getvalue():  # noqa: ASYNC110
            await asyncio.sleep(0.02)
        stop.set()
    lines = shown.getvalue().splitlines()
    assert len(lines) > 1
    assert lines[-1].startswith("1:1")
    assert all(line and "\x1b" not in line for line in lines)


def test_indices_carry_their_bounds_in_sensible_digits() -> None:
    from becalm_kivy.figures import index_text

    texts = [index_text("scl_us", Index(value=4.2134, bound=bound)) for bound in (0.021, 0.31, 4.2)]
    assert texts == ["4.21 \u00b5S  \u00b1 0.02", "4.21 \u00b5S  \u00b1 0.3", "4.21 \u00b5S  \u00b1 4"]


async def test_whoever_stops_reading_ends_it(scripted: Any) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with (
        os.fdopen(writer, "wb", buffering=0) as pipe,
        io.TextIOWrapper(pipe, write_through=True) as text,
        pytest.raises(BrokenPipeError),
    ):
        await run_terminal(scripted.url, stop=asyncio.Event(), console=Console(file=text))
