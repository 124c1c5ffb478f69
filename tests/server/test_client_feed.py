"""The typed client against a real server: links break, and it has everything all the same."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as websockets_connect

from becalm_client import feed as feed_module
from becalm_client.feed import Feed, Told
from becalm_client.link import Ending, Link, LinkChange
from becalm_protocol.derived import Beat, Metrics
from becalm_protocol.handshake import Live
from becalm_protocol.live import Subscribe, Subscribed
from becalm_server import feed as server_feed


class Follower:
    """A running feed, what it told, and the socket it sits on."""

    def __init__(self, server: Any, *wishes: Subscribe) -> None:
        self.feed = Feed(
            server.url,
            client_name="test",
            wishes=wishes or (Subscribe(),),
            token=lambda: server.token,
            jitter=lambda: 0.0,
        )
        self.told: list[Told] = []
        self.sockets: list[ClientConnection] = []
        self._changed = asyncio.Event()

    def take(self, told: Told) -> None:
        self.told.append(told)
        self._changed.set()

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(20.0):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    def frames(self) -> list[Live]:
        return [told for told in self.told if isinstance(told, Live)]

    def beats(self) -> list[int]:
        return [frame.event.beat_idx for frame in self.frames() if isinstance(frame.event, Beat)]

    def subscribed(self) -> list[Subscribed]:
        return [told for told in self.told if isinstance(told, Subscribed)]

    def break_link(self) -> None:
        self.sockets[-1].transport.abort()


@pytest.fixture
def following(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Run a feed for as long as the context lasts."""

    @asynccontextmanager
    async def follow(server: Any, *wishes: Subscribe) -> AsyncIterator[Follower]:
        follower = Follower(server, *wishes)

        class Connect(websockets_connect):
            async def __aenter__(self) -> ClientConnection:
                socket = await super().__aenter__()
                follower.sockets.append(socket)
                return socket

        monkeypatch.setattr(feed_module, "connect", Connect)
        async with asyncio.TaskGroup() as group:
            task = group.create_task(follower.feed.run(follower.take))
            yield follower
            task.cancel()

    return follow


async def test_a_broken_link_leaves_no_hole(server: Any, sensors: Any, following: Any) -> None:
    async with server.agent() as agent, following(server) as follower:
        await agent.hello()
        await agent.open(sensors.streams)
        await follower.until(follower.subscribed)
        for n in range(6):
            await agent.send(*sensors.second(n))
            if n % 2:
                await follower.until(lambda n=n: n in follower.beats())
                follower.break_link()
        await follower.until(lambda: 5 in follower.beats() and len(follower.subscribed()) == 4)
        counted = follower.feed.statistics()
        numbers = [frame.seq for frame in follower.frames()]
        assert numbers == list(range(1, len(numbers) + 1))
        assert (counted.n_connections, counted.n_missed) == (4, 0)
        endings = [told.ending for told in follower.told if isinstance(told, LinkChange) and told.link is Link.LOST]
        assert endings == [Ending.BROKEN] * 3


async def test_what_the_server_keeps_no_more_is_counted(
    server: Any, sensors: Any, following: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_feed, "MAX_KEPT", 4)
    monkeypatch.setattr(feed_module, "FIRST_RETRY_S", 1.0)
    async with server.agent() as agent, following(server) as follower:
        await agent.hello()
        await agent.open(sensors.streams)
        await follower.until(follower.subscribed)
        await agent.send(*sensors.second(0))
        await follower.until(lambda: 0 in follower.beats())
        follower.break_link()
        await follower.until(lambda: follower.feed.state.link is Link.LOST)
        had = follower.frames()[-1].seq
        for n in range(1, 6):
            await agent.send(*sensors.second(n))
        await agent.wait_acks(sensors.last)
        await follower.until(lambda: 5 in follower.beats())
        missed = follower.subscribed()[-1].missed
        assert missed is not None
        assert missed.first_seq == had + 1
        assert follower.feed.statistics().n_missed == missed.last_seq - had > 0


async def test_only_what_was_wished_for_comes(server: Any, sensors: Any, following: Any) -> None:
    wish = Subscribe(events=("metrics",), metrics_hz=0.5)
    async with server.agent() as agent, following(server, wish) as follower:
        await agent.hello()
        await agent.open(sensors.streams)
        await follower.until(follower.subscribed)
        for n in range(6):
            await agent.send(*sensors.second(n))
            await agent.wait_acks(sensors.last)
        await follower.until(lambda: len(follower.frames()) == 4)
        assert {type(frame.event) for frame in follower.frames()} == {Metrics}


async def test_session_time_of_a_named_session(server: Any, make_sensors: Any, following: Any) -> None:
    one, other = make_sensors(), make_sensors()
    async with server.agent() as agent, server.agent() as neighbour:
        await agent.hello("one")
        await neighbour.hello("other")
        await agent.open(one.streams)
        session_id = (await neighbour.open(other.streams)).session_id
        async with following(server, Subscribe(session_id=session_id)) as follower:
            await follower.until(follower.subscribed)
            await follower.until(lambda: follower.feed.session_now_ns() is not None)
            now_ns, true_ns = follower.feed.session_now_ns(), neighbour.now_ns()
            assert abs(now_ns - true_ns) < 200_000_000
            await neighbour.send(*other.second(0))
            await follower.until(follower.frames)
            assert {frame.session_id for frame in follower.frames()} == {session_id}


async def test_live_values_reach_another_program_over_osc(server: Any, sensors: Any) -> None:
    osc_message = pytest.importorskip("pythonosc.osc_message", reason="python-osc, of the extra `osc`, is missing")
    from becalm_client.outlets.osc_outlet import OscOutlet

    heard: list[tuple[str, list[Any]]] = []
    more = asyncio.Event()

    class Listener(asyncio.DatagramProtocol):
        def datagram_received(self, data: bytes, _: Any) -> None:
            message = osc_message.OscMessage(data)
            heard.append((message.address, message.params))
            more.set()

    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(Listener, local_addr=("127.0.0.1", 0))
    outlet = OscOutlet(host="127.0.0.1", port=transport.get_extra_info("sockname")[1])
    wish = Subscribe(waveforms=("ecg",))
    feed = Feed(server.url, client_name="test", wishes=(wish,), token=lambda: server.token)
    async with server.agent() as agent, asyncio.TaskGroup() as group, asyncio.timeout(20.0):
        following = group.create_task(feed.run(outlet.take))
        await agent.hello()
        await agent.open(sensors.streams)
        for n in range(60):  # bounded: what is sent before the subscription is not heard
            await agent.send(*sensors.second(n))
            await agent.wait_acks(sensors.last)
            if "/becalm/beat" in dict(heard):
                break
        wanted = {
            "/becalm/link",
            "/becalm/session",
            "/becalm/waveform/ecg",
            "/becalm/metrics/heart_rate_bpm",
            "/becalm/beat",
        }
        while not wanted <= set(dict(heard)):
            more.clear()
            await more.wait()
        following.cancel()
    transport.close()
    outlet.close()
    assert "/becalm/waveform/respiration" not in dict(heard)
    (wave,) = {len(arguments) for address, arguments in heard if address == "/becalm/waveform/ecg"}
    assert wave == 2 + 130
