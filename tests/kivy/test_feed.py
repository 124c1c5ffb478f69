import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from becalm_kivy import words
from becalm_kivy.feed import Feed, Told
from becalm_kivy.link_state import Link, LinkState
from becalm_protocol.derived import BreathPhase, BreathTurn
from becalm_protocol.errors import CloseCode
from becalm_protocol.handshake import Ledger, Live, Ping, SessionPhase, SessionView, Source

PRACTICE = SessionView(
    session_id="5e551011", phase=SessionPhase.PRACTICE, source=Source.LIVE, baseline_s=60.0, streams=()
)


class Follower:
    """A running feed and what it told."""

    def __init__(self, url: str) -> None:
        self.feed = Feed(url, client_name="test")
        self.told: list[Told] = []
        self._changed = asyncio.Event()

    def take(self, message: Told) -> None:
        self.told.append(message)
        self._changed.set()

    async def wait(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(20.0):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    def links(self) -> list[Link]:
        return [message.link for message in self.told if isinstance(message, LinkState)]


@asynccontextmanager
async def following(url: str) -> AsyncIterator[Follower]:
    follower = Follower(url)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(follower.feed.run(follower.take))
        yield follower
        task.cancel()


def turn_frame(seq: int, *, now_ns: int) -> Live:
    turn = BreathTurn(t_ns=now_ns, emitted_ns=now_ns, phase=BreathPhase.IN)
    ledger = Ledger(sample_ns=now_ns, received_ns=now_ns, accepted_ns=now_ns, published_ns=now_ns)
    return Live(seq=seq, event=turn, ledger=ledger)


async def test_greets_and_is_connected(scripted: Any) -> None:
    async with following(scripted.url) as follower:
        await scripted.wait_client()
        await follower.wait(lambda: follower.feed.state.link is Link.CONNECTED)
    assert scripted.hellos[0].client == "test"
    assert follower.links() == [Link.CONNECTING, Link.CONNECTED]


async def test_who_is_sent_away_was_never_connected(scripted: Any) -> None:
    scripted.refuses = CloseCode.AUTH
    async with following(scripted.url) as follower:
        await follower.wait(lambda: follower.feed.state.needs_pairing)
    assert follower.links() == [Link.CONNECTING, Link.LOST]


async def test_session_time_follows_the_server_to_a_millisecond(scripted: Any, person: Any) -> None:
    scripted.welcome = person.welcome(PRACTICE)
    scripted.begin_at(30)
    async with following(scripted.url) as follower:
        await follower.wait(lambda: follower.feed.session_now_ns() is not None)
        told_ns, true_ns = follower.feed.session_now_ns(), scripted.session_now_ns()
        round_trip_ns = follower.feed.round_trip_ns
    assert told_ns is not None
    assert round_trip_ns is not None
    assert abs(told_ns - true_ns) <= round_trip_ns // 2 + 1_000_000


async def test_session_time_is_unknown_outside_a_session(scripted: Any) -> None:
    async with following(scripted.url) as follower:
        await scripted.wait_client()
        await follower.wait(lambda: len(follower.told) >= 4)  # state, welcome and two pongs
        assert follower.feed.session_now_ns() is None


async def test_another_session_starts_another_clock(scripted: Any, person: Any) -> None:
    scripted.welcome = person.welcome(PRACTICE)
    scripted.begin_at(500)
    async with following(scripted.url) as follower:
        await follower.wait(lambda: follower.feed.session_now_ns() is not None)
        scripted.begin_at(0)
        other = SessionView(session_id="07e4", phase=SessionPhase.BASELINE, source=Source.LIVE, baseline_s=60.0)
        await scripted.send(other)
        await follower.wait(lambda: other in follower.told)
        await follower.wait(lambda: follower.feed.session_now_ns() is not None)
        told_ns = follower.feed.session_now_ns()
    assert told_ns is not None
    assert told_ns < 5_000_000_000


async def test_answers_the_servers_ping(scripted: Any) -> None:
    async with following(scripted.url):
        await scripted.wait_client()
        await scripted.send(Ping(sent_ns=4711))
        async with asyncio.timeout(20.0):
            pong = await scripted.pongs.get()
    assert pong.sent_ns == 4711


async def test_unknown_and_malformed_messages_are_counted_and_skipped(scripted: Any) -> None:
    async with following(scripted.url) as follower:
        socket = await scripted.wait_client()
        for text in ('{"type":"aurora","hue":3}', "{", "[]", '{"type":"live","seq":1}', '{"type":"ack","acks":[]}'):
            await socket.send(text)
        await scripted.send(PRACTICE)
        await follower.wait(lambda: PRACTICE in follower.told)
        counted = follower.feed.statistics()
    assert (counted.n_unknown, counted.n_malformed) == (1, 4)
    assert follower.links() == [Link.CONNECTING, Link.CONNECTED]


async def test_a_hole_in_the_numbering_is_counted(scripted: Any) -> None:
    async with following(scripted.url) as follower:
        await scripted.wait_client()
        for seq in (1, 2, 5):
            await scripted.send(turn_frame(seq, now_ns=seq))
        await follower.wait(lambda: sum(isinstance(message, Live) for message in follower.told) == 3)
        assert follower.feed.statistics().n_missed == 2


async def test_three_silent_heartbeats_mean_that_the_link_is_gone(scripted: Any) -> None:
    scripted.answers_pings = False
    scripted.heartbeat_s = 0.1
    async with following(scripted.url) as follower:
        await scripted.wait_client()
        await follower.wait(lambda: Link.LOST in follower.links())
        assert follower.feed.state.sentence == words.SERVER_QUIET
        await scripted.wait_client()  # and it comes back by itself


async def test_comes_back_after_a_restart(scripted: Any, start_server: Any) -> None:
    async with following(scripted.url) as follower:
        socket = await scripted.wait_client()
        await socket.close(1012)
        await follower.wait(lambda: Link.LOST in follower.links())
        lost = next(
            message for message in follower.told if isinstance(message, LinkState) and message.link is Link.LOST
        )
        await scripted.wait_client()
        await follower.wait(lambda: follower.feed.state.link is Link.CONNECTED)
    assert lost.sentence == words.SERVER_RESTARTING
    assert follower.feed.statistics().n_connections == 2


async def test_a_server_that_is_not_there_is_said_in_a_sentence(unused_tcp_port: int) -> None:
    async with following(f"http://127.0.0.1:{unused_tcp_port}") as follower:
        await follower.wait(lambda: follower.feed.state.link is Link.LOST)
    assert follower.feed.state.sentence == words.SERVER_SILENT


async def test_another_version_is_said_in_a_sentence(scripted: Any) -> None:
    async with following(scripted.url) as follower:
        socket = await scripted.wait_client()
        await socket.close(4400)
        await follower.wait(lambda: follower.feed.state.link is Link.LOST)
        assert follower.feed.state.sentence == words.OTHER_VERSION


async def test_a_frame_over_the_cap_breaks_the_link_and_nothing_else(scripted: Any) -> None:
    async with following(scripted.url) as follower:
        socket = await scripted.wait_client()
        await socket.send("x" * 70_000)
        await follower.wait(lambda: Link.LOST in follower.links())
        await scripted.wait_client()


async def test_no_payload_reaches_the_log(scripted: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(0)
    async with following(scripted.url) as follower:
        await scripted.wait_client()
        await scripted.send(turn_frame(1, now_ns=123_454_321))
        await follower.wait(lambda: any(isinstance(message, Live) for message in follower.told))
    sent_by_us = [record for record in caplog.records if record.name == "becalm_client.wire"]
    assert sent_by_us == []


async def test_a_client_that_is_closed_says_goodbye(scripted: Any) -> None:
    async with following(scripted.url):
        await scripted.wait_client()
    async with asyncio.timeout(20.0):
        assert await scripted.close_codes.get() == 1000


async def test_a_server_that_sends_clients_away_is_not_hammered(scripted: Any) -> None:
    feed = Feed(scripted.url, client_name="test", jitter=lambda: 1.0)
    arrivals_s: list[float] = []
    async with asyncio.TaskGroup() as group:
        task = group.create_task(feed.run(lambda _message: None))
        for _arrival in range(4):
            socket = await scripted.wait_client()
            arrivals_s.append(asyncio.get_running_loop().time())
            await socket.close(1013)
        task.cancel()
    waits_s = [later - sooner for sooner, later in itertools.pairwise(arrivals_s)]
    assert waits_s == pytest.approx([0.25, 0.5, 1.0], abs=0.2)
