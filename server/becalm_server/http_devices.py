"""`/v1/devices` and `/v1/agents`: which sensors were seen, and who reads them now."""

from typing import Any

from fastapi import APIRouter, Request

from becalm_protocol.sensor_state import SensorState
from becalm_server.access.gate import CallerIs
from becalm_server.access.rules import Action, people_of
from becalm_server.bodies.devices import AgentBody, AgentList, DeviceBody, DeviceList
from becalm_server.device_register import seen_now
from becalm_server.parts import Parts
from becalm_server.problems import BUSY, responses

router = APIRouter(prefix="/v1", tags=["devices"])


@router.get("/devices", summary="Sensors", responses=responses(BUSY))
async def list_devices(request: Request, caller: CallerIs) -> DeviceList:
    """Return every sensor that was ever seen: battery, firmware, and how its connection is now."""
    parts: Parts = request.app.state.parts
    people = people_of(caller, Action.READ)
    rows = await parts.devices.devices(people)
    links = parts.sessions.agents.newest_first(people)
    told = {(link.person_id, link.agent_id, state.device): state for link in links for state in link.sensors}
    now = [told.get((row.pop("person_id"), row["agent_id"], row["name"])) for row in rows]
    return DeviceList(items=[_device(row, now=state) for row, state in zip(rows, now, strict=True)])


@router.get("/agents", summary="Agents")
async def list_agents(request: Request, caller: CallerIs) -> AgentList:
    """Return the agents that are connected, and the sessions that they carry."""
    parts: Parts = request.app.state.parts
    return AgentList(
        items=[
            AgentBody(agent_id=link.agent_id, n_sensors=len(seen_now([link])), session_ids=sorted(link.session_ids))
            for link in parts.sessions.agents.newest_first(people_of(caller, Action.READ))
        ]
    )


def _device(row: dict[str, Any], *, now: SensorState | None) -> DeviceBody:
    return DeviceBody(
        **row,
        connected=now is not None,
        state=now.state if now else None,
        link=now.link if now else None,
        rssi_dbm=now.rssi_dbm if now else None,
        trouble=now.trouble if now else None,
    )
