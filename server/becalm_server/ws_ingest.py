"""`/v1/ingest`: the conversation with one agent, as PROTOCOL.md tells it."""

import asyncio
import contextlib
import time
from dataclasses import replace
from functools import partial
from operator import eq

from fastapi import APIRouter, WebSocket

from becalm_protocol.errors import BecalmError, CloseCode, StorageError, WireError
from becalm_protocol.forms import AGENT_SUBPROTOCOLS
from becalm_protocol.handshake import (
    AgentHello,
    AgentStatus,
    AgentWelcome,
    CloseSession,
    Data,
    OpenSession,
    Ping,
    Pong,
    Problem,
    Reset,
    SessionClosed,
    StopSession,
)
from becalm_protocol.limits import CREDIT_FRAMES
from becalm_server.access.pace import MESSAGES_PER_S, Messages
from becalm_server.access.rules import Action
from becalm_server.access.socket_gate import KEPT, REVOKED, admit, shown_by
from becalm_server.agent_link import AgentLink
from becalm_server.archive.row_security import by_the_server
from becalm_server.parts import Parts
from becalm_server.wire_socket import N_SILENT_HEARTBEATS, PeerGoneError, WireSocket

router = APIRouter()
_EXPECTED = (OpenSession, Data, CloseSession, AgentStatus, Ping, Pong, Problem)
# After an opening a few quick heartbeats find the offset of the clocks before anybody looks at an age.
N_QUICK_PINGS = 4
QUICK_PING_S = 0.05
# An agent that is told to stop asks its sensors for two seconds at most.
FORGET_AFTER_S = 3.0
# While the database is away an agent hears of a part of its credit again: before it has used it up.
HOLD_EVERY = CREDIT_FRAMES // 4


@router.websocket("/v1/ingest")
async def ingest(websocket: WebSocket) -> None:
    """Carry one agent's connection from hello to close."""
    parts: Parts = websocket.app.state.parts
    socket = WireSocket(websocket, spoken=AGENT_SUBPROTOCOLS)
    with contextlib.suppress(PeerGoneError):
        hello = await socket.greet(AgentHello)
        if hello is None:
            return
        try:
            shown = shown_by(websocket, hello)
            caller = await admit(websocket, shown, access=parts.access, action=Action.STREAM)
        except WireError as exc:
            await socket.close(exc.close_code, detail=exc.problem)
            return
        await socket.send(
            AgentWelcome(version=socket.version, heartbeat_s=parts.settings.heartbeat_s, credit_frames=CREDIT_FRAMES)
        )
        link = AgentLink(hello.agent_id, person_id=caller.person_id)
        send_away = partial(link.close_nowait, CloseCode.AUTH, detail=REVOKED)
        # What agents bring is kept by the server itself: whose it may be, `admit` and the opener of sessions judge.
        with parts.access.visitors.inside(caller, key=shown.key, send_away=send_away), by_the_server():
            await _Conversation(socket, link=link, parts=parts).run()


class _Conversation:
    """One welcomed agent."""

    def __init__(self, socket: WireSocket, *, link: AgentLink, parts: Parts) -> None:
        self._socket = socket
        self._link = link
        self._parts = parts
        self._messages = Messages()
        """Beside events, which the credit bounds."""
        self._opened = asyncio.Event()
        self._waiting: dict[str, OpenSession] = {}
        """Openings with streams that have to wait for the database, by session."""

    async def run(self) -> None:
        """Listen, speak and keep time until one side leaves."""
        sessions = self._parts.sessions
        sessions.join(self._link)
        try:
            async with asyncio.TaskGroup() as group:
                beside = [
                    group.create_task(self._speak(), name="agent sender"),
                    group.create_task(self._keep_time(), name="agent heartbeat"),
                ]
                await self._listen(group)
                for task in beside:
                    task.cancel()
        finally:
            sessions.agents.leave(self._link)

    async def _listen(self, group: asyncio.TaskGroup) -> None:
        silence_s = N_SILENT_HEARTBEATS * self._parts.settings.heartbeat_s
        while True:
            try:
                async with asyncio.timeout(silence_s):
                    message = await self._socket.receive(_EXPECTED)
                if self._link.goodbye is None:
                    await self._join_waiting()
                    await self._take(message, group)
            except PeerGoneError:
                return
            except TimeoutError:
                await self._socket.close(CloseCode.RESTART, detail=f"expected a heartbeat within {silence_s:.0f} s")
                return
            except WireError as exc:
                self._link.close_nowait(exc.close_code, detail=exc.problem)
            except StorageError as exc:
                self._link.close_nowait(CloseCode.OVERLOADED, detail=f"{exc}. {KEPT}")

    async def _take(self, message: object, group: asyncio.TaskGroup) -> None:
        sessions, link = self._parts.sessions, self._link
        if not isinstance(message, Data) and self._messages.is_too_many():
            problem = f"message: expected at most {MESSAGES_PER_S} a second beside events, got more"
            raise WireError(problem, close_code=CloseCode.RATE)
        match message:
            case Data():
                await self._take_data(message)
            case Ping(sent_ns=sent_ns):
                clock_ns = self._parts.hub.session_ns(None, sees=partial(eq, link.person_id))
                link.put_nowait(Pong(sent_ns=sent_ns, clock_ns=clock_ns))
            case Pong(sent_ns=sent_ns, clock_ns=int(clock_ns)):
                sessions.heard_clock(link, sent_ns=sent_ns, clock_ns=clock_ns)
            case OpenSession():
                await self._open(message, group)
            case CloseSession():
                group.create_task(self._close(message), name="end of session")
            case AgentStatus():
                sessions.agents.status(link, message)

    async def _open(self, opened: OpenSession, group: asyncio.TaskGroup) -> None:
        sessions, link, session_id = self._parts.sessions, self._link, opened.session_id
        if sessions.live(session_id) is None and await self._parts.access.is_erased(session_id):
            link.put_nowait(StopSession(session_id=session_id))
            group.create_task(self._have_forgotten(session_id), name="erased session")
            return
        if link.person_id is None:
            raise WireError("role: expected an agent beside a person, got none", close_code=CloseCode.SCOPE)
        known = self._known_of(opened)
        await sessions.open(link, known)
        self._waiting.pop(session_id, None)
        if known != opened:
            self._waiting[session_id] = opened
        self._opened.set()

    def _known_of(self, opened: OpenSession) -> OpenSession:
        """Return an opening without what only the database can tell while it is away: whose a new stream is."""
        session = self._parts.sessions.live(opened.session_id)
        known = tuple(info for info in opened.streams if session is not None and info.stream_id in session.streams)
        return replace(opened, streams=known) if known and self._parts.archive.writer.is_behind else opened

    async def _join_waiting(self) -> None:
        """Open sessions with all of their streams once the database is back; what was dropped is asked for again."""
        if not self._waiting or self._parts.archive.writer.is_behind:
            return
        joining, self._waiting = self._waiting, {}
        for opened in joining.values():
            session = self._parts.sessions.live(opened.session_id)
            known = set(session.streams) if session is not None else set()
            await self._parts.sessions.open(self._link, opened)
            for stream_id, tail in session.streams.items() if session is not None else ():
                if stream_id not in known:
                    self._link.put_nowait(Reset(stream_id=stream_id, seq=tail.taken_seq))

    def _is_waiting(self, stream_id: str) -> bool:
        return any(stream_id == info.stream_id for opened in self._waiting.values() for info in opened.streams)

    async def _take_data(self, data: Data) -> None:
        if (
            self._waiting
            and data.event.stream_id not in self._link.stream_ids
            and self._is_waiting(data.event.stream_id)
        ):
            return  # a sensor that joins while the database is away: its agent keeps it, and the others go on
        self._parts.sessions.accept(self._link, data)
        await self._parts.sessions.wait_room(data)
        if data.seq % HOLD_EVERY == 0:
            self._hold()

    def _hold(self) -> None:
        """Tell the agent what is kept in memory, while the database is away."""
        if self._parts.archive.writer.is_behind:
            for session in self._parts.sessions.opened_on(self._link):
                self._link.hold_nowait(session.hold())

    async def _have_forgotten(self, session_id: str) -> None:
        """Tell the agent to drop a session from its spool, once its sensors have had time to rest."""
        await asyncio.sleep(FORGET_AFTER_S)
        self._link.put_nowait(SessionClosed(session_id=session_id))

    async def _close(self, closed: CloseSession) -> None:
        try:
            if closed.session_id in self._waiting:
                raise StorageError("database: it is away, and a sensor has not joined. Nothing is lost; end it later")
            await self._parts.sessions.close(self._link, closed)
        except WireError as exc:
            self._link.close_nowait(exc.close_code, detail=exc.problem)
        except BecalmError as exc:
            self._link.close_nowait(CloseCode.OVERLOADED, detail=str(exc))

    async def _speak(self) -> None:
        with contextlib.suppress(PeerGoneError):
            while (message := await self._link.get()) is not None:
                await self._socket.send(message)
            goodbye = self._link.goodbye
            if goodbye is not None:
                await self._socket.close(goodbye.code, detail=goodbye.detail)

    async def _keep_time(self) -> None:
        heartbeat_s = self._parts.settings.heartbeat_s
        n_quick = 0
        while True:
            self._link.put_nowait(Ping(sent_ns=time.monotonic_ns()))
            self._hold()
            n_quick = n_quick - 1 if n_quick else 0
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(QUICK_PING_S if n_quick else heartbeat_s):
                    await self._opened.wait()
                    self._opened.clear()
                    n_quick = N_QUICK_PINGS
