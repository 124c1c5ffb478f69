"""The agents that are connected, one link each; who carries which session.

An agent's name counts beside its person alone: who comes for somebody else with the same name is another agent.
"""

from collections.abc import Callable, Collection, Iterator

from becalm_protocol.errors import CloseCode
from becalm_protocol.handshake import AgentPresence, AgentStatus
from becalm_server.agent_link import AgentLink
from becalm_server.archive.records import SessionRecord
from becalm_server.hub import Hub
from becalm_server.listener import Sees, everybody
from becalm_server.refusals import NoAgentError, SessionRunningError


class Agents:
    """Links by agent, the newest last; clients hear of every change to what they may see."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._links: dict[tuple[str | None, str | None], AgentLink] = {}
        """By person and agent."""

    def join(self, link: AgentLink) -> None:
        """Take a new connection of an agent; an older one of the same agent is fenced."""
        older = self._links.pop((link.person_id, link.agent_id), None)
        if older is not None:
            older.close_nowait(CloseCode.FENCED, detail="a newer connection of this agent took over")
        self._links[link.person_id, link.agent_id] = link
        self._tell(link.person_id)

    def leave(self, link: AgentLink) -> None:
        """Forget a connection."""
        if self._links.get((link.person_id, link.agent_id)) is link:
            del self._links[link.person_id, link.agent_id]
            self._tell(link.person_id)

    def status(self, link: AgentLink, status: AgentStatus) -> None:
        """Learn how an agent's sensors are."""
        if link.sensors != status.sensors:
            link.sensors = status.sensors
            self._tell(link.person_id)

    def presence(self, sees: Sees = everybody) -> AgentPresence:
        """Return which sensors are there, of the people that somebody sees."""
        links = [link for link in self._links.values() if sees(link.person_id)]
        sensors = tuple(sensor for link in links for sensor in link.sensors)
        return AgentPresence(agent_connected=bool(links), sensors=sensors)

    def newest_first(self, people: Collection[str] | None = None) -> Iterator[AgentLink]:
        """Give the agents beside these people (None: beside anybody), the one that connected last first."""
        return (link for link in reversed(self._links.values()) if people is None or link.person_id in people)

    def free(
        self, agent_id: str | None, *, people: Collection[str] | None, is_busy: Callable[[AgentLink], bool]
    ) -> AgentLink:
        """Return the agent of this name, or the newest that is not busy. Raises where there is none."""
        links = [link for link in self.newest_first(people) if agent_id in (None, link.agent_id)]
        if not links:
            which = "No sensors' agent" if agent_id is None else f"No agent {agent_id!r:.70}"
            raise NoAgentError(f"{which} is connected. Start it beside the body with: becalm agent")
        for link in links:
            if not is_busy(link):
                return link
        raise SessionRunningError("A session is running. Stop it, then start another.")

    @staticmethod
    def is_of(record: SessionRecord, link: AgentLink) -> bool:
        """Tell whether a session belongs to the agent of a link."""
        return (record.person_id, record.agent_id) == (link.person_id, link.agent_id)

    def owner(self, record: SessionRecord) -> AgentLink | None:
        """Return the link of the agent that a session belongs to."""
        return self._links.get((record.person_id, record.agent_id))

    def carrier(self, record: SessionRecord) -> AgentLink | None:
        """Return the link on which a session is open."""
        link = self.owner(record)
        return link if link is not None and record.session_id in link.session_ids else None

    def _tell(self, person_id: str | None) -> None:
        for listener in self._hub.listeners():
            if listener.sees(person_id):
                listener.outbox.put_nowait(self.presence(listener.sees))

    def close_nowait(self, code: CloseCode) -> None:
        """Disconnect every agent; what is not acknowledged they keep."""
        for link in self._links.values():
            link.close_nowait(code, detail="the server stops or restarts; everything acknowledged is stored")
