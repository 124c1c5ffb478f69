"""The whole conversation of an agent, a server and a client over real WebSockets."""

import asyncio
from typing import Any

import pytest
from tests.server.peers import LIMIT_S

from becalm_protocol.derived import Beat, HrvWindow, Metrics
from becalm_protocol.events import Phase, PhaseChange, SignalKind
from becalm_protocol.forms import (
    SUBPROTOCOL_2_JSON,
    SUBPROTOCOL_2_MSGPACK,
    SUBPROTOCOL_JSON,
    SUBPROTOCOL_MSGPACK,
    version_of,
)
from becalm_protocol.handshake import (
    AgentPresence,
    AgentStatus,
    Live,
    SensorState,
    SessionPhase,
    SessionView,
    Source,
    StartSession,
    StopSession,
    Waveform,
)


@pytest.mark.parametrize(
    ("form", "client_form"),
    [
        (SUBPROTOCOL_JSON, SUBPROTOCOL_JSON),
        (SUBPROTOCOL_MSGPACK, SUBPROTOCOL_MSGPACK),
        (SUBPROTOCOL_2_MSGPACK, SUBPROTOCOL_2_MSGPACK),
        (SUBPROTOCOL_2_MSGPACK, SUBPROTOCOL_2_JSON),
        (SUBPROTOCOL_2_MSGPACK, SUBPROTOCOL_JSON),
        (SUBPROTOCOL_MSGPACK, SUBPROTOCOL_2_JSON),
    ],
)
async def test_session_from_start_to_end(server: Any, sensors: Any, form: str, client_form: str) -> None:
    """In every form and version of the wire, also with one that is older at the other end."""
    async with (
        server.agent(form) as agent,
        server.client(client_form) as client,
        server.http() as http,
    ):
        assert (await agent.hello()).version == version_of(form)
        welcome = await client.hello()
        assert welcome.version == version_of(client_form)
        assert (welcome.agent_connected, welcome.session) == (True, None)
        started = await http.post("/v1/sessions", json={"baseline_s": 5, "inhale_s": 3})
        assert started.status_code == 201
        session_id = started.json()["session_id"]
        assert (await agent.wait(StartSession)).session_id == session_id
        assert (await client.wait(SessionView)).phase is SessionPhase.WAITING
        opened = await agent.open(sensors.streams, session_id=session_id)
        assert {ack.seq for ack in opened.acks} == {0}
        for n in range(8):
            await agent.send(*sensors.second(n))
        await agent.wait_acks(sensors.last)
        assert (await client.wait(SessionView)).phase is SessionPhase.BASELINE
        frame = await client.wait_live(Waveform)
        assert frame.ledger.received_ns <= frame.ledger.accepted_ns <= frame.ledger.published_ns
        assert len(frame.event.values) == 130
        assert (await client.wait_live(Beat)).event.rr_ms == pytest.approx(900 / 1.024)
        view = await client.wait(SessionView)
        assert view.phase is SessionPhase.PRACTICE
        assert (view.pacer.started_ns, view.pacer.inhale_s, view.pacer.exhale_s) == (5 * 10**9, 3.0, 6.0)
        assert (await client.wait_live(PhaseChange)).event.phase is Phase.PRACTICE
        assert (await client.wait_live(Metrics)).event.heart_rate_bpm.value is not None
        assert (await http.get("/v1/sessions/current")).json()["phase"] == "practice"
        assert (await http.post(f"/v1/sessions/{session_id}/stop")).status_code == 200
        assert (await agent.wait(StopSession)).session_id == session_id
        await agent.close_session(session_id, sensors.last)
        await client.wait(lambda heard: isinstance(heard, SessionView) and heard.phase is SessionPhase.ENDED)
        numbers = [frame.seq for frame in client.frames()]
        n_metrics = sum(isinstance(frame.event, Metrics) for frame in client.frames())
        assert numbers == sorted(set(numbers))
        n_conflated = 8 - n_metrics if welcome.version == 2 else 0
        assert numbers[-1] == len(numbers) + n_conflated
        counts = (await http.get(f"/v1/sessions/{session_id}/counts")).json()
        assert counts["stored"] == {"ecg": 8 * 130, "rr": 8, "respiration": 80}
        assert (counts["n_missing_events"], counts["n_beats"], counts["n_metrics"]) == (0, 9, 8)
        assert (await http.get("/v1/sessions/current")).status_code == 404


async def test_recording_opens_unasked_and_has_no_pacer(server: Any, sensors: Any) -> None:
    async with server.agent() as agent, server.client() as client:
        await agent.hello()
        await client.hello()
        await agent.open(sensors.streams, source=Source.REPLAY)
        view = await client.wait(SessionView)
        assert (view.source, view.phase, view.pacer) == (Source.REPLAY, SessionPhase.BASELINE, None)
        assert [info.kind for info in view.streams] == [SignalKind.ECG, SignalKind.RR, SignalKind.RESPIRATION]


async def test_sensors_are_told_to_clients(server: Any) -> None:
    sensor = SensorState(device="H10", kind=SignalKind.ECG, state="ready", battery_pct=80)  # type: ignore[arg-type]
    async with server.client() as client:
        assert (await client.hello()).agent_connected is False
        async with server.agent() as agent:
            await agent.hello()
            assert (await client.wait(AgentPresence)).agent_connected
            await agent.send(AgentStatus(sensors=(sensor,)))
            assert (await client.wait(AgentPresence)).sensors[0].battery_pct == 80
        assert (await client.wait(AgentPresence)).agent_connected is False


async def test_joining_sensor_keeps_what_came_before(server: Any, sensors: Any, fetch: Any) -> None:
    early = sensors.streams[:2]
    async with server.agent() as agent, server.http() as http:
        await agent.hello()
        opened = await agent.open(early)
        first = [data for data in sensors.second(0) if data.event.stream_id in {info.stream_id for info in early}]
        await agent.send(*first)
        again = await agent.open(sensors.streams, session_id=opened.session_id)
        assert {ack.stream_id: ack.seq for ack in again.acks}[sensors.belt.stream_id] == 0
        sensors.last[sensors.belt.stream_id] = 0
        second = sensors.second(1)
        await agent.send(*second)
        await agent.close_session(opened.session_id, sensors.last)
        counts = (await http.get(f"/v1/sessions/{opened.session_id}/counts")).json()
        assert counts["stored"] == {"ecg": 260, "rr": 2, "respiration": 10}
        beats = (await http.get(f"/v1/sessions/{opened.session_id}/beats")).json()["items"]
        assert [beat["beat_idx"] for beat in beats] == [0, 1, 2]


async def test_slow_lane_window_reaches_client_and_archive(server: Any, sensors: Any) -> None:
    async with (
        server.agent() as agent,
        server.client() as client,
        server.http() as http,
    ):
        await agent.hello()
        await client.hello(waveforms=False)
        opened = await agent.open(sensors.streams)
        for n in range(70):
            await agent.send(*sensors.second(n))
        await agent.wait_acks(sensors.last)
        window = (await client.wait_live(HrvWindow)).event
        assert window.n_beats >= 20
        assert set(window.indices) == {"HRV_MeanNN"}
        assert window.withheld == {"rsa": "not in tests"}
        assert window.emitted_ns >= window.t_ns
        assert not [m for m in client.heard if isinstance(m, Live) and isinstance(m.event, Waveform)]
        async with asyncio.timeout(LIMIT_S):  # the row follows the frame by one commit
            while not (stored := (await http.get(f"/v1/sessions/{opened.session_id}/windows")).json()["items"]):
                pass
        assert stored[0]["indices"] == window.indices
