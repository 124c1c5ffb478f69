"""Who hears of agents that come, go and change."""

from becalm_protocol.events import SignalKind, StreamState
from becalm_protocol.handshake import AgentPresence, AgentStatus, SensorState
from becalm_server.agent_link import AgentLink
from becalm_server.agents import Agents
from becalm_server.hub import Hub
from becalm_server.listener import Listener


def listener_of(hub: Hub, person_id: str) -> Listener:
    listener = hub.join(version=2, sees=lambda person: person == person_id)
    assert listener is not None
    return listener


async def test_only_those_who_see_a_person_hear_of_an_agent_beside_it() -> None:
    hub = Hub()
    agents = Agents(hub)
    ann, ben = listener_of(hub, "ann"), listener_of(hub, "ben")
    link = AgentLink("agent", person_id="ann")
    sensor = SensorState(device="strap", kind=SignalKind.ECG, state=StreamState.STREAMING)
    agents.join(link)
    agents.status(link, AgentStatus(sensors=(sensor,)))
    assert await ann.outbox.get() == AgentPresence(agent_connected=True, sensors=(sensor,))
    agents.leave(link)
    assert await ann.outbox.get() == AgentPresence(agent_connected=False, sensors=())
    assert ben.outbox.statistics()["peak"] == 0


async def test_two_agents_of_one_name_beside_two_people_are_two() -> None:
    hub = Hub()
    agents = Agents(hub)
    ann, ben = listener_of(hub, "ann"), listener_of(hub, "ben")
    first, second = AgentLink("agent", person_id="ann"), AgentLink("agent", person_id="ben")
    agents.join(first)
    agents.join(second)
    assert first.goodbye is None
    for listener in (ann, ben):
        assert await listener.outbox.get() == AgentPresence(agent_connected=True, sensors=())
    agents.leave(second)
    assert await ben.outbox.get() == AgentPresence(agent_connected=False, sensors=())
    assert ann.outbox.statistics()["depth"] == 0
