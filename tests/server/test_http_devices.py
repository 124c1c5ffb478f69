"""Sensors that were seen, agents that are connected."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from becalm_protocol.events import SignalKind, StreamState
from becalm_protocol.handshake import AgentPresence, AgentStatus
from becalm_protocol.sensor_state import LinkState, SensorState

STRAP = SensorState(
    device="Strap 1", kind=SignalKind.ECG, state=StreamState.READY, battery_pct=87, link=LinkState.READY, rssi_dbm=-61,
    model="H10", firmware="5.0.0",
)  # fmt: skip
STRAP_RR = SensorState(device="Strap 1", kind=SignalKind.RR, state=StreamState.READY)
BELT = SensorState(
    device="Belt", kind=SignalKind.RESPIRATION, state=StreamState.LOST, link=LinkState.BACK_OFF, trouble="Come nearer"
)


@pytest.fixture
async def http(server: Any) -> AsyncIterator[httpx.AsyncClient]:
    async with server.http() as client:
        yield client


async def told(server: Any, agent: Any, *sensors: SensorState) -> None:
    """Have an agent tell how its sensors are, and wait until the server has heard it."""
    async with server.client() as client:
        await client.hello()
        await agent.send(AgentStatus(sensors=sensors))
        await client.wait(lambda one: isinstance(one, AgentPresence) and set(sensors) <= set(one.sensors))


async def devices(http: httpx.AsyncClient) -> dict[str, dict[str, Any]]:
    return {one["name"]: one for one in (await http.get("/v1/devices")).json()["items"]}


async def test_a_sensor_is_one_device_whatever_it_carries(server: Any, http: httpx.AsyncClient) -> None:
    async with server.agent() as agent:
        await agent.hello("one")
        await told(server, agent, STRAP, STRAP_RR, BELT)
        found = await devices(http)
        assert (found["Strap 1"]["kinds"], found["Strap 1"]["battery_pct"]) == (["ecg", "rr"], 87)
        assert (found["Strap 1"]["model"], found["Strap 1"]["firmware"], found["Strap 1"]["agent_id"]) == (
            "H10", "5.0.0", "one",
        )  # fmt: skip
        assert (found["Belt"]["state"], found["Belt"]["trouble"], found["Belt"]["model"]) == (
            "lost",
            "Come nearer",
            None,
        )
        agents = (await http.get("/v1/agents")).json()["items"]
        assert agents == [{"agent_id": "one", "n_sensors": 2, "session_ids": []}]


async def test_a_sensor_that_left_is_still_known(server: Any, http: httpx.AsyncClient) -> None:
    async with server.agent() as agent:
        await agent.hello("one")
        await told(server, agent, STRAP)
        before = (await devices(http))["Strap 1"]
        await told(server, agent, BELT)
        after = (await devices(http))["Strap 1"]
    assert (before["connected"], before["rssi_dbm"]) == (True, -61)
    assert (after["connected"], after["state"], after["rssi_dbm"], after["battery_pct"]) == (False, None, None, 87)
    assert after["device_id"] == before["device_id"]
    assert len(after["device_id"]) == 32
    assert after["first_seen_at"] == before["first_seen_at"] <= after["last_seen_at"]


async def test_what_is_not_told_anew_stays(server: Any, http: httpx.AsyncClient) -> None:
    bare = SensorState(device="Strap 1", kind=SignalKind.ECG, state=StreamState.STREAMING)
    async with server.agent() as agent:
        await agent.hello("one")
        for status in (STRAP, bare):
            await told(server, agent, status)
            found = (await devices(http))["Strap 1"]
    assert (found["state"], found["firmware"], found["battery_pct"]) == ("streaming", "5.0.0", 87)


async def test_equal_names_at_two_agents_are_two_devices(server: Any, http: httpx.AsyncClient) -> None:
    async with server.agent() as one, server.agent() as other:
        await one.hello("one")
        await other.hello("other")
        await told(server, one, STRAP)
        await told(server, other, STRAP)
        items = (await http.get("/v1/devices")).json()["items"]
        agents = (await http.get("/v1/agents")).json()["items"]
    assert sorted(item["agent_id"] for item in items) == ["one", "other"]
    assert [agent["agent_id"] for agent in agents] == ["other", "one"]
