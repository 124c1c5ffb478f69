"""Which sensors were ever seen: kept while agents tell of them, so that a list does not forget one that is away."""

import asyncio
import logging
import secrets
from collections.abc import Collection, Iterable
from dataclasses import fields
from typing import Any

from becalm_protocol.errors import StorageError
from becalm_protocol.events import value
from becalm_protocol.sensor_state import SensorState
from becalm_server.agent_link import AgentLink
from becalm_server.agents import Agents
from becalm_server.archive.row_security import by_the_server
from becalm_server.archive.store import Archive

log = logging.getLogger(__name__)

LOOK_AGAIN_S = 10.0
# A household has a handful, a clinic some dozens.
MAX_DEVICES = 1_000


@value
class Seen:
    """One sensor of one agent, all of its streams together."""

    person_id: str
    agent_id: str
    name: str
    model: str | None
    firmware: str | None
    battery_pct: int | None
    kinds: str
    """Of its streams, with blanks between them."""


class DeviceRegister:
    """Looks at what the agents tell, now and then."""

    def __init__(self, agents: Agents, archive: Archive) -> None:
        self._agents = agents
        self._archive = archive

    async def run(self) -> None:
        """Keep the register until cancelled."""
        while True:
            try:
                await self.once()
            except StorageError:
                log.debug("the database is away; the register of sensors waits for it")
            await asyncio.sleep(LOOK_AGAIN_S)

    async def once(self) -> None:
        """Keep what is to be seen now, of everybody. Raises StorageError."""
        seen = seen_now(self._agents.newest_first())
        if not seen:
            return
        columns = {field.name: [getattr(one, field.name) for one in seen] for field in fields(Seen)}
        with by_the_server():
            await self._archive.rows("upsert_devices", device_id=[secrets.token_hex(16) for _ in seen], **columns)

    async def devices(self, people: Collection[str] | None) -> list[dict[str, Any]]:
        """Return every sensor that was ever seen beside these people (None: anybody), those seen last first.

        Raises StorageError.
        """
        await self.once()
        wanted = None if people is None else list(people)
        return await self._archive.rows("select_devices", people=wanted, limit=MAX_DEVICES)


def seen_now(links: Iterable[AgentLink]) -> list[Seen]:
    """Return the sensors that agents beside a person tell of, each once."""
    return [
        _seen(link.agent_id, name, person_id=link.person_id, states=[one for one in link.sensors if one.device == name])
        for link in links
        if link.person_id is not None
        for name in dict.fromkeys(state.device for state in link.sensors)
    ]


def _seen(agent_id: str, name: str, *, person_id: str, states: list[SensorState]) -> Seen:
    return Seen(
        person_id=person_id,
        agent_id=agent_id,
        name=name,
        model=next((one.model for one in states if one.model), None),
        firmware=next((one.firmware for one in states if one.firmware), None),
        battery_pct=next((one.battery_pct for one in states if one.battery_pct is not None), None),
        kinds=" ".join(sorted({one.kind.value for one in states})),
    )
