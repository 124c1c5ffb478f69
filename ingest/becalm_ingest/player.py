"""Plays a recording into a session, at the pace of the file or faster."""

import asyncio
import time
from collections.abc import Callable, Iterator
from typing import Protocol

from becalm_ingest.session import Session
from becalm_protocol.errors import ConfigError
from becalm_protocol.events import RawEvent, StreamInfo, StreamState, StreamStatus
from becalm_protocol.handshake import SensorState
from becalm_protocol.units import NS_PER_S

# At speed 0 this many events may wait for the server: enough to fill its credit, little enough to fit any memory.
_MAX_AHEAD = 2_000
_MAX_SPEED = 10_000.0


class Playable(Protocol):
    """A recording."""

    @property
    def streams(self) -> tuple[StreamInfo, ...]:
        """Its signals."""

    @property
    def warnings(self) -> tuple[str, ...]:
        """What of it is not used."""

    def events(self) -> Iterator[RawEvent]:
        """Read the events in time order."""


class Player:
    """A source that plays a recording. Session time is the time of the file."""

    def __init__(self, recording: Playable, *, speed: float) -> None:
        if not 0 <= speed <= _MAX_SPEED:
            raise ConfigError(f"expected 0 (as fast as it goes) to {_MAX_SPEED:g}, got {speed:g}", setting="--speed")
        self.on_change: Callable[[], None] = lambda: None
        self._recording = recording
        self._speed = speed
        self._session: Session | None = None
        self._began = asyncio.Event()
        self._finished = asyncio.Event()
        self._state = StreamState.READY
        self._began_ns = 0
        self._played_ns = 0

    @property
    def trouble(self) -> str | None:
        """What of the file is not used."""
        return "; ".join(self._recording.warnings) or None

    def now_ns(self) -> int:
        """Time of the file that has been reached."""
        if not self._speed or self._state is not StreamState.STREAMING:
            return self._played_ns
        return max(self._played_ns, round((time.monotonic_ns() - self._began_ns) * self._speed))

    def sensors(self) -> tuple[SensorState, ...]:
        """The file's signals, as sensors."""
        return tuple(
            SensorState(device=info.device, kind=info.kind, state=self._state) for info in self._recording.streams
        )

    async def begin(self, session: Session) -> None:
        """Start to play."""
        self._session = session
        for info in self._recording.streams:
            session.add_stream(info)
        self._change_state(StreamState.STREAMING, session=session)
        self._began_ns = time.monotonic_ns()
        self._began.set()

    async def end(self) -> None:
        """Stop playing, wherever it is."""
        if self._session is not None and self._state is not StreamState.ENDED:
            self._change_state(StreamState.ENDED, session=self._session)

    async def run(self) -> None:
        """Play from the start of the session to the end of the file."""
        await self._began.wait()
        session = self._session
        if session is None:
            return
        for event in self._recording.events():
            await self._wait_until_due(event.received_ns, session=session)
            if self._state is StreamState.ENDED:
                return
            session.put(event)
            self._played_ns = max(self._played_ns, event.received_ns)
        self._finished.set()

    async def wait_finished(self) -> None:
        """Wait for the end of the file."""
        await self._finished.wait()

    async def _wait_until_due(self, received_ns: int, *, session: Session) -> None:
        if self._speed:
            due_ns = self._began_ns + round(received_ns / self._speed)
            ahead_ns = due_ns - time.monotonic_ns()
            if ahead_ns > 0:
                await asyncio.sleep(ahead_ns / NS_PER_S)
                return
        await asyncio.sleep(0)  # behind, or at full speed: still let the sender in
        while session.n_waiting >= _MAX_AHEAD:
            session.acked.clear()
            await session.acked.wait()

    def _change_state(self, state: StreamState, *, session: Session) -> None:
        self._state = state
        for info in self._recording.streams:
            session.put(StreamStatus(stream_id=info.stream_id, received_ns=self._played_ns, state=state))
        self.on_change()
