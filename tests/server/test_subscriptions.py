"""Version 2 of `/v1/live`: what is asked for comes, once, across broken links; what is missed is told."""

from typing import Any

import pytest

from becalm_protocol.derived import Beat, Metrics
from becalm_protocol.errors import CloseCode
from becalm_protocol.forms import SUBPROTOCOL_2_JSON, SUBPROTOCOL_2_MSGPACK, SUBPROTOCOL_JSON
from becalm_protocol.handshake import (
    ClientHello,
    ClientWelcome,
    Live,
    Ping,
    Pong,
    Problem,
    SessionPhase,
    SessionView,
    Waveform,
)
from becalm_protocol.live import Ages, Resume, Subscribe, Subscribed, Unsubscribe
from becalm_server import feed as feed_module

FORMS = [SUBPROTOCOL_2_JSON, SUBPROTOCOL_2_MSGPACK]


def is_beat(number: int) -> Any:
    return lambda message: isinstance(message, Live) and getattr(message.event, "beat_idx", None) == number


@pytest.mark.parametrize("form", FORMS)
async def test_client_that_comes_back_goes_on_without_a_hole(server: Any, sensors: Any, form: str) -> None:
    async with server.agent() as agent, server.client(form) as steady:
        await agent.hello()
        await steady.hello()
        session_id = (await agent.open(sensors.streams)).session_id
        async with server.client(form) as first:
            await first.hello(follow=False)
            feed_id = (await first.subscribe(Subscribe(session_id=session_id))).feed_id
            await agent.send(*sensors.second(0), *sensors.second(1))
            await first.wait(is_beat(1))
        await agent.send(*sensors.second(2), *sensors.second(3))
        await agent.wait_acks(sensors.last)
        async with server.client(form) as again:
            await again.hello(follow=False)
            resume = Resume(feed_id=feed_id, seq=first.frames()[-1].seq)
            subscribed = await again.subscribe(Subscribe(session_id=session_id, resume=resume))
            await agent.send(*sensors.second(4))
            await again.wait(is_beat(4))
            await steady.wait(is_beat(4))
        assert (subscribed.feed_id, subscribed.seq) == (feed_id, resume.seq)
        assert (subscribed.missed, subscribed.began_anew) == (None, False)
        assert first.frames() + again.frames() == steady.frames()
        assert [frame.seq for frame in steady.frames()] == list(range(1, len(steady.frames()) + 1))


async def test_repeated_frames_do_not_count_as_late(server: Any, sensors: Any) -> None:
    async with server.agent() as agent, server.client(SUBPROTOCOL_2_JSON) as client, server.http() as http:
        await agent.hello()
        session_id = (await agent.open(sensors.streams)).session_id
        await agent.send(*sensors.second(0))
        await agent.close_session(session_id, sensors.last)
        await client.hello(follow=False)
        subscribed = await client.subscribe(Subscribe(session_id=session_id, resume=Resume(feed_id="?", seq=0)))
        await client.wait(is_beat(0))
        assert subscribed.n_resumed > 0
        assert (await http.get("/v1/health")).json()["publish_ms"]["p50"] is None


async def test_who_comes_too_late_is_told_what_the_record_has(
    server: Any, sensors: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed_module, "MAX_KEPT", 6)
    async with server.agent() as agent, server.http() as http:
        await agent.hello()
        session_id = (await agent.open(sensors.streams)).session_id
        async with server.client(SUBPROTOCOL_2_JSON) as first:
            await first.hello(follow=False)
            feed_id = (await first.subscribe(Subscribe(session_id=session_id))).feed_id
            await agent.send(*sensors.second(0))
            await first.wait(is_beat(0))
        for n in range(1, 9):
            await agent.send(*sensors.second(n))
        await agent.wait_acks(sensors.last)
        had = first.frames()[-1]
        async with server.client(SUBPROTOCOL_2_JSON) as again:
            await again.hello(follow=False)
            subscribed = await again.subscribe(
                Subscribe(session_id=session_id, resume=Resume(feed_id=feed_id, seq=had.seq))
            )
            await again.wait(is_beat(8))
        missed, kept = subscribed.missed, again.frames()
        assert missed is not None
        assert (missed.first_seq, missed.last_seq) == (had.seq + 1, kept[0].seq - 1)
        assert subscribed.n_resumed == 6
        assert missed.start_ns <= had.ledger.published_ns
        assert missed.end_ns >= kept[0].ledger.published_ns - 10**9
        beats = (await http.get(f"/v1/sessions/{session_id}/beats", params={"since_ns": had.event.t_ns})).json()
        heard = {frame.event.beat_idx for frame in first.frames() + kept if isinstance(frame.event, Beat)}
        assert heard | {beat["beat_idx"] for beat in beats["items"]} == set(range(9))


async def test_a_restarted_server_says_that_it_counts_anew(start_server: Any, sensors: Any, database_url: str) -> None:
    session_id = "6" * 32
    resume = None
    for part in range(2):
        async with (
            start_server(database_url) as server,
            server.agent() as agent,
            server.client(SUBPROTOCOL_2_JSON) as client,
        ):
            await agent.hello()
            await agent.open(sensors.streams, session_id=session_id)
            await client.hello(follow=False)
            subscribed = await client.subscribe(Subscribe(session_id=session_id, resume=resume))
            await agent.send(*sensors.second(part))
            await client.wait(is_beat(part))
            assert subscribed.began_anew == (part == 1)
            resume = Resume(feed_id=subscribed.feed_id, seq=client.frames()[-1].seq)


async def test_several_sessions_and_choices_on_one_connection(server: Any, make_sensors: Any) -> None:
    mine, yours = make_sensors(), make_sensors()
    async with (
        server.agent() as one,
        server.agent() as other,
        server.client(SUBPROTOCOL_2_JSON) as client,
    ):
        await one.hello("one")
        await other.hello("other")
        mine_id = (await one.open(mine.streams)).session_id
        yours_id = (await other.open(yours.streams)).session_id
        await client.hello(follow=False)
        await client.subscribe(Subscribe(session_id=mine_id, events=("metrics",), metrics_hz=0.5))
        await client.subscribe(Subscribe(session_id=yours_id, waveforms=("respiration",), events=("waveform",)))
        for n in range(6):
            await one.send(*mine.second(n))
            await other.send(*yours.second(n))
        await one.wait_acks(mine.last)
        await other.wait_acks(yours.last)
        while len(client.frames()) < 4 + 6:  # bounded: by the time a test may take
            await client.next()
        await client.send(Unsubscribe(session_id=mine_id), Ping(sent_ns=1, session_id=yours_id))
        assert (await client.wait(Pong)).clock_ns is not None
        await client.wait(lambda heard: isinstance(heard, Ages) and heard.session_id == yours_id)
        shown = [frame.event for frame in client.frames() if frame.session_id == mine_id]
        assert [metrics.t_ns // 10**9 for metrics in shown if isinstance(metrics, Metrics)] == [1, 2, 4, 6]
        assert len(shown) == 4
        waves = [frame.event for frame in client.frames() if frame.session_id == yours_id]
        assert [wave.kind for wave in waves if isinstance(wave, Waveform)] == ["respiration"] * 6


async def test_follower_is_led_from_session_to_session(server: Any, make_sensors: Any) -> None:
    async with server.agent() as agent, server.client(SUBPROTOCOL_2_JSON) as client:
        await agent.hello()
        await client.hello()
        for _ in range(2):
            sensors = make_sensors()
            session_id = (await agent.open(sensors.streams)).session_id
            assert (await client.wait(Subscribed)).session_id == session_id
            assert (await client.wait(SessionView)).session_id == session_id
            await agent.send(*sensors.second(0))
            assert (await client.wait(Live)).session_id == session_id
            await agent.wait_acks(sensors.last)
            await agent.close_session(session_id, sensors.last)
            ended = await client.wait(lambda m: isinstance(m, SessionView) and m.phase is SessionPhase.ENDED)
            assert ended.session_id == session_id


async def test_ages_are_told_while_nothing_else_comes(server: Any, sensors: Any) -> None:
    async with server.agent() as agent, server.client(SUBPROTOCOL_2_JSON) as client:
        await agent.hello()
        session_id = (await agent.open(sensors.streams)).session_id
        await agent.send(*sensors.second(0))
        await agent.wait_acks(sensors.last)
        await client.hello()
        clock_ns = 0
        for _ in range(2):
            ages = await client.wait(lambda heard: isinstance(heard, Ages) and len(heard.events) == 2)
            assert ages.session_id == session_id
            assert ages.clock_ns > clock_ns
            clock_ns = ages.clock_ns
            assert set(ages.streams) == {sensors.ecg.stream_id, sensors.belt.stream_id}
            assert set(ages.events) == {"beat", "metrics"}


async def test_session_that_is_not_live_is_refused_in_a_sentence(server: Any) -> None:
    async with server.client(SUBPROTOCOL_2_JSON) as client:
        await client.hello(follow=False)
        await client.send(Subscribe(session_id="nobody"))
        assert "/v1/sessions" in (await client.wait(Problem)).detail
        await client.send(Ping(sent_ns=1))
        await client.wait(Pong)


@pytest.mark.parametrize(
    "text",
    [
        '{"type":"subscribe","metrics_hz":0}',
        '{"type":"subscribe","metrics_hz":1e9}',
        '{"type":"subscribe","session_id":""}',
        '{"type":"subscribe","events":"beat"}',
        '{"type":"subscribe","events":[1]}',
        '{"type":"subscribe","streams":["' + "x" * 65 + '"]}',
        '{"type":"subscribe","events":[' + ",".join(['"beat"'] * 65) + "]}",
        '{"type":"subscribe","resume":{"feed_id":"f","seq":-1}}',
        '{"type":"subscribe","resume":{"feed_id":"f","seq":9223372036854775808}}',
        '{"type":"subscribe","resume":{"seq":1}}',
    ],
)
async def test_wrong_wish_closes_with_a_reason(server: Any, text: str) -> None:
    async with server.client(SUBPROTOCOL_2_JSON) as client:
        await client.hello(follow=False)
        await client.connection.send(text)
        assert await client.closed() == CloseCode.MALFORMED
        assert isinstance(client.heard[-1], Problem)


async def test_version_and_subprotocol_must_agree(server: Any) -> None:
    async with server.client(SUBPROTOCOL_2_JSON) as client:
        await client.send(ClientHello(versions=(1,), client="old"))
        assert await client.closed() == CloseCode.VERSION
    async with server.client(SUBPROTOCOL_JSON) as client:
        await client.send(ClientHello(versions=(3, 2, 1), client="new"))
        assert (await client.wait(ClientWelcome)).version == 1
        await client.send(Subscribe())
        assert await client.closed() == CloseCode.MALFORMED
