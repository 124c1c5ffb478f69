"""The fault line: stages each fault at its time, and keeps what really happened."""

import asyncio
from collections.abc import Iterable, Sequence

from becalm_protocol.errors import ConfigError
from becalm_protocol.events import value
from becalm_simulator.body_clock import BodyClock
from becalm_simulator.faults.language import FORMS, SETTING, Fault, FaultKind
from becalm_simulator.radio import VirtualDevice

# What people call the sensors that everybody has.
_ALIASES = {"strap": "SIM-HR", "belt": "SIM-BELT", "skin": "SIM-EDA"}


@value
class Happening:
    """A fault as it really befell one sensor, or the adapter."""

    fault: Fault
    sensor: str | None
    """The name it advertises; None: the adapter."""
    began_ns: int
    """Body time."""
    ended_ns: int | None
    """Body time from which it could work again; None: not yet."""


class FaultLine:
    """Stages faults on virtual devices. Raises ConfigError for a fault on a sensor that is not there."""

    def __init__(self, devices: Sequence[VirtualDevice], faults: Iterable[Fault], clock: BodyClock) -> None:
        self._clock = clock
        self._timeline: list[Happening] = []
        self._plan = [(fault, self._struck(fault, devices)) for fault in sorted(faults, key=lambda f: f.at_ns)]

    @property
    def timeline(self) -> tuple[Happening, ...]:
        """What has happened so far, in the order it began."""
        return tuple(self._timeline)

    async def run(self) -> None:
        """Stage every fault at its time; return when the last is over."""
        async with asyncio.TaskGroup() as group:
            for fault, devices in self._plan:
                await self._sleep_until(fault.at_ns)
                for device in devices:
                    group.create_task(self._stage(fault, device), name=str(fault))

    async def _stage(self, fault: Fault, device: VirtualDevice) -> None:
        idx, began_ns = len(self._timeline), self._clock.now_ns()
        self._timeline.append(Happening(fault=fault, sensor=device.sensor.name, began_ns=began_ns, ended_ns=None))
        if fault.kind is FaultKind.DROP and device.is_connected:
            await device.drop()
        elif fault.kind is FaultKind.SILENT:
            device.set_silent(silent=True)
            await self._sleep_until(began_ns + (fault.span_ns or 0))
            device.set_silent(silent=False)
        self._timeline[idx] = Happening(
            fault=fault, sensor=device.sensor.name, began_ns=began_ns, ended_ns=self._clock.now_ns()
        )

    async def _sleep_until(self, t_ns: int) -> None:
        await asyncio.sleep(self._clock.wait_s(t_ns))

    @staticmethod
    def _struck(fault: Fault, devices: Sequence[VirtualDevice]) -> list[VirtualDevice]:
        if FORMS[fault.kind].of_adapter:
            return []
        if fault.sensor is None:
            return list(devices)
        wanted = _ALIASES.get(fault.sensor.casefold(), fault.sensor).casefold()
        struck = [device for device in devices if wanted in device.sensor.name.casefold()]
        if not struck:
            known = ", ".join([*_ALIASES, *(device.sensor.name for device in devices)])
            raise ConfigError(f"`{fault}`: expected a sensor of {known}, got {fault.sensor}", setting=SETTING)
        return struck
