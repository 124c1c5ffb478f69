"""One streaming spell on one connection: subscribes, starts, passes events on, watches for silence, stops."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from becalm_ingest.ask import Line, ask
from becalm_ingest.devices import Conversation, Family, Selective
from becalm_ingest.recorder import Recorder
from becalm_ingest.session import Session
from becalm_ingest.watch import Watch
from becalm_protocol import limits
from becalm_protocol.errors import DeviceDataError, LinkError
from becalm_protocol.events import Battery, Dropped, GapReason, RawEvent, RrBlock, SampleBlock, StreamStatus


@dataclass(slots=True, kw_only=True)
class _Part:
    """One family of the sensor."""

    family: Family
    conversation: Conversation
    watches: dict[str, Watch]
    answered: asyncio.Event
    is_on: bool = False


class Talk:
    """Created for a session on an open connection; used once."""

    def __init__(
        self,
        line: Line,
        *,
        device: str,
        session: Session,
        families: tuple[Family, ...],
        recorder: Recorder | None,
        on_change: Callable[[], None],
    ) -> None:
        self.battery_pct: int | None = None
        self.trouble: LinkError | None = None
        """Why a family does not stream, though the connection stands."""
        self._line = line
        self._device = device
        self._session = session
        self._recorder = recorder
        self._on_change = on_change
        self._parts = [self._begin(family) for family in families]

    @property
    def watches(self) -> list[Watch]:
        """One for each stream."""
        return [watch for part in self._parts for watch in part.watches.values()]

    async def start(self) -> None:
        """Subscribe and start every family. Raises LinkError where none would."""
        for part in self._parts:
            try:
                await self._start_part(part)
            except LinkError as exc:
                self.trouble = exc
                if not any(other.is_on for other in self._parts) and part is self._parts[-1]:
                    raise

    async def stop(self) -> None:
        """Let the sensor rest; what it sent before has been passed on when this returns."""
        for part in self._parts:
            try:
                for write in part.conversation.stop():
                    await self._line.write(write)
                for channel in part.family.channels:
                    await self._line.unsubscribe(channel)
            except LinkError as exc:
                self.trouble = exc
        now_ns = self._session.now_ns()
        self._tell([watch.end(now_ns) for watch in self.watches])
        self._parts = []

    def check(self) -> bool:
        """Tell what has become late or lost; return whether the connection must be made anew."""
        now_ns = self._session.now_ns()
        parts = [part for part in self._parts if part.is_on]
        statuses = [watch.check(now_ns) for part in parts for watch in part.watches.values()]
        self._tell(statuses)
        is_silent = any(status is not None and status.state == "lost" for status in statuses)
        return is_silent or any(part.conversation.refusal for part in parts)

    def excuse_silence(self) -> None:
        """Count silence from now on: this process itself stood still, and what came meanwhile is yet to be read."""
        now_ns = self._session.now_ns()
        for watch in self.watches:
            watch.start(now_ns)

    def lose(self, reason: GapReason) -> None:
        """Tell that every stream is gone with its link."""
        now_ns = self._session.now_ns()
        self._tell([watch.lose(now_ns, reason=reason) for watch in self.watches])
        self._parts = []

    def due_s(self) -> float:
        """Seconds until `check` can tell something new."""
        now_ns = self._session.now_ns()
        watches = [watch for part in self._parts if part.is_on for watch in part.watches.values()]
        return min((watch.due_s(now_ns) for watch in watches), default=1.0)

    def note_battery(self, level_pct: int) -> None:
        """Tell the battery level read over the Battery Service."""
        self.battery_pct = level_pct
        if self.watches:
            stream_id = self.watches[0].stream_id
            event = Battery(stream_id=stream_id, received_ns=self._session.now_ns(), level_pct=level_pct)
            self._session.put(event)

    # ----------------------------------------------------------------------------------------------------- inside
    def _begin(self, family: Family) -> _Part:
        cursors = {template.kind: self._session.cursor(template, device=self._device) for template in family.streams}
        began_ns = self._session.now_ns()
        watches = {
            cursors[template.kind].stream_id: Watch(cursor=cursors[template.kind], template=template, began_ns=began_ns)
            for template in family.streams
        }
        return _Part(family=family, conversation=family.converse(cursors), watches=watches, answered=asyncio.Event())

    async def _start_part(self, part: _Part) -> None:
        if self._recorder is not None:
            now_ns = self._session.now_ns()
            self._recorder.link(device=self._device, family=part.family, received_ns=now_ns)
        for channel in part.family.channels:
            await self._line.subscribe(channel, on_bytes=partial(self._take, part, channel.name))
        for write in part.conversation.start():
            await ask(self._line, write, of=part.conversation, heard=part.answered)
        self._forgo_refused(part)
        part.is_on = True
        now_ns = self._session.now_ns()
        for watch in part.watches.values():
            watch.start(now_ns)

    def _forgo_refused(self, part: _Part) -> None:
        """Wait no more for signals that the sensor has refused while it sends others."""
        if not isinstance(part.conversation, Selective):
            return
        for watch in [watch for watch in part.watches.values() if watch.kind in part.conversation.refused]:
            self.trouble = part.conversation.refused[watch.kind]
            del part.watches[watch.stream_id]

    def _take(self, part: _Part, channel: str, data: bytearray) -> None:
        """Take a notification: the sample path, synchronous from the radio to the spool."""
        received_ns = self._session.now_ns()
        if not self._parts:
            return  # of a spell that is over
        raw = bytes(data)
        if self._recorder is not None:
            self._recorder.notification(
                device=self._device, family=part.family.name, channel=channel, received_ns=received_ns, data=raw
            )
        try:
            events = part.conversation.parse(raw, channel=channel, received_ns=received_ns)
        except DeviceDataError as exc:
            stream_id = next(iter(part.watches))
            problem = str(exc)[: limits.MAX_NOTE_CHARS]
            self._session.put(Dropped(stream_id=stream_id, received_ns=received_ns, problem=problem))
            return
        if any(isinstance(event, SampleBlock | RrBlock) for event in events):
            self._tell([watch.hear(received_ns) for watch in self._heard(part, events)])
        for event in events:
            self._session.put(event)
            if isinstance(event, Battery):
                self.battery_pct = event.level_pct
                self._on_change()
        part.answered.set()
        if part.conversation.refusal:
            self._on_change()

    @staticmethod
    def _heard(part: _Part, events: tuple[RawEvent, ...]) -> list[Watch]:
        return [part.watches[key] for key in {e.stream_id for e in events if isinstance(e, SampleBlock | RrBlock)}]

    def _tell(self, statuses: list[StreamStatus | None]) -> None:
        told = [status for status in statuses if status is not None]
        for status in told:
            self._session.put(status)
        if told:
            self._on_change()
