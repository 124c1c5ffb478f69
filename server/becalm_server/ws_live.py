"""`/v1/live`: the conversation with one client, as PROTOCOL.md tells it."""

import asyncio
import contextlib
import time

from fastapi import APIRouter, WebSocket

from becalm_protocol.errors import CloseCode, WireError
from becalm_protocol.handshake import ClientHello, ClientWelcome, Ping, Pong
from becalm_server.frames import LiveFrame
from becalm_server.outbox import Outbox
from becalm_server.parts import Parts
from becalm_server.wire_socket import N_SILENT_HEARTBEATS, PeerGoneError, WireSocket

router = APIRouter()


@router.websocket("/v1/live")
async def live(websocket: WebSocket) -> None:
    """Carry one client's connection from hello to close."""
    parts: Parts = websocket.app.state.parts
    socket = WireSocket(websocket)
    with contextlib.suppress(PeerGoneError):
        greeting = await socket.greet(ClientHello)
        if greeting is None:
            return
        hello, version = greeting
        outbox = parts.hub.join(waveforms=hello.waveforms)
        if outbox is None:
            await socket.close(CloseCode.OVERLOADED, detail="too many clients are connected. Close one, then try again")
            return
        try:
            outbox.put_nowait(_welcome(parts, version=version))
            await _Conversation(socket, outbox=outbox, parts=parts).run()
        finally:
            parts.hub.leave(outbox)


def _welcome(parts: Parts, *, version: int) -> ClientWelcome:
    presence = parts.sessions.agents.presence()
    return ClientWelcome(
        version=version,
        heartbeat_s=parts.settings.heartbeat_s,
        playout_delay_ms=parts.settings.playout_delay_ms,
        session=parts.sessions.view(),
        sensors=presence.sensors,
        agent_connected=presence.agent_connected,
    )


class _Conversation:
    """One welcomed client."""

    def __init__(self, socket: WireSocket, *, outbox: Outbox, parts: Parts) -> None:
        self._socket = socket
        self._outbox = outbox
        self._parts = parts

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
                    message = await self._socket.receive((Ping, Pong))
            except PeerGoneError:
                return
            except TimeoutError:
                await self._socket.close(CloseCode.RESTART, detail=f"expected a heartbeat within {silence_s:.0f} s")
                return
            except WireError as exc:
                await self._socket.close(exc.close_code, detail=exc.problem)
                return
            if isinstance(message, Ping):
                # Answered past the queue: the round trip must not include frames that wait.
                with contextlib.suppress(PeerGoneError):
                    await self._socket.send(Pong(sent_ns=message.sent_ns, clock_ns=self._parts.sessions.session_ns()))

    async def _speak(self) -> None:
        seq = 0
        with contextlib.suppress(PeerGoneError):
            while (item := await self._outbox.get()) is not None:
                if isinstance(item, LiveFrame):
                    seq += 1
                    await self._socket.send_frame(item.numbered(seq, subprotocol=self._socket.subprotocol or ""))
                    self._parts.hub.sent_latency.add(time.monotonic_ns() - item.queued_ns)
                else:
                    await self._socket.send(item)
            await self._socket.close(
                self._outbox.closing or CloseCode.RESTART, detail="this client reads too slowly, or the server restarts"
            )

    async def _keep_time(self) -> None:
        while True:
            await asyncio.sleep(self._parts.settings.heartbeat_s)
            self._outbox.put_nowait(Ping(sent_ns=time.monotonic_ns()))
