"""All sensors of this agent as one source: finds them, and keeps one supervisor for each."""

import asyncio
from collections.abc import Callable
from pathlib import Path

from becalm_ingest.devices import Family
from becalm_ingest.link import Backend, Radio, Sighting
from becalm_ingest.pairing import answer_pairing
from becalm_ingest.recorder import Recorder
from becalm_ingest.sensor import Sensor
from becalm_ingest.session import Session
from becalm_protocol.errors import LinkError
from becalm_protocol.handshake import SensorState

AUTO = "auto"

_LOOK_WITHIN_S = 5.0
# Scans share the radio with the streams: they are short while a session runs.
_LOOK_BRIEFLY_S = 2.0
_PAUSE_FIRST_S = 0.5
_PAUSE_LONGEST_S = 30.0
# A person wears a handful; more is a room full of strangers' straps.
_MAX_SENSORS = 8


class Sensors:
    """A source of live sensors."""

    def __init__(
        self,
        *,
        devices: tuple[str, ...],
        backend: Backend | None,
        record_path: Path | None,
        families: tuple[Family, ...] = (),
    ) -> None:
        """Take `families` in place of those of the same name."""
        self.on_change: Callable[[], None] = lambda: None
        self._wanted = tuple(name.casefold() for name in devices) or (AUTO,)
        self._families = families
        self._radio = Radio(backend or Backend())
        self._is_system_radio = backend is None or backend.client is None
        self._recorder = Recorder(record_path) if record_path is not None else None
        self._sensors: dict[str, Sensor] = {}
        self._session: Session | None = None
        self._trouble: str | None = None
        self._never = asyncio.Event()

    @property
    def trouble(self) -> str | None:
        """What a person should know, in one sentence."""
        recording = self._recorder.trouble if self._recorder is not None else None
        return next((sensor.trouble for sensor in self._sensors.values() if sensor.trouble), self._trouble or recording)

    def sensors(self) -> tuple[SensorState, ...]:
        """How each signal of each sensor is."""
        return tuple(state for sensor in self._sensors.values() for state in sensor.states())

    async def begin(self, session: Session) -> None:
        """Stream every sensor into a session, those found later too."""
        self._session = session
        if self._recorder is not None:
            self._recorder.begin(session.now_ns())
        for sensor in self._sensors.values():
            sensor.begin(session)

    async def end(self) -> None:
        """Stop every stream."""
        self._session = None
        async with asyncio.TaskGroup() as group:
            for sensor in self._sensors.values():
                group.create_task(sensor.end(), name=f"end {sensor.label}")

    async def wait_finished(self) -> None:
        """Wait for ever: a body never comes to an end."""
        await self._never.wait()

    async def run(self) -> None:
        """Look for the wanted sensors, hold those found, until cancelled."""
        try:
            await self._radio.clear_orphans(self._is_wanted)
            async with asyncio.TaskGroup() as group:
                if self._is_system_radio:
                    group.create_task(answer_pairing(self._radio.is_ours), name="pairing")
                await self._look(group)
        finally:
            if self._recorder is not None:
                self._recorder.close()

    async def _look(self, group: asyncio.TaskGroup) -> None:
        pause_s = _PAUSE_FIRST_S
        while not self._has_all():
            try:
                within_s = _LOOK_WITHIN_S if self._session is None else _LOOK_BRIEFLY_S
                found = await self._radio.look_around(within_s=within_s)
                new = [sighting for sighting in found.values() if self._is_new(sighting)]
                self._trouble = None if self._sensors or new else self._not_found()
            except LinkError as exc:
                new, self._trouble = [], str(exc)
            for sighting in new[: _MAX_SENSORS - len(self._sensors)]:
                self._hold(sighting, group=group)
            pause_s = _PAUSE_FIRST_S if new else min(_PAUSE_LONGEST_S, 2 * pause_s)
            self.on_change()
            await asyncio.sleep(pause_s)

    def _hold(self, sighting: Sighting, *, group: asyncio.TaskGroup) -> None:
        taken = {sensor.label for sensor in self._sensors.values()}
        label = sighting.name if sighting.name not in taken else f"{sighting.name} {sighting.address[-5:]}"
        sensor = Sensor(
            sighting,
            label=label,
            radio=self._radio,
            recorder=self._recorder,
            on_change=lambda: self.on_change(),
            families=self._families,
        )
        self._sensors[sighting.address] = sensor
        if self._session is not None:
            sensor.begin(self._session)
        group.create_task(sensor.run(), name=f"sensor {label}")

    def _has_all(self) -> bool:
        if AUTO in self._wanted:
            return len(self._sensors) >= _MAX_SENSORS
        return len(self._sensors) >= len(self._wanted)

    def _is_new(self, sighting: Sighting) -> bool:
        return sighting.address not in self._sensors and self._is_wanted(sighting.name, sighting.address)

    def _is_wanted(self, name: str, address: str) -> bool:
        return AUTO in self._wanted or name.casefold() in self._wanted or address.casefold() in self._wanted

    def _not_found(self) -> str:
        what = "No sensor is in range" if AUTO in self._wanted else f"Not in range: {', '.join(self._wanted)}"
        return f"{what}. Put it on (a dry strap sleeps), bring it near, close other apps that use it"
