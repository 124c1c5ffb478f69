"""A server in the test's own loop, and the ways to it."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

import httpx
import websockets
from tests.server.peers import LIMIT_S, AgentPeer, ClientPeer
from tests.server.sensor_set import SensorSet
from websockets.asyncio.client import ClientConnection

from becalm_protocol.forms import SUBPROTOCOL_2_MSGPACK, SUBPROTOCOL_JSON
from becalm_server.settings import ServerSettings


class RunningServer:
    """A server in the test's own loop."""

    def __init__(self, url: str, settings: ServerSettings) -> None:
        self.url = url
        self.settings = settings

    @property
    def ws_url(self) -> str:
        return self.url.replace("http://", "ws://")

    @property
    def token(self) -> str:
        """The key of the operator's own programs on this machine."""
        return (self.settings.data_dir / "operator_token").read_text(encoding="ascii")

    @property
    def headers(self) -> dict[str, str]:
        """The key as an HTTP header."""
        return {"Authorization": f"Bearer {self.token}"}

    def http(self, token: str | None = None) -> httpx.AsyncClient:
        """A caller of the HTTP interface: the operator, or whoever holds a token."""
        headers = self.headers if token is None else {"Authorization": f"Bearer {token}"}
        return httpx.AsyncClient(base_url=self.url, headers=headers, timeout=LIMIT_S)

    def stranger(self) -> httpx.AsyncClient:
        """A caller without a token."""
        return httpx.AsyncClient(base_url=self.url, timeout=LIMIT_S)

    @asynccontextmanager
    async def agent(self, subprotocol: str = SUBPROTOCOL_2_MSGPACK) -> AsyncIterator[AgentPeer]:
        async with self.connect("/v1/ingest", subprotocol) as connection:
            yield AgentPeer(connection, subprotocol)

    async def leave(self, sensors: SensorSet, seconds: Iterable[int], *, session_id: str | None = None) -> str:
        """Have an agent open a session, send some seconds that are stored, and go; return the session."""
        async with self.agent() as agent:
            await agent.hello()
            opened = await agent.open(sensors.streams, session_id=session_id)
            for n in seconds:
                await agent.send(*sensors.second(n))
            await agent.wait_acks(sensors.last)
        return opened.session_id

    @asynccontextmanager
    async def client(self, subprotocol: str = SUBPROTOCOL_JSON) -> AsyncIterator[ClientPeer]:
        async with self.connect("/v1/live", subprotocol) as connection:
            yield ClientPeer(connection, subprotocol)

    def agent_peer(self, connection: ClientConnection, subprotocol: str) -> AgentPeer:
        return AgentPeer(connection, subprotocol)

    def client_peer(self, connection: ClientConnection, subprotocol: str) -> ClientPeer:
        return ClientPeer(connection, subprotocol)

    def connect(self, path: str, subprotocol: str, *, headers: dict[str, str] | None = None) -> Any:
        return websockets.connect(
            f"{self.ws_url}{path}",
            subprotocols=[websockets.Subprotocol(subprotocol)],
            additional_headers=self.headers if headers is None else headers,
            compression=None,
            proxy=None,
            close_timeout=1,
        )
