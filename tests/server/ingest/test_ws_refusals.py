"""What an agent may do wrong is refused with its reason, and costs nobody else anything."""

import asyncio
import json
import time
from dataclasses import replace
from typing import Any

import pytest

from becalm_protocol.codec import encode_json, encode_msgpack
from becalm_protocol.derived import Beat
from becalm_protocol.envelope import seal
from becalm_protocol.errors import CloseCode
from becalm_protocol.events import SampleBlock, SignalKind, StreamState
from becalm_protocol.forms import SUBPROTOCOL_2_MSGPACK, SUBPROTOCOL_JSON, SUBPROTOCOL_MSGPACK, VERSIONS
from becalm_protocol.handshake import (
    AgentHello,
    AgentStatus,
    Data,
    OpenSession,
    Ping,
    Problem,
    Reset,
    SensorState,
    Source,
)
from becalm_protocol.limits import CREDIT_FRAMES, MAX_FRAME_BYTES, MAX_STREAMS
from becalm_server.access import pace


async def test_two_agents_do_not_share_a_session(server: Any, sensors: Any) -> None:
    async with server.agent() as mine, server.agent() as other:
        await mine.hello()
        opened = await mine.open(sensors.streams)
        await other.hello("another-agent")
        await other.send(
            OpenSession(
                session_id=opened.session_id, started_unix_ns=1, source=Source.LIVE, streams=tuple(sensors.streams)
            )
        )
        assert await other.closed() == CloseCode.MALFORMED


async def test_stream_of_another_session_is_refused(server: Any, sensors: Any) -> None:
    async with server.agent() as agent:
        await agent.hello()
        await agent.open(sensors.streams)
        await agent.send(
            OpenSession(session_id="other", started_unix_ns=1, source=Source.LIVE, streams=tuple(sensors.streams))
        )
        assert await agent.closed() == CloseCode.MALFORMED


async def test_unknown_version_is_refused(server: Any) -> None:
    async with server.agent() as agent:
        await agent.send(AgentHello(versions=(99,), agent_id="from-the-future"))
        assert await agent.closed() == CloseCode.VERSION
        assert "Update" in agent.heard[-1].detail


_GARBAGE = [
    b"",
    b"\x00",
    b"\xc1\xc1\xc1",
    b"\x91" * 10_000,
    b"\xdd\xff\xff\xff\xff",
    "",
    "nonsense",
    "[" * 60_000,
    "[]",
    '{"type":"ping"}',
    '{"type":"ping","sent_ns":1e400}',
    '{"type":"ping","sent_ns":' + "9" * 30 + "}",
    '{"type":"pong","sent_ns":0,"clock_ns":' + "9" * 17 + "}",
    '{"type":"data","seq":0,"event":{"type":"battery","stream_id":"x","received_ns":0,"level_pct":5}}',
    '{"type":"data","seq":1,"event":{"type":"battery","stream_id":"x","received_ns":0,"level_pct":500}}',
    '{"type":"agent_welcome","version":1,"heartbeat_s":1,"credit_frames":1}',
]


@pytest.mark.parametrize("form", [SUBPROTOCOL_MSGPACK, SUBPROTOCOL_2_MSGPACK])
@pytest.mark.parametrize("when", ["before hello", "after hello"])
async def test_garbage_closes_with_a_reason(server: Any, when: str, form: str) -> None:
    for frame in _GARBAGE:
        async with server.agent(form) as agent:
            if when == "after hello":
                await agent.hello()
            await agent.connection.send(frame)
            assert await agent.closed() == CloseCode.MALFORMED, frame
            assert isinstance(agent.heard[-1], Problem), frame


_PING = seal(encode_msgpack(Ping(sent_ns=1)))


_NOT_SEALED: dict[str, str | bytes] = {
    "empty": b"",
    "one byte": _PING[:1],
    "header only": _PING[:8],
    "cut": _PING[:-1],
    "longer": _PING + b"\x00",
    "text": encode_json(Ping(sent_ns=1)),
    "of version 1": encode_msgpack(Ping(sent_ns=1)),
    "other magic": b"\xbe\xcb" + _PING[2:],
    "other version": _PING[:2] + b"\x03" + _PING[3:],
    "other flags": _PING[:3] + b"\x80" + _PING[4:],
    "depth": seal(b"\x91" * 10_000),
    "four gigabytes": seal(b"\xdd\xff\xff\xff\xff"),
    "of nothing": seal(b""),
}


@pytest.mark.parametrize("name", _NOT_SEALED)
async def test_frame_that_is_not_sealed_right_closes_with_a_reason(server: Any, name: str) -> None:
    async with server.agent() as agent:
        await agent.hello()
        await agent.connection.send(_NOT_SEALED[name])
        assert await agent.closed() == CloseCode.MALFORMED
        assert isinstance(agent.heard[-1], Problem)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('{"type":"agent_hello","versions":[],"agent_id":"a"}', "versions"),
        ('{"type":"agent_hello","versions":[' + ",".join(["1"] * 17) + '],"agent_id":"a"}', "versions"),
        ('{"type":"agent_hello","versions":["1"],"agent_id":"a"}', "versions"),
        ('{"type":"agent_hello","versions":[1],"agent_id":"' + "x" * 65 + '"}', "agent_id"),
        ('{"type":"agent_hello","versions":[1],"agent_id":"a\\u0000"}', "agent_id"),
        ('{"type":"agent_hello","versions":[1]}', "agent_id"),
        ('{"type":"client_hello","versions":[1],"client":"x"}', "AgentHello"),
    ],
)
async def test_wrong_hello_is_refused_with_what_is_wrong(server: Any, text: str, says: str) -> None:
    async with server.agent(SUBPROTOCOL_JSON) as agent:
        await agent.connection.send(text)
        assert await agent.closed() == CloseCode.MALFORMED
        assert says in agent.heard[-1].detail


async def test_more_streams_than_a_person_wears_are_refused(server: Any, sensors: Any) -> None:
    async with server.agent(SUBPROTOCOL_JSON) as agent:
        await agent.hello()
        opening = OpenSession(
            session_id="4" * 32, started_unix_ns=1, source=Source.LIVE, streams=(sensors.ecg,) * MAX_STREAMS
        )
        wrong = encode_json(opening).replace("}]", "}," + encode_json(sensors.ecg).replace('"type":', '"kept":') + "]")
        await agent.connection.send(wrong)
        assert await agent.closed() == CloseCode.MALFORMED
        assert "streams" in agent.heard[-1].detail


@pytest.mark.parametrize("seq", [2, 10**9, 2**53])
async def test_number_far_ahead_is_asked_for_from_where_we_stand(server: Any, sensors: Any, seq: int) -> None:
    async with server.agent() as agent:
        await agent.hello()
        await agent.open(sensors.streams)
        await agent.send(replace(sensors.second(0)[0], seq=seq))
        assert (await agent.wait(Reset)).seq == 0


@pytest.mark.parametrize(
    ("event", "code"), [("{}", CloseCode.MALFORMED), ('{"type":"smell","stream_id":"x"}', CloseCode.VERSION)]
)
async def test_event_of_a_later_version_asks_for_an_update(server: Any, event: str, code: CloseCode) -> None:
    async with server.agent(SUBPROTOCOL_JSON) as agent:
        await agent.hello()
        await agent.connection.send(f'{{"type":"data","seq":1,"event":{event}}}')
        assert await agent.closed() == code


async def test_message_of_a_later_version_is_skipped(server: Any, sensors: Any) -> None:
    async with server.agent(SUBPROTOCOL_JSON) as agent:
        await agent.hello()
        await agent.connection.send('{"type":"mood","colour":"green"}')
        await agent.open(sensors.streams)


@pytest.mark.parametrize(("n_bytes", "code"), [(MAX_FRAME_BYTES + 1, CloseCode.TOO_BIG), (3 * MAX_FRAME_BYTES, 1009)])
async def test_oversize_frame_is_refused(server: Any, n_bytes: int, code: int) -> None:
    async with server.agent(SUBPROTOCOL_JSON) as agent:
        await agent.hello()
        await agent.connection.send(json.dumps({"type": "x" * (n_bytes - 11)}))
        assert await agent.closed() == code


async def test_bad_stream_does_not_end_the_others_session(server: Any, sensors: Any) -> None:
    async with server.agent(SUBPROTOCOL_JSON) as agent:
        await agent.hello()
        opened = await agent.open(sensors.streams)
        await agent.send(*sensors.second(0))
        await agent.wait_acks(sensors.last)
        wrong = encode_json(sensors.second(1)[0]).replace('"counts":[', '"counts":[1e9,')
        await agent.connection.send(wrong)
        assert await agent.closed() == CloseCode.MALFORMED
    async with server.agent() as agent:
        await agent.hello()
        again = await agent.open(sensors.streams, session_id=opened.session_id)
        assert {ack.seq for ack in again.acks} == {1}


async def test_more_than_the_credit_is_refused(server: Any, sensors: Any) -> None:
    block = SampleBlock(stream_id=sensors.belt.stream_id, received_ns=1, first_sample_idx=0, counts=(1,))
    async with server.agent() as agent:
        await agent.hello()
        await agent.open(sensors.streams)
        await agent.send(Data(seq=CREDIT_FRAMES + 2, event=block))
        assert (await agent.wait(Reset)).seq == 0  # a hole first: go-back-N, whatever the credit


async def test_unknown_stream_is_refused(server: Any, sensors: Any) -> None:
    async with server.agent() as agent:
        await agent.hello()
        await agent.send(sensors.second(0)[0])
        assert await agent.closed() == CloseCode.MALFORMED


async def test_agent_that_speaks_too_often_disconnects_itself_alone(
    server: Any, sensors: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pace, "MESSAGES_PER_S", 2)
    async with server.agent() as agent, server.client() as client:
        await agent.hello()
        await client.hello()
        await agent.open(sensors.streams)
        await agent.send(*sensors.second(0))  # events are bounded by the credit
        for n in range(21):
            sensor = SensorState(device=f"strap {n}", kind=SignalKind.ECG, state=StreamState.STREAMING)
            await agent.send(AgentStatus(sensors=(sensor,)))
        assert await agent.closed() == CloseCode.RATE
        await client.wait_live(Beat)


async def test_silent_agent_is_let_go(server: Any) -> None:
    async with server.agent() as agent:
        await agent.send(AgentHello(versions=VERSIONS, agent_id="sleeper"))
        began_s = time.monotonic()
        async with asyncio.timeout(20.0):
            await agent.connection.wait_closed()
        assert time.monotonic() - began_s > 1.0
        assert agent.connection.close_code == 1012
