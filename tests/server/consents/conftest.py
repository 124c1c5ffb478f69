"""A person with an agent beside her, and a session of hers."""

from typing import Any

import httpx
import pytest
from tests.server.access.conftest import bearer, paired

from becalm_protocol.forms import SUBPROTOCOL_2_MSGPACK


@pytest.fixture
async def ann(server: Any, http: httpx.AsyncClient) -> dict[str, Any]:
    """A participant and an agent beside her."""
    told = await paired(server, http, role="participant")
    agent = await paired(server, http, role="agent", person_id=told["person_id"])
    return {**told, "path": f"/v1/people/{told['person_id']}", "agent": bearer(agent["token"])}


async def recorded(server: Any, ann: dict[str, Any], sensors: Any) -> str:
    async with server.connect("/v1/ingest", SUBPROTOCOL_2_MSGPACK, headers=ann["agent"]) as connection:
        agent = server.agent_peer(connection, SUBPROTOCOL_2_MSGPACK)
        await agent.hello("agent-of-ann")
        opened = await agent.open(sensors.streams)
        for n in range(3):
            await agent.send(*sensors.second(n))
        await agent.close_session(opened.session_id, sensors.last)
        return str(opened.session_id)
