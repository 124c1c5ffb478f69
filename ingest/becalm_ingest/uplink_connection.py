"""One connection to the server, from hello to its end: the agent's side of PROTOCOL.md."""

import asyncio
import time
from itertools import chain, zip_longest
from typing import TYPE_CHECKING, NoReturn

from websockets.asyncio.client import ClientConnection

from becalm_ingest.data_frame import encode_data
from becalm_ingest.opened import Echo, Opened
from becalm_ingest.spool import Spool
from becalm_ingest.spool_stream import SpooledSession, SpooledStream
from becalm_protocol.codec import decode, encode
from becalm_protocol.errors import UnknownTypeError, WireError
from becalm_protocol.forms import SUBPROTOCOL_JSON, VERSIONS, version_of
from becalm_protocol.handshake import (
    Ack,
    AgentHello,
    AgentStatus,
    AgentWelcome,
    CloseSession,
    Held,
    Ping,
    Pong,
    Problem,
    Reset,
    SessionClosed,
    SessionOpened,
    StartSession,
    StopSession,
    StreamAck,
)
from becalm_protocol.units import NS_PER_S

if TYPE_CHECKING:
    from becalm_ingest.uplink import Uplink

_WELCOME_WITHIN_S = 6.0
# A server that takes data but commits nothing for this long is stuck: the connection is made anew.
_ACK_WITHIN_S = 8.0
_SILENT_HEARTBEATS = 3


class LinkSilentError(Exception):
    """The server answers no longer."""


class Connection:
    """Hello, then receive, send and beat side by side."""

    def __init__(
        self, socket: ClientConnection, *, uplink: "Uplink", spool: Spool, agent_id: str, wake: asyncio.Event
    ) -> None:
        self._socket = socket
        self._uplink = uplink
        self._spool = spool
        self._agent_id = agent_id
        self._wake = wake
        self._subprotocol = socket.subprotocol or SUBPROTOCOL_JSON
        self._generation = spool.generation
        self._opened: Opened | None = None
        self._acked: dict[str, int] = {}
        self._is_held = False
        self._told: AgentStatus | None = None
        self._welcome = AgentWelcome(version=0, heartbeat_s=1.0, credit_frames=1)
        self._heard_ns = self._progress_ns = time.monotonic_ns()
        self.is_welcome = False
        self.problem: str | None = None
        """What the server said before it closed."""

    @property
    def close_code(self) -> int | None:
        """Code with which the server closed, None while open."""
        return self._socket.close_code

    async def run(self) -> NoReturn:
        """Talk until the connection ends. Raises what ended it."""
        await self._greet()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._receive(), name="uplink receive")
            tasks.create_task(self._beat(), name="uplink heartbeat")
            # Not a third task: `raise_if_cancelled` says why.
            await self._transmit()
        raise LinkSilentError("The connection to the server ended")

    async def _greet(self) -> None:
        async with asyncio.timeout(_WELCOME_WITHIN_S):
            await self._send(AgentHello(versions=VERSIONS, agent_id=self._agent_id, token=self._uplink.token()))
            answer: AgentWelcome | Problem = decode(await self._socket.recv(), subprotocol=self._subprotocol)
        if isinstance(answer, Problem):
            self.problem = answer.detail
            raise WireError(answer.detail)
        version = version_of(self._subprotocol)
        if not isinstance(answer, AgentWelcome) or answer.version != version:
            raise WireError(f"welcome: expected one with version {version}, got {answer!r:.80}")
        self._welcome = answer
        self.is_welcome = self._uplink.is_connected = True
        self._uplink.trouble = None

    async def _send(self, message: object) -> None:
        await self._socket.send(encode(message, subprotocol=self._subprotocol))

    # ------------------------------------------------------------------------------------------------- receive
    async def _receive(self) -> None:
        while True:
            data = await self._socket.recv()
            self._heard_ns = time.monotonic_ns()
            try:
                message: object = decode(data, subprotocol=self._subprotocol)
            except UnknownTypeError:
                continue  # of a later version
            await self._handle(message)

    async def _handle(self, message: object) -> None:
        match message:
            case Ack(acks=acks):
                self._take_acks(acks)
            case Held(held=held, detail=detail):
                self._take_held(held, detail=detail)
            case Ping(sent_ns=sent_ns):
                await self._send(Pong(sent_ns=sent_ns, clock_ns=self._uplink.session_clock()))
            case SessionOpened():
                self._take_opened(message)
            case Reset(stream_id=stream_id, seq=seq):
                self._take_reset(stream_id, seq=seq)
            case StartSession(session_id=session_id):
                self._uplink.on_start(session_id)
            case StopSession(session_id=session_id):
                self._uplink.on_stop(session_id)
            case SessionClosed(session_id=session_id):
                self._take_closed(session_id)
            case Problem(detail=detail):
                self.problem = self._uplink.trouble = detail

    def _take_acks(self, acks: tuple[StreamAck, ...]) -> None:
        now_ns = time.monotonic_ns()
        self._acked |= {ack.stream_id: ack.seq for ack in acks}
        for ack in acks:
            try:
                progress = self._spool.ack(ack.stream_id, ack.seq)
            except ValueError as exc:
                raise WireError(str(exc)) from exc
            if progress:
                self._progress_ns = now_ns
                if self._is_held:
                    self._is_held, self._uplink.trouble = False, None
                if self._opened is not None:
                    self._opened.resets.pop(ack.stream_id, None)
                self._uplink.latency.acked(ack.stream_id, seq=ack.seq, acked_ns=now_ns)
        self._uplink.on_ack()
        self._wake.set()  # there is credit again

    def _take_held(self, held: tuple[StreamAck, ...], *, detail: str) -> None:
        """Go on although nothing is stored at the moment: the spool keeps it, the server says that it is alive."""
        self._is_held, self._uplink.trouble = True, detail
        self._progress_ns = time.monotonic_ns()
        if self._opened is not None:
            self._opened.held_seq |= {ack.stream_id: ack.seq for ack in held}
        self._wake.set()

    def _take_opened(self, message: SessionOpened) -> None:
        opened, session = self._opened, self._spool.sessions.get(message.session_id)
        if opened is None or session is None or opened.session_id != message.session_id:
            return
        acked = {a.stream_id: max(a.seq, self._acked.get(a.stream_id, 0)) for a in message.acks}  # acks may overtake it
        for stream_id in session.streams:
            if stream_id not in opened.sent_seq:
                try:
                    self._spool.resume(stream_id, acked_seq=acked.get(stream_id, 0))
                except ValueError as exc:
                    raise WireError(str(exc)) from exc
                opened.sent_seq[stream_id] = acked.get(stream_id, 0)
        opened.is_open = True
        self._progress_ns = time.monotonic_ns()
        self._wake.set()

    def _take_reset(self, stream_id: str, *, seq: int) -> None:
        opened = self._opened
        if opened is None or stream_id not in opened.sent_seq:
            return
        echo = opened.resets.get(stream_id)
        if echo is not None and echo.seq == seq and echo.n_expected > 0:
            echo.n_expected -= 1
            return
        sent_seq = opened.sent_seq[stream_id]
        opened.resets[stream_id] = Echo(seq=seq, n_expected=max(0, sent_seq - seq - 2))
        opened.sent_seq[stream_id] = min(sent_seq, seq)
        opened.is_closing = False
        self._wake.set()

    def _take_closed(self, session_id: str) -> None:
        self._spool.forget(session_id)
        if self._opened is not None and self._opened.session_id == session_id:
            self._opened = None
        self._uplink.on_closed(session_id)
        self._wake.set()

    # ---------------------------------------------------------------------------------------------------- send
    async def _transmit(self) -> None:
        while True:
            self._wake.clear()
            if self._spool.generation != self._generation:
                raise LinkSilentError("The spool was replaced; asking the server anew")
            await self._tell_status()
            session = self._next_session()
            n_sent = 0
            if session is not None:
                await self._open(session)
                n_sent = await self._send_events(session)
                await self._close_if_done(session)
            if not n_sent:
                await self._wake.wait()

    async def _tell_status(self) -> None:
        if self._told != self._uplink.status:
            self._told = self._uplink.status
            await self._send(self._told)

    def _next_session(self) -> SpooledSession | None:
        """The live session first; then what earlier ones left, oldest first."""
        sessions = self._spool.sessions
        live = sessions.get(self._uplink.live_session_id or "")
        ready = [live] if live is not None else list(sessions.values())
        return next((session for session in ready if session.streams), None)

    async def _open(self, session: SpooledSession) -> None:
        opened, n_streams = self._opened, len(session.streams)
        if opened is None or opened.session_id != session.session_id:
            self._opened = Opened(session_id=session.session_id, n_streams=n_streams)
        elif opened.n_streams == n_streams:
            return
        else:  # a sensor joined
            opened.n_streams = n_streams
        await self._send(session.opening())

    async def _send_events(self, session: SpooledSession) -> int:
        opened, n_sent = self._opened, 0
        if opened is None or not opened.is_open:
            return 0
        batches = [self._pending(stream, opened=opened) for stream in session.streams.values()]
        # In turn, not stream after stream: the server must know that ECG streams before a minute of RR has come.
        for stream_id, seq, body in filter(None, chain.from_iterable(zip_longest(*batches))):
            if opened.sent_seq[stream_id] != seq - 1:
                continue  # a reset came while we were sending
            opened.sent_seq[stream_id] = seq
            self._uplink.latency.sent(stream_id, seq=seq, sent_ns=time.monotonic_ns())
            await self._socket.send(encode_data(seq, body=body, subprotocol=self._subprotocol))
            n_sent += 1
        return n_sent

    def _pending(self, stream: SpooledStream, *, opened: Opened) -> list[tuple[str, int, bytes]]:
        key = stream.info.stream_id
        if key not in opened.sent_seq:
            return []
        upto_seq = max(stream.acked_seq, opened.held_seq.get(key, 0)) + self._welcome.credit_frames
        return [(key, *row) for row in self._spool.pending(key, after_seq=opened.sent_seq[key], upto_seq=upto_seq)]

    async def _close_if_done(self, session: SpooledSession) -> None:
        opened = self._opened
        if opened is None or not opened.is_open or opened.is_closing or not session.finished:
            return
        for stream_id, stream in session.streams.items():
            if stream.overflow or opened.sent_seq.get(stream_id) != stream.last_seq:
                return
        opened.is_closing = True
        last = tuple(StreamAck(stream_id=key, seq=stream.last_seq) for key, stream in session.streams.items())
        await self._send(CloseSession(session_id=session.session_id, last=last))

    async def _beat(self) -> None:
        heartbeat_s = min(60.0, max(0.05, self._welcome.heartbeat_s))
        while True:
            await self._send(Ping(sent_ns=time.monotonic_ns()))
            await asyncio.sleep(heartbeat_s)
            now_ns = time.monotonic_ns()
            if now_ns - self._heard_ns > _SILENT_HEARTBEATS * heartbeat_s * NS_PER_S:
                raise LinkSilentError("The server has fallen silent; connecting anew")
            if self._n_in_flight() == 0:
                self._progress_ns = now_ns
            elif now_ns - self._progress_ns > _ACK_WITHIN_S * NS_PER_S:
                raise LinkSilentError("The server takes data but stores nothing; connecting anew")

    def _n_in_flight(self) -> int:
        opened = self._opened
        session = self._spool.sessions.get(opened.session_id) if opened else None
        if opened is None or session is None:
            return 0
        return sum(seq - session.streams[key].acked_seq for key, seq in opened.sent_seq.items())
