"""What is known of a sensor beside its signals: connection, strength, battery, model."""

import time
from collections.abc import Callable
from contextlib import suppress

from becalm_ingest.link import Link, Sighting
from becalm_protocol import limits
from becalm_protocol.errors import LinkError
from becalm_protocol.events import SignalKind, StreamState
from becalm_protocol.handshake import SensorState
from becalm_protocol.sensor_state import LinkState

# A battery lasts for days: asking more often costs more of it than it tells.
_BATTERY_EVERY_S = 180.0


class Facts:
    """Of one sensor, over all its connections."""

    def __init__(self, sighting: Sighting, *, label: str, on_change: Callable[[], None]) -> None:
        self.link = LinkState.IDLE
        self.trouble: str | None = None
        self.battery_pct: int | None = None
        self._label = label
        self._on_change = on_change
        self._rssi_dbm = sighting.rssi_dbm
        self._model: str | None = None
        self._firmware: str | None = None
        self._is_asked = False
        """Model and firmware stay the same for as long as this agent runs, so they are asked once."""
        self._asked_battery_s = time.monotonic()

    def move(self, link: LinkState) -> None:
        """Note what is being done about the connection."""
        if link is not self.link:
            self.link = link
            self._on_change()

    def see(self, sighting: Sighting) -> None:
        """Note a sighting in a scan."""
        self._rssi_dbm = sighting.rssi_dbm

    async def learn(self, link: Link, *, on_battery: Callable[[int], None]) -> None:
        """Ask what a new connection can tell; a sensor that will not say is none the worse."""

        def take(level_pct: int) -> None:
            if level_pct != self.battery_pct:
                self.battery_pct = level_pct
                on_battery(level_pct)

        await self.refresh(link)
        with suppress(LinkError):
            await link.watch_battery(take)
        if not self._is_asked:
            with suppress(LinkError):
                about = await link.about()
                self._model, self._firmware, self._is_asked = about.model, about.firmware, True

    def due_s(self) -> float:
        """Seconds until the battery is to be read again."""
        return max(0.0, self._asked_battery_s + _BATTERY_EVERY_S - time.monotonic())

    async def refresh(self, link: Link) -> int | None:
        """Read the battery; return its level where that is new: BlueZ tells what is read as a notification too."""
        self._asked_battery_s = time.monotonic()
        with suppress(LinkError):
            level_pct = await link.battery_pct()
            if level_pct is not None and level_pct != self.battery_pct:
                self.battery_pct = level_pct
                return level_pct
        return None

    def state(self, kind: SignalKind, state: StreamState) -> SensorState:
        """Return the state of one of its signals with all that is known."""
        trouble = self.trouble and "".join(filter(str.isprintable, self.trouble))[: limits.MAX_NOTE_CHARS]
        return SensorState(
            device=self._label,
            kind=kind,
            state=state,
            battery_pct=self.battery_pct,
            link=self.link,
            rssi_dbm=max(-127, min(20, self._rssi_dbm)),
            model=self._model,
            firmware=self._firmware,
            trouble=trouble or None,
        )
