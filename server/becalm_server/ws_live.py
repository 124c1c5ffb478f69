"""`/v1/live`: the conversation with one client, as PROTOCOL.md tells it."""

import asyncio
import contextlib
import time
from functools import partial

from fastapi import APIRouter, WebSocket

from becalm_protocol.errors import CloseCode, StorageError, WireError
from becalm_protocol.forms import CLIENT_SUBPROTOCOLS
from becalm_protocol.handshake import ClientHello, ClientWelcome, Ping, Pong, Problem
from becalm_protocol.live import Subscribe, Unsubscribe
from becalm_server.access.caller import Caller
from becalm_server.access.pace import MESSAGES_PER_S, Messages
from becalm_server.access.rules import Action, may
from becalm_server.access.socket_gate import REVOKED, admit, shown_by
from becalm_server.frames import LiveFrame
from becalm_server.listener import Listener, Sees
from becalm_server.parts import Parts
from becalm_server.wire_socket import N_SILENT_HEARTBEATS, PeerGoneError, WireSocket

router = APIRouter()
_GOODBYE = "this client reads too slowly, or the server restarts"
_NOT_LIVE = (
    "subscribe: expected a session that is live, and no more than 64 of them, got {session_id!r:.70}. "
    "What was recorded is at /v1/sessions"
)


@router.websocket("/v1/live")
async def live(websocket: WebSocket) -> None:
    """Carry one client's connection from hello to close."""
    parts: Parts = websocket.app.state.parts
    socket = WireSocket(websocket, spoken=CLIENT_SUBPROTOCOLS)
    with contextlib.suppress(PeerGoneError):
        hello = await socket.greet(ClientHello)
        if hello is None:
            return
        try:
            shown = shown_by(websocket, hello)
            caller = await admit(websocket, shown, access=parts.access, action=Action.READ)
        except WireError as exc:
            await socket.close(exc.close_code, detail=exc.problem)
            return
        listener = parts.hub.join(version=socket.version, sees=partial(may, caller, Action.READ))
        if listener is None:
            await socket.close(CloseCode.OVERLOADED, detail="too many clients are connected. Close one, then try again")
            return
        try:
            listener.outbox.put_nowait(_welcome(parts, version=socket.version, sees=listener.sees))
            if socket.version == 1:
                parts.hub.subscribe(listener, Subscribe(waveforms=None if hello.waveforms else ()))
            send_away = partial(listener.outbox.close_nowait, CloseCode.AUTH)
            with parts.access.visitors.inside(caller, key=shown.key, send_away=send_away):
                await _Conversation(socket, listener=listener, parts=parts, caller=caller).run()
        finally:
            parts.hub.leave(listener)


def _welcome(parts: Parts, *, version: int, sees: Sees) -> ClientWelcome:
    presence, shown = parts.sessions.agents.presence(sees), parts.sessions.shown(sees)
    return ClientWelcome(
        version=version,
        heartbeat_s=parts.settings.heartbeat_s,
        playout_delay_ms=parts.settings.playout_delay_ms,
        session=shown.view() if shown else None,
        sensors=presence.sensors,
        agent_connected=presence.agent_connected,
    )


class _Conversation:
    """One welcomed client."""

    def __init__(self, socket: WireSocket, *, listener: Listener, parts: Parts, caller: Caller) -> None:
        self._socket = socket
        self._caller = caller
        self._seen: set[str] = set()
        """Sessions of which something was sent."""
        self._listener = listener
        self._outbox = listener.outbox
        self._parts = parts
        self._messages = Messages()
        self._expected = (Ping, Pong) if socket.version == 1 else (Ping, Pong, Subscribe, Unsubscribe)

    async def run(self) -> None:
        """Listen, speak and keep time until one side leaves."""
        async with asyncio.TaskGroup() as group:
            beside = [
                group.create_task(self._speak(), name="client sender"),
                group.create_task(self._keep_time(), name="client heartbeat"),
            ]
            await self._listen()
            for task in beside:
                task.cancel()

    async def _listen(self) -> None:
        silence_s = N_SILENT_HEARTBEATS * self._parts.settings.heartbeat_s
        while True:
            try:
                async with asyncio.timeout(silence_s):
                    message = await self._socket.receive(self._expected)
            except PeerGoneError:
                return
            except TimeoutError:
                await self._socket.close(CloseCode.RESTART, detail=f"expected a heartbeat within {silence_s:.0f} s")
                return
            except WireError as exc:
                await self._socket.close(exc.close_code, detail=exc.problem)
                return
            if self._messages.is_too_many():
                await self._socket.close(CloseCode.RATE, detail=f"expected at most {MESSAGES_PER_S} messages a second")
                return
            await self._take(message)

    async def _take(self, message: object) -> None:
        match message:
            case Ping(sent_ns=sent_ns, session_id=session_id):
                # Answered past the queue: the round trip must not include frames that wait.
                clock_ns = self._parts.hub.session_ns(session_id, sees=self._listener.sees)
                with contextlib.suppress(PeerGoneError):
                    await self._socket.send(Pong(sent_ns=sent_ns, clock_ns=clock_ns))
            case Subscribe():
                if not self._parts.hub.subscribe(self._listener, message):
                    self._outbox.put_nowait(Problem(detail=_NOT_LIVE.format(session_id=message.session_id)))
            case Unsubscribe(session_id=session_id):
                self._parts.hub.unsubscribe(self._listener, session_id)

    async def _speak(self) -> None:
        with contextlib.suppress(PeerGoneError):
            while (item := await self._outbox.get()) is not None:
                try:
                    await self._note_seen(item)
                except StorageError as exc:
                    await self._socket.close(CloseCode.OVERLOADED, detail=str(exc))
                    return
                if isinstance(item, LiveFrame):
                    frame = self._listener.encode(item, subprotocol=self._socket.subprotocol)
                    await self._socket.send_frame(frame)
                    # A send that need not wait lets nobody in, not even the news that it is over.
                    await asyncio.sleep(0)
                    if not self._outbox.is_repeating:
                        self._parts.hub.sent_latency.add(time.monotonic_ns() - item.queued_ns)
                else:
                    await self._socket.send(item)
            code = self._outbox.closing or CloseCode.RESTART
            await self._socket.close(code, detail=REVOKED if code is CloseCode.AUTH else _GOODBYE)

    async def _note_seen(self, item: object) -> None:
        """Note whom this client sees, before it sees the first of them. Raises StorageError."""
        told = item.session if isinstance(item, ClientWelcome) else item
        session_id = getattr(told, "session_id", None)
        if session_id is None or session_id in self._seen:
            return
        self._seen.add(session_id)
        access, person_id = self._parts.access, self._parts.hub.person_of(session_id)
        access.audit.note(Action.READ, caller=self._caller, subject=f"/v1/live {session_id}", person_id=person_id)
        if access.is_clinic:
            await access.audit.wait_written()

    async def _keep_time(self) -> None:
        while True:
            await asyncio.sleep(self._parts.settings.heartbeat_s)
            self._outbox.put_nowait(Ping(sent_ns=time.monotonic_ns()))
            for ages in self._listener.ages():
                self._outbox.put_nowait(ages)
