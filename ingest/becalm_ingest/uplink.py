"""The way to the server: keeps one connection alive, backs off when it cannot, says in plain words why."""

import asyncio
import random
from collections.abc import Callable

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidHandshake, InvalidURI, WebSocketException
from websockets.typing import Subprotocol

from becalm_ingest.latency import AckLatency
from becalm_ingest.spool import Spool
from becalm_ingest.uplink_connection import Connection, LinkSilentError
from becalm_protocol import limits
from becalm_protocol.address import ingest_address
from becalm_protocol.errors import CloseCode, WireError
from becalm_protocol.forms import AGENT_SUBPROTOCOLS
from becalm_protocol.handshake import AgentStatus
from becalm_protocol.pairing import TokenSource, no_token

_OPEN_WITHIN_S = 4.0
_CLOSE_WITHIN_S = 0.5
_BACKOFF_FIRST_S = 0.2
_BACKOFF_LONGEST_S = 5.0
_SUBPROTOCOLS = tuple(map(Subprotocol, AGENT_SUBPROTOCOLS))
_SENTENCES = {
    CloseCode.RESTART: "The server is restarting",
    CloseCode.OVERLOADED: "The server has too much to do at the moment",
    CloseCode.VERSION: "The server speaks another version: update becalm on this computer or on the server",
    CloseCode.FENCED: "Another agent with this identity took over: stop one of the two",
    CloseCode.TOO_BIG: "The server found a message too big",
    CloseCode.MALFORMED: "The server could not read a message: update becalm on this computer or on the server",
}


class Uplink:
    """Sends what the spool holds, in order, within the server's credit, until it is acknowledged."""

    def __init__(
        self,
        *,
        server_url: str,
        agent_id: str,
        spool: Spool,
        session_clock: Callable[[], int | None],
        token: TokenSource = no_token,
    ) -> None:
        self.token = token
        self._url = ingest_address(server_url)
        self._agent_id = agent_id
        self._spool = spool
        self._wake = asyncio.Event()
        self.session_clock = session_clock
        """Session time now, None outside a session: told in each Pong."""
        self.live_session_id: str | None = None
        """Sent before any older session."""
        self.on_start: Callable[[str], None] = lambda _: None
        self.on_stop: Callable[[str], None] = lambda _: None
        self.on_closed: Callable[[str], None] = lambda _: None
        self.on_ack: Callable[[], None] = lambda: None
        self.status = AgentStatus(sensors=())
        self.is_connected = False
        self.trouble: str | None = None
        """The last reason why there is no connection, in words; None while all is well."""
        self.n_connections = 0
        self.latency = AckLatency()
        spool.on_commit = self.wake

    def wake(self) -> None:
        """Have the sender look again: something changed."""
        self._wake.set()

    def set_status(self, status: AgentStatus) -> None:
        """Tell the server how the sensors are, now and after each reconnect."""
        if status != self.status:
            self.status = status
            self.wake()

    async def run(self) -> None:
        """Connect, talk, and connect again, until cancelled."""
        backoff_s = _BACKOFF_FIRST_S
        while True:
            # In a task of its own: a group that fails in the moment it is cancelled forgets the cancellation (before
            # Python 3.13), and this loop would run for ever.
            async with asyncio.TaskGroup() as attempt:
                connection = attempt.create_task(self._connect_once(), name="uplink connection")
            welcomed = connection.result()
            backoff_s = _BACKOFF_FIRST_S if welcomed else min(_BACKOFF_LONGEST_S, 2 * backoff_s)
            await asyncio.sleep(random.uniform(0.5, 1.0) * backoff_s)  # noqa: S311 - jitter, not a secret

    async def _connect_once(self) -> bool:
        """Hold one connection until it ends. Returns whether the server had welcomed us."""
        connection: Connection | None = None
        try:
            async with connect(
                self._url,
                subprotocols=_SUBPROTOCOLS,
                compression=None,  # samples hardly compress, and waiting for more to compress would delay them
                max_size=limits.MAX_FRAME_BYTES,
                ping_interval=None,  # the protocol has its own heartbeat, which carries the clock
                proxy=None,  # samples of a body go to the server that was named, by nobody else
                open_timeout=_OPEN_WITHIN_S,
                close_timeout=_CLOSE_WITHIN_S,
            ) as socket:
                connection = self._make_connection(socket)
                await connection.run()
        except* (OSError, TimeoutError, WebSocketException, WireError, LinkSilentError) as group:
            self.trouble = _sentence(group, connection=connection, url=self._url)
        finally:
            self.is_connected = False
        return connection is not None and connection.is_welcome

    def _make_connection(self, socket: ClientConnection) -> Connection:
        self.n_connections += 1
        return Connection(socket, uplink=self, spool=self._spool, agent_id=self._agent_id, wake=self._wake)


def _sentence(group: BaseExceptionGroup[Exception], *, connection: Connection | None, url: str) -> str:
    exc: BaseException = group
    while isinstance(exc, BaseExceptionGroup):
        exc = exc.exceptions[0]
    if connection is not None and connection.problem:
        return connection.problem
    close_code = connection.close_code if connection is not None else None
    if close_code in _SENTENCES:
        return _SENTENCES[CloseCode(close_code)]
    if isinstance(exc, WireError | LinkSilentError):
        return str(exc)
    if isinstance(exc, InvalidURI):
        return f"The server address {url} is not one: use ws://HOST:PORT"
    if isinstance(exc, InvalidHandshake):
        return f"What answers at {url} is not a becalm server ({exc})"
    if connection is not None:
        return "The connection to the server was lost"
    return f"No server answers at {url}: start it there, or give another address"
