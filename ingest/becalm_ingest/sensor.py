"""One sensor: found, connected, ready, streaming, lost, and again, until the agent ends."""

import asyncio
import random
from collections.abc import Callable
from contextlib import suppress

from becalm_ingest.ask import RefusedError, look_into
from becalm_ingest.devices import Family, StreamTemplate, family_named
from becalm_ingest.devices.family import each_signal_once
from becalm_ingest.link import Link, Radio, Sighting
from becalm_ingest.recorder import Recorder
from becalm_ingest.sensor_facts import Facts
from becalm_ingest.session import Session
from becalm_ingest.talk import Talk
from becalm_protocol.errors import LinkError
from becalm_protocol.events import GapReason, StreamState
from becalm_protocol.handshake import SensorState
from becalm_protocol.sensor_state import LinkState
from becalm_protocol.units import ns_from_s

_BACKOFF_FIRST_S = 0.25
_BACKOFF_LONGEST_S = 30.0
# One that is away may come back at any moment: it is looked for about half of the time.
_AWAY_LONGEST_S = 5.0
_FIND_WITHIN_S = 4.0
# A sensor that refuses does so at once; it is asked ever less often, or it would be kept awake until it is empty.
_USABLE_AFTER_S = 2.0
# A busy machine wakes us tens of milliseconds late; half a second late means that we stood still ourselves.
_STANDSTILL_S = 0.5


class Sensor:
    """Supervises one device. `begin` and `end` are the session's; `run` holds the connection."""

    def __init__(
        self,
        sighting: Sighting,
        *,
        label: str,
        radio: Radio,
        recorder: Recorder | None,
        on_change: Callable[[], None],
        families: tuple[Family, ...] = (),
    ) -> None:
        """Take `families` in place of those of the same name."""
        self.address = sighting.address
        self.label = label
        self._facts = Facts(sighting, label=label, on_change=on_change)
        self._usual = _usual_streams(sighting)
        self._first_sighting: Sighting | None = sighting
        self._own = {family.name: family for family in families}
        self._radio = radio
        self._recorder = recorder
        self._on_change = on_change
        self._session: Session | None = None
        self._talk: Talk | None = None
        self._templates: tuple[StreamTemplate, ...] = ()
        self._is_linked = False
        self._has_refused = self._has_streamed = False
        """Of the last connection: it still stood when it was given up; it brought samples, however short it was."""
        self._wake = asyncio.Event()
        self._resting = asyncio.Event()
        self._resting.set()

    @property
    def trouble(self) -> str | None:
        """What is wrong with it and what to do, in one sentence."""
        return self._facts.trouble

    def states(self) -> tuple[SensorState, ...]:
        """How each of its signals is; before the first connection, once one has failed, those its kind usually has."""
        told = {watch.kind: watch.state for watch in self._talk.watches} if self._talk else {}
        idle = StreamState.READY if self._is_linked else StreamState.LOST
        templates = self._templates or (self._usual if self.trouble else ())
        return tuple(self._facts.state(kind, told.get(kind) or idle) for kind in (t.kind for t in templates))

    def begin(self, session: Session) -> None:
        """Stream into a session as soon as there is a connection; signals already known are announced at once."""
        self._session = session
        for template in self._templates:
            session.cursor(template, device=self.label)
        self._wake.set()

    async def end(self) -> None:
        """Stop streaming; everything in flight has been passed on when this returns."""
        self._session = None
        self._wake.set()
        await self._resting.wait()

    async def run(self) -> None:
        """Hold a connection, make it anew after every loss, until cancelled."""
        loop, backoff_s = asyncio.get_running_loop(), _BACKOFF_FIRST_S
        while True:
            connected_s: float | None = None
            self._has_refused = self._has_streamed = False
            try:
                sighting = self._first_sighting or await self._find()
                self._first_sighting = None
                self._facts.see(sighting)
                self._facts.move(LinkState.CONNECTING)
                link = await self._radio.connect(sighting, on_lost=self._wake.set)
                connected_s = loop.time()
                await self._hold(link)
            except LinkError as exc:
                self._note_lost(exc)
            was_of_use = self._has_streamed and not self._has_refused
            if was_of_use or (connected_s is not None and loop.time() - connected_s > _USABLE_AFTER_S):
                backoff_s = _BACKOFF_FIRST_S
            self._facts.move(LinkState.BACK_OFF)
            longest_s = _BACKOFF_LONGEST_S if self._has_refused else _AWAY_LONGEST_S
            backoff_s = min(longest_s, backoff_s)
            await asyncio.sleep(random.uniform(0.5, 1.0) * backoff_s)  # noqa: S311 - jitter, not a secret
            backoff_s *= 2

    async def _find(self) -> Sighting:
        self._facts.move(LinkState.SCANNING)
        return await self._radio.find(self.address, label=self.label, within_s=_FIND_WITHIN_S)

    async def _hold(self, link: Link) -> None:
        """Use a connection until it is lost. Raises LinkError."""
        try:
            self._facts.move(LinkState.SETUP)
            families = await self._look_into(link)
            await self._facts.learn(link, on_battery=self._note_battery)
            self._templates = tuple(template for family in families for template in family.streams)
            self._is_linked = True
            self._on_change()
            while True:
                session = self._session
                if session is not None:
                    await self._stream(link, session=session, families=families)
                else:
                    self._facts.move(LinkState.READY)
                    await self._wait(link, within_s=self._facts.due_s())
                    await self._refresh(link)
        except LinkError as exc:
            self._has_refused = not link.is_lost
            self._note_lost(exc)  # before the slow goodbye
            raise
        finally:
            await link.close()

    async def _look_into(self, link: Link) -> tuple[Family, ...]:
        """Return the families that stream on this very sensor. Raises LinkError where there is none."""
        found: list[Family] = []
        refusal = LinkError(f"{self.label} has no signal we know", advice="Choose another with --device")
        for family in link.families():
            try:
                found.append(await look_into(link, self._own.get(family.name, family)))
            except RefusedError as exc:
                refusal = exc
        families = each_signal_once(found)
        if not families:
            raise refusal
        self._facts.trouble = str(refusal) if isinstance(refusal, RefusedError) else None
        return families

    async def _stream(self, link: Link, *, session: Session, families: tuple[Family, ...]) -> None:
        """Stream until the session ends. Raises LinkError when the link is lost or silent."""
        talk = Talk(
            link,
            device=self.label,
            session=session,
            families=families,
            recorder=self._recorder,
            on_change=self._note_change,
        )
        self._talk = talk
        self._resting.clear()
        reason = GapReason.LINK_LOST
        try:
            if self._facts.battery_pct is not None:
                talk.note_battery(self._facts.battery_pct)
            self._facts.move(LinkState.SETUP)
            await talk.start()
            self._facts.trouble = str(talk.trouble) if talk.trouble else None
            self._facts.move(LinkState.STREAMING)
            while self._session is session:
                due_s, asked_ns = min(talk.due_s(), self._facts.due_s()), session.now_ns()
                await self._wait(link, within_s=due_s)
                if session.now_ns() - asked_ns > ns_from_s(due_s + _STANDSTILL_S):
                    talk.excuse_silence()
                if talk.check():
                    reason = GapReason.SENSOR_SILENT
                    raise LinkError(f"{self.label} has fallen silent", advice="It is connected anew")
                await self._refresh(link)
            await talk.stop()
        finally:
            self._has_streamed = any(watch.state is not None for watch in talk.watches)
            talk.lose(reason)
            self._talk = None
            self._resting.set()

    async def _wait(self, link: Link, *, within_s: float | None) -> None:
        """Wait for something to change. Raises LinkError where it is the link's end."""
        with suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                await self._wake.wait()
        self._wake.clear()
        if link.is_lost:
            raise LinkError(f"The connection with {self.label} was lost", advice="It is made anew")

    async def _refresh(self, link: Link) -> None:
        """Read the battery when it is time."""
        if self._facts.due_s() == 0 and (level_pct := await self._facts.refresh(link)) is not None:
            self._note_battery(level_pct)

    def _note_battery(self, level_pct: int) -> None:
        if self._talk is not None:
            self._talk.note_battery(level_pct)
        self._on_change()

    def _note_lost(self, exc: LinkError) -> None:
        self._facts.trouble = str(exc)
        self._is_linked = False
        self._facts.move(LinkState.LOST)

    def _note_change(self) -> None:
        if self._talk is not None and self._talk.battery_pct is not None:
            self._facts.battery_pct = self._talk.battery_pct
        self._wake.set()
        self._on_change()


def _usual_streams(sighting: Sighting) -> tuple[StreamTemplate, ...]:
    family = family_named(sighting.family)
    return family.streams if family is not None else ()
