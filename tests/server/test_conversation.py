"""The whole conversation of an agent, a server and a client over real WebSockets."""

import httpx
import pytest

from becalm_protocol.derived import Beat, Metrics
from becalm_protocol.handshake import (
    SUBPROTOCOL_JSON,
    SUBPROTOCOL_MSGPACK,
    SessionPhase,
    SessionView,
    StartSession,
    StopSession,
    Waveform,
)


@pytest.mark.parametrize("form", [SUBPROTOCOL_JSON, SUBPROTOCOL_MSGPACK])
async def test_session_from_start_to_report(server, sensors, form):
    async with (
        server.agent(form) as agent,
        server.client(form) as client,
        httpx.AsyncClient(base_url=server.url) as http,
    ):
        await agent.hello()
        welcome = await client.hello()
        assert welcome.agent_connected
        assert welcome.session is None
        started = await http.post("/v1/sessions", json={"baseline_s": 5})
        assert started.status_code == 201
        session_id = started.json()["session_id"]
        asked = await agent.wait(StartSession)
        assert asked.session_id == session_id
        await agent.open(sensors.streams, session_id=session_id)
        for n in range(8):
            await agent.send(*sensors.second(n))
        await agent.wait_acks(sensors.last)
        assert (await client.wait(SessionView)).phase is SessionPhase.WAITING
        assert (await client.wait(SessionView)).phase is SessionPhase.BASELINE
        frame = await client.wait_live(Waveform)
        assert frame.ledger.received_ns <= frame.ledger.accepted_ns <= frame.ledger.published_ns
        assert len(frame.event.values) == 130
        assert (await client.wait_live(Beat)).event.rr_ms == pytest.approx(900 / 1.024)
        assert (await client.wait(SessionView)).phase is SessionPhase.PRACTICE
        assert (await client.wait_live(Metrics)).event.heart_rate_bpm.value is not None
        assert (await http.get("/v1/sessions/current")).json()["phase"] == "practice"
        stopped = await http.post(f"/v1/sessions/{session_id}/stop")
        assert stopped.status_code == 200
        assert (await agent.wait(StopSession)).session_id == session_id
        await agent.close_session(session_id, sensors.last)
        assert await client.wait(lambda m: isinstance(m, SessionView) and m.phase is SessionPhase.ENDED)
        numbers = [m.seq for m in client.heard if hasattr(m, "ledger")]
        assert numbers == list(range(1, len(numbers) + 1))
        counts = (await http.get(f"/v1/sessions/{session_id}/counts")).json()
        assert counts["stored"] == {"ecg": 8 * 130, "rr": 8, "respiration": 80}
        assert counts["n_missing_events"] == 0
        assert counts["n_beats"] == 9
