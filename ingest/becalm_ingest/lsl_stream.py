"""One LSL stream: ready, read during a session, lost, and connected again, until the agent ends."""

import asyncio
from collections.abc import Callable, Sequence

from becalm_ingest.formats.choosing import choose
from becalm_ingest.formats.signals import Choice
from becalm_ingest.lsl import LslChunk, LslInlet, LslSighting, clock_s
from becalm_ingest.lsl_channels import LslChannel, LslReader, channel_of
from becalm_ingest.session import Session
from becalm_ingest.watch import Watch
from becalm_protocol import limits
from becalm_protocol.errors import LinkError, RecordingError
from becalm_protocol.events import GapReason, SignalKind, StreamState, StreamStatus
from becalm_protocol.handshake import SensorState
from becalm_protocol.units import NS_PER_MS, NS_PER_S

_PULL_WITHIN_S = 0.2
_BACKOFF_FIRST_S = 0.5
_BACKOFF_LONGEST_S = 8.0


class LslStream:
    """Supervises one stream. `begin` and `end` are the session's; `run` holds the connection."""

    def __init__(
        self,
        sighting: LslSighting,
        *,
        label: str,
        choices: Sequence[Choice],
        find: Callable[[], LslSighting | None],
        on_change: Callable[[], None],
    ) -> None:
        self.label = label
        self.trouble: str | None = None
        self.clock_error_ms: float | None = None
        """How well the offset between its clock and ours is known."""
        self.channels: tuple[LslChannel, ...] = ()
        self._about = f"LSL {sighting.kind} of {sighting.host}"
        self._choices = choices
        self._find = find
        self._on_change = on_change
        self._session: Session | None = None
        self._reader: tuple[Session, tuple[LslChannel, ...], LslReader] | None = None
        self._watches: dict[SignalKind, Watch] = {}
        self._is_linked = False
        self._resting = asyncio.Event()
        self._resting.set()

    def states(self) -> tuple[SensorState, ...]:
        """How each of its signals is."""
        idle = StreamState.READY if self._is_linked else StreamState.LOST
        error = "" if self.clock_error_ms is None else f", clock to {self.clock_error_ms:.2f} ms"
        told = {kind: watch.state for kind, watch in self._watches.items()}
        return tuple(
            SensorState(
                device=self.label,
                kind=channel.template.kind,
                state=told.get(channel.template.kind) or idle,
                model=(self._about[: limits.MAX_NAME_CHARS - len(error)] + error) or None,
                trouble=self.trouble and self.trouble[: limits.MAX_NOTE_CHARS],
            )
            for channel in self.channels
        )

    def begin(self, session: Session) -> None:
        """Stream into a session as soon as there is a connection; signals already known are announced at once."""
        self._session = session
        for channel in self.channels:
            session.cursor(channel.template, device=self.label)

    async def end(self) -> None:
        """Stop streaming; everything in flight has been passed on when this returns."""
        self._session = None
        await self._resting.wait()

    async def run(self) -> None:
        """Hold the stream, connect anew after every loss, until cancelled; one of no use is tried when it is new."""
        backoff_s, refused_uid = _BACKOFF_FIRST_S, ""
        while True:
            sighting = self._find()
            if sighting is not None and sighting.uid != refused_uid:
                try:
                    await self._hold(sighting)
                except LinkError as exc:
                    self.trouble = str(exc)
                    backoff_s = _BACKOFF_FIRST_S if self._is_linked else min(_BACKOFF_LONGEST_S, 2 * backoff_s)
                except RecordingError as exc:  # nothing in it that we know, or nobody can tell which
                    self.trouble, refused_uid = str(exc), sighting.uid
                self._is_linked = False
                self._on_change()
            await asyncio.sleep(backoff_s)

    async def _hold(self, sighting: LslSighting) -> None:
        """Use a connection until it is lost. Raises LinkError, and RecordingError where no signal is ours."""
        inlet = await asyncio.to_thread(LslInlet, sighting)
        found = await asyncio.to_thread(inlet.describe)
        labels = {one.label.casefold() for one in found}
        own = [choice for choice in self._choices if choice.label.casefold() in labels]
        chosen = choose(found, choices=own, path=f"lsl:{sighting.name}", name=sighting.name)
        self.channels = tuple(channel_of(one) for one in chosen)
        await asyncio.to_thread(inlet.open)
        self._is_linked, self.trouble = True, None
        self._on_change()
        chunk: LslChunk | None = None
        while True:
            session = self._session
            if session is not None:
                await self._stream(inlet, session=session, first=chunk)
            # Out of a session what comes is let go, but for the newest: a session may have begun while it came.
            chunk = await asyncio.to_thread(inlet.pull, within_s=_PULL_WITHIN_S)

    async def _stream(self, inlet: LslInlet, *, session: Session, first: LslChunk | None) -> None:
        """Read until the session ends. Raises LinkError when the stream is lost or silent."""
        reader = self._reader_for(session)
        now_ns = session.now_ns()
        self._watches = {
            channel.template.kind: Watch(
                cursor=session.cursor(channel.template, device=self.label), template=channel.template, began_ns=now_ns
            )
            for channel in self.channels
        }
        zero_s = clock_s() - now_ns / NS_PER_S
        self._resting.clear()
        reason = GapReason.LINK_LOST
        chunk = first
        try:
            while True:
                if chunk is not None:
                    self._give(chunk, reader, session=session, zero_s=zero_s)
                if self._session is not session:
                    break
                chunk = await asyncio.to_thread(inlet.pull, within_s=_PULL_WITHIN_S)
                if self._check(session):
                    reason = GapReason.SENSOR_SILENT
                    raise LinkError(f"The LSL stream {self.label} has fallen silent", advice="It is connected anew")
            for watch in self._watches.values():
                self._tell(watch.end(session.now_ns()), session=session)
        finally:
            for watch in self._watches.values():
                if watch.state is not StreamState.ENDED:
                    self._tell(watch.lose(session.now_ns(), reason=reason), session=session)
            self._watches = {}
            self._resting.set()

    def _give(self, chunk: LslChunk, reader: LslReader, *, session: Session, zero_s: float) -> None:
        received_ns = session.now_ns()
        self.clock_error_ms = chunk.clock_error_s * NS_PER_S / NS_PER_MS
        stamps_ns = [round((stamp_s - zero_s) * NS_PER_S) for stamp_s in chunk.stamps_s]
        n_before = next((k for k, stamp_ns in enumerate(stamps_ns) if stamp_ns >= 0), len(stamps_ns))
        told = reader.feed(chunk.rows[n_before:], stamps_ns=stamps_ns[n_before:], received_ns=received_ns)
        for kind, event in told:
            self._tell(self._watches[kind].hear(received_ns), session=session)
            session.put(event)

    def _check(self, session: Session) -> bool:
        """Tell what is late; return whether the whole stream has fallen silent."""
        now_ns = session.now_ns()
        for watch in self._watches.values():
            self._tell(watch.check(now_ns), session=session)
        return any(watch.state is StreamState.LOST for watch in self._watches.values())

    def _tell(self, status: StreamStatus | None, *, session: Session) -> None:
        if status is not None:
            session.put(status)
            self._on_change()

    def _reader_for(self, session: Session) -> LslReader:
        """Positions and clocks go on over connections, not over sessions."""
        if self._reader is None or self._reader[0] is not session or self._reader[1] != self.channels:
            reader = LslReader(self.channels, cursor_of=lambda template: session.cursor(template, device=self.label))
            self._reader = (session, self.channels, reader)
        return self._reader[2]
