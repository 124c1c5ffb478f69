"""Several people at once: a session an agent, each with its own clients, clock and record."""

from contextlib import AsyncExitStack
from typing import Any

from becalm_protocol.errors import CloseCode
from becalm_protocol.handshake import CloseSession, SessionView, StartSession, Waveform

AGENTS = ("first-agent", "second-agent")


async def test_each_agent_carries_a_session(server: Any, make_sensors: Any) -> None:
    async with AsyncExitStack() as stack:
        agents = [await stack.enter_async_context(server.agent()) for _ in AGENTS]
        http = await stack.enter_async_context(server.http())
        for agent, agent_id in zip(agents, AGENTS, strict=True):
            await agent.hello(agent_id)
        named = (await http.post("/v1/sessions", json={"agent_id": AGENTS[0]})).json()["session_id"]
        assert (await http.post("/v1/sessions", json={"agent_id": AGENTS[0]})).status_code == 409
        free = (await http.post("/v1/sessions")).json()["session_id"]
        assert (await http.post("/v1/sessions")).status_code == 409
        assert [(await agent.wait(StartSession)).session_id for agent in agents] == [named, free]
        sensors = [make_sensors(), make_sensors()]
        for agent, worn, session_id in zip(agents, sensors, (named, free), strict=True):
            await agent.open(worn.streams, session_id=session_id)
        for n in range(6):
            for agent, worn in zip(agents, sensors, strict=True):
                await agent.send(*worn.second(n))
        for agent, worn, session_id in zip(agents, sensors, (named, free), strict=True):
            await agent.wait_acks(worn.last)
            assert (await http.get(f"/v1/sessions/{session_id}")).json()["phase"] == "baseline"
            assert (await http.patch(f"/v1/sessions/{session_id}", json={"breath_source": "ecg"})).status_code == 200
            await agent.close_session(session_id, worn.last)
            counts = (await http.get(f"/v1/sessions/{session_id}/counts")).json()
            assert counts["stored"] == {"ecg": 780, "rr": 6, "respiration": 60}


async def test_nobody_ends_the_session_of_another(server: Any, http: Any, sensors: Any) -> None:
    async with server.agent() as agent, server.agent() as other:
        await agent.hello(AGENTS[0])
        await other.hello(AGENTS[1])
        opened = await agent.open(sensors.streams)
        await agent.send(*sensors.second(0))
        await agent.wait_acks(sensors.last)
        await other.send(CloseSession(session_id=opened.session_id, last=()))
        assert await other.closed() == CloseCode.MALFORMED
        assert (await http.get(f"/v1/sessions/{opened.session_id}")).json()["phase"] == "baseline"
        await agent.send(*sensors.second(1))
        await agent.wait_acks(sensors.last)


async def test_an_unknown_agent_cannot_be_asked(server: Any) -> None:
    async with server.agent() as agent, server.http() as http:
        await agent.hello()
        refused = await http.post("/v1/sessions", json={"agent_id": "nobody"})
        assert refused.status_code == 409
        assert "nobody" in refused.json()["detail"]


async def test_restart_takes_up_every_session(start_server: Any, database_url: str, make_sensors: Any) -> None:
    sensors = {agent_id: make_sensors() for agent_id in AGENTS}
    session_ids = {AGENTS[0]: "a" * 32, AGENTS[1]: "b" * 32}
    for seconds in (range(3), range(3, 6)):
        async with start_server(database_url) as server, AsyncExitStack() as stack:
            http = await stack.enter_async_context(server.http())
            for agent_id, worn in sensors.items():
                known = (await http.get(f"/v1/sessions/{session_ids[agent_id]}")).json()
                assert known.get("phase") == ("baseline" if seconds[0] else None)
                agent = await stack.enter_async_context(server.agent())
                await agent.hello(agent_id)
                await agent.open(worn.streams, session_id=session_ids[agent_id])
                for n in seconds:
                    await agent.send(*worn.second(n))
                await agent.wait_acks(worn.last)
    assert all(set(worn.last.values()) == {6} for worn in sensors.values())


async def test_a_client_sees_one_session_and_then_the_other(server: Any, make_sensors: Any) -> None:
    mine, other = make_sensors(), make_sensors()
    async with server.agent() as agent, server.agent() as neighbour, server.client() as client:
        await agent.hello(AGENTS[0])
        await neighbour.hello(AGENTS[1])
        await client.hello()
        shown = await agent.open(mine.streams)
        await neighbour.open(other.streams)
        await agent.send(*mine.second(0))
        await neighbour.send(*other.second(0))
        frame = await client.wait_live(Waveform)
        assert frame.event.stream_id in mine.last
        await agent.close_session(shown.session_id, mine.last)
        view = await client.wait(lambda m: isinstance(m, SessionView) and m.session_id != shown.session_id)
        assert {info.stream_id for info in view.streams} == set(other.last)
