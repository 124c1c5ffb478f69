"""The ear of the virtual patient: follows the server as an ordinary client and tells the body its pacer."""

import asyncio
import random
from collections.abc import Callable
from dataclasses import replace
from typing import NoReturn

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException
from websockets.typing import Subprotocol

from becalm_protocol import handshake
from becalm_protocol.codec import decode, encode_json
from becalm_protocol.errors import UnknownTypeError, WireError
from becalm_protocol.events import Pacer
from becalm_protocol.handshake import ClientHello, ClientWelcome, Ping, Pong, SessionPhase, SessionView, Source
from becalm_protocol.limits import MAX_FRAME_BYTES
from becalm_protocol.pairing import TokenSource, no_token

OPEN_TIMEOUT_S = 5.0
FIRST_BACK_OFF_S = 0.2
MAX_BACK_OFF_S = 3.0
# Three quick round trips settle the clock offset to well under a breath; then one a heartbeat.
FIRST_PINGS_S = (0.0, 0.1, 0.3)


class PacerEar:
    """Keeps listening, across restarts of the server; meanwhile the body breathes freely.

    `on_presence` is told once when the server does not answer, and once when it is there again.
    """

    def __init__(
        self,
        server_url: str,
        *,
        token: TokenSource = no_token,
        hear: Callable[[Pacer | None], None],
        now_ns: Callable[[], int],
        on_presence: Callable[[bool], None] = lambda _: None,
    ) -> None:
        self._url = server_url.rstrip("/") + "/v1/live"
        self._token = token
        self._hear = hear
        self._on_presence = on_presence
        self._was_there = True
        self._now_ns = now_ns
        self._view: SessionView | None = None
        self._best: tuple[int, int] | None = None
        self._heard: Pacer | None = None
        self._is_welcome = False

    async def run(self) -> NoReturn:
        """Listen for ever."""
        back_off_s = FIRST_BACK_OFF_S
        while True:
            # In a task of its own: a group that fails in the moment it is cancelled forgets the cancellation (before
            # Python 3.13), and this loop would run for ever.
            async with asyncio.TaskGroup() as attempt:
                attempt.create_task(self._connect_once(), name="pacer ear connection")
            self._forget()
            if not self._is_welcome:
                self._note(is_there=False)
            back_off_s = FIRST_BACK_OFF_S if self._is_welcome else min(2.0 * back_off_s, MAX_BACK_OFF_S)
            await asyncio.sleep(back_off_s * random.uniform(0.7, 1.3))  # noqa: S311  jitter, not a secret

    async def _connect_once(self) -> None:
        self._is_welcome = False
        try:
            async with connect(
                self._url,
                subprotocols=[Subprotocol(handshake.SUBPROTOCOL_JSON)],
                open_timeout=OPEN_TIMEOUT_S,
                max_size=MAX_FRAME_BYTES,
                compression=None,
                proxy=None,
            ) as connection:
                await self._listen(connection)
        except* (OSError, TimeoutError, WebSocketException, WireError):
            pass  # the server is away, restarting or of another version: try again

    async def _listen(self, connection: ClientConnection) -> None:
        hello = ClientHello(
            versions=handshake.VERSIONS, client="becalm virtual patient", waveforms=False, token=self._token()
        )
        await connection.send(encode_json(hello))
        heartbeat: asyncio.Task[None] | None = None
        async with asyncio.TaskGroup() as group:
            async for frame in connection:
                message = _read(frame)
                if isinstance(message, ClientWelcome) and heartbeat is None:
                    self._is_welcome = True
                    self._note(is_there=True)
                    heartbeat = group.create_task(_ping(connection, message.heartbeat_s, self._now_ns), name="ping")
                    self._see(message.session)
                elif isinstance(message, SessionView):
                    self._see(message)
                elif isinstance(message, Ping):
                    await connection.send(encode_json(Pong(sent_ns=message.sent_ns)))
                elif isinstance(message, Pong):
                    self._measure(message)
            if heartbeat:
                heartbeat.cancel()

    def _note(self, *, is_there: bool) -> None:
        if is_there is not self._was_there:
            self._was_there = is_there
            self._on_presence(is_there)

    def _see(self, view: SessionView | None) -> None:
        if view is None or self._view is None or view.session_id != self._view.session_id:
            self._best = None  # another session, another clock
        self._view = view
        self._tell()

    def _measure(self, pong: Pong) -> None:
        """Keep the offset of the quickest round trip (RFC 5905, section 8)."""
        if pong.clock_ns is None:
            return
        now_ns = self._now_ns()
        round_trip_ns = now_ns - pong.sent_ns
        offset_ns = pong.clock_ns - (pong.sent_ns + now_ns) // 2
        if self._best is None or round_trip_ns < self._best[0]:
            self._best = (round_trip_ns, offset_ns)
            self._tell()

    def _tell(self) -> None:
        """Tell the body the pacer in its own time, as soon as the offset between the clocks is known."""
        view, pacer = self._view, None
        is_on = view is not None and view.source is Source.LIVE
        is_on = is_on and view is not None and view.phase in (SessionPhase.BASELINE, SessionPhase.PRACTICE)
        if is_on and view is not None and view.pacer is not None and self._best is not None:
            pacer = replace(view.pacer, started_ns=view.pacer.started_ns - self._best[1])
        if pacer != self._heard:
            self._heard = pacer
            self._hear(pacer)

    def _forget(self) -> None:
        self._view = self._best = None
        self._tell()


async def _ping(connection: ClientConnection, heartbeat_s: float, now_ns: Callable[[], int]) -> None:
    for pause_s in FIRST_PINGS_S:
        await asyncio.sleep(pause_s)
        await connection.send(encode_json(Ping(sent_ns=now_ns())))
    while True:
        await asyncio.sleep(heartbeat_s)
        await connection.send(encode_json(Ping(sent_ns=now_ns())))


def _read(frame: str | bytes) -> object:
    try:
        return decode(frame)
    except UnknownTypeError:
        return None  # a type of a later version
