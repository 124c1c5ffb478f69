"""The fault line: brings each fault about at its time, and keeps what really happened."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from becalm_protocol.errors import ConfigError
from becalm_protocol.events import value
from becalm_protocol.units import s_from_ns
from becalm_simulator.body_clock import BodyClock
from becalm_simulator.faults.language import FORMS, SETTING, Fault, Span
from becalm_simulator.faults.stage import Stage
from becalm_simulator.radio import VirtualDevice

# What people call the sensors, as in the wardrobe, and what those advertise.
_ALIASES = {
    "strap": "SIM-HR",
    "belt": "SIM-BELT",
    "skin": "SIM-EDA",
    "optical": "SIM-OPT",
    "chest-sensor": "SIM-MOVE",
    "board": "SIM-BOARD",
    "gsr": "SIM-GSR",
}


@value
class Happening:
    """A fault as it really befell one sensor, or the adapter."""

    fault: Fault
    sensor: str | None
    """The name it advertises; None: the agents' adapters."""
    was_connected: bool
    """A peer was connected when it began: a drop, say, had something to drop."""
    began_ns: int
    """Body time."""
    ended_ns: int | None
    """Body time from which all could work again; None: it lasts."""

    def as_dict(self) -> dict[str, Any]:
        """Return it ready for JSON."""
        return {
            "fault": str(self.fault),
            "sensor": self.sensor,
            "was_connected": self.was_connected,
            "began_s": round(s_from_ns(self.began_ns), 3),
            "ended_s": None if self.ended_ns is None else round(s_from_ns(self.ended_ns), 3),
        }


class FaultLine:
    """Stages faults on virtual devices of one air. Raises ConfigError for a fault on a sensor that is not there."""

    def __init__(self, devices: Sequence[VirtualDevice], faults: Iterable[Fault], clock: BodyClock) -> None:
        self._devices = devices
        self._clock = clock
        self._stage = Stage(clock)
        self._timeline: list[Happening] = []
        self._plan = [(fault, self._struck(fault)) for fault in sorted(faults, key=lambda fault: fault.at_ns)]

    @property
    def timeline(self) -> tuple[Happening, ...]:
        """What has happened so far, in the order it began."""
        return tuple(self._timeline)

    async def run(self) -> None:
        """Stage every fault at its time; return when the last is over."""
        async with asyncio.TaskGroup() as group:
            for fault, devices in self._plan:
                await asyncio.sleep(self._clock.wait_s(fault.at_ns))
                for device in devices:
                    group.create_task(self._befall(fault, device), name=f"{fault} on {device.sensor.name}")

    async def _befall(self, fault: Fault, device: VirtualDevice) -> None:
        form = FORMS[fault.kind]
        is_connected = any(d.is_connected for d in self._devices) if form.of_adapter else device.is_connected
        idx = len(self._timeline)
        begun = Happening(
            fault=fault,
            sensor=None if form.of_adapter else device.sensor.name,
            was_connected=is_connected,
            began_ns=self._clock.now_ns(),
            ended_ns=None,
        )
        self._timeline.append(begun)
        await (self._stage.take_adapters if form.of_adapter else self._stage.play)(fault, device)
        if fault.span_ns is not None or form.span is Span.NONE:
            self._timeline[idx] = replace(begun, ended_ns=self._clock.now_ns())

    def _struck(self, fault: Fault) -> Sequence[VirtualDevice]:
        if FORMS[fault.kind].of_adapter:
            return self._devices[:1]
        if fault.sensor is None:
            return self._devices
        struck = self._called(fault.sensor)
        if not struck:
            aliases = [alias for alias in _ALIASES if self._called(alias)]
            known = ", ".join([*aliases, *dict.fromkeys(device.sensor.name.split()[0] for device in self._devices)])
            raise ConfigError(f"`{fault}`: expected a sensor of {known}, got {fault.sensor}", setting=SETTING)
        return struck

    def _called(self, word: str) -> Sequence[VirtualDevice]:
        wanted = _ALIASES.get(word.casefold(), word).casefold()
        return [device for device in self._devices if wanted in device.sensor.name.casefold()]
