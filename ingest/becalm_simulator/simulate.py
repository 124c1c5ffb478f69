"""The simulator as a whole: one body, three sensors, a radio on a socket, an ear for the pacer."""

import asyncio
from collections.abc import Callable
from typing import Any

import numpy as np

from becalm_protocol.events import value
from becalm_protocol.units import s_from_ns
from becalm_simulator.air import Air
from becalm_simulator.body import Body
from becalm_simulator.body_clock import BodyClock
from becalm_simulator.faults import Fault, FaultLine, Happening
from becalm_simulator.hci_socket import serve_hci
from becalm_simulator.pacer_ear import PacerEar
from becalm_simulator.radio import VirtualDevice
from becalm_simulator.sensors.belt import Belt
from becalm_simulator.sensors.skin import SkinSensor
from becalm_simulator.sensors.strap import Strap

# The body lives on while nobody listens; a step this long costs about a tenth of a millisecond.
HEARTBEAT_S = 1.0
# Crystals of small sensors, warm or cold, old or new: within 100 ppm.
MAX_DRIFT_PPB = 100_000


@value
class SimulatorSettings:
    """What to simulate, and where its radio and the server are."""

    seed: int
    radio: str | None = None
    """Where to offer the radio: `unix:PATH`, or `tcp:127.0.0.1:PORT` (port 0: a free one); None: any free place."""
    server_url: str | None = None
    """Base address of the server whose pacer the person hears (`ws://HOST:PORT`); None: breathe freely."""
    faults: tuple[Fault, ...] = ()


@value
class SimulatorReport:
    """What the virtual patient and the sensors did, from their own side."""

    seed: int
    lived_s: float
    sent: dict[str, int]
    """By stream kind: samples (rr: intervals) that really reached a subscribed peer."""
    lost: dict[str, int]
    """Those measured for a subscribed peer that never reached it."""
    beats_true: int
    arousal_start: float
    """True arousal, 0 to 1."""
    arousal_end: float
    began_machine_ns: int
    """Body time 0 on the machine's monotonic clock."""
    faults: tuple[Happening, ...]
    """What really went wrong, and when."""

    def as_dict(self) -> dict[str, Any]:
        """Return the report ready for JSON."""
        return {
            "seed": self.seed,
            "lived_s": round(self.lived_s, 3),
            "sent": self.sent,
            "lost": self.lost,
            "beats_true": self.beats_true,
            "true_arousal": {"start": round(self.arousal_start, 4), "end": round(self.arousal_end, 4)},
            "began_machine_ns": self.began_machine_ns,
            "faults": [happening.as_dict() for happening in self.faults],
        }


async def run_simulator(
    settings: SimulatorSettings, *, on_ready: Callable[[str], None], stop: asyncio.Event
) -> SimulatorReport:
    """Live and stream until `stop`; `on_ready` gets the address at which an agent finds the radio.

    Raises ConfigError when the radio cannot be offered there, or a fault names a sensor that nobody wears.
    """
    clock = BodyClock()
    body = Body.from_seed(settings.seed)
    air = Air(seed=settings.seed)
    devices = [VirtualDevice(sensor, air, clock=clock) for sensor in wear_sensors(body)]
    line = FaultLine(devices, settings.faults, clock)
    async with serve_hci(air, settings.radio) as dial, asyncio.TaskGroup() as group:
        for device in devices:
            await device.power_on()
        running = [group.create_task(device.run(), name=device.sensor.name) for device in devices]
        running.append(group.create_task(_live(body, clock), name="body"))
        running.append(group.create_task(line.run(), name="faults"))
        if settings.server_url is not None:
            ear = PacerEar(settings.server_url, hear=body.hear, now_ns=clock.now_ns)
            running.append(group.create_task(ear.run(), name="pacer ear"))
        on_ready(dial)
        await stop.wait()
        for task in running:
            task.cancel()
        for device in devices:
            device.power_off()
    body.until(clock.now_ns())
    return _report(body, devices, began_machine_ns=clock.machine_ns(0), faults=line.timeline)


def wear_sensors(body: Body) -> tuple[Strap, Belt, SkinSensor]:
    """Put the three sensors on a body, each with a clock of its own."""
    rng = np.random.default_rng(np.random.SeedSequence([body.seed, 6]))
    strap_ppb, belt_ppb, skin_ppb = (int(ppb) for ppb in rng.integers(-MAX_DRIFT_PPB, MAX_DRIFT_PPB + 1, size=3))
    return (
        Strap(body, drift_ppb=strap_ppb),
        Belt(body, drift_ppb=belt_ppb),
        SkinSensor(body, drift_ppb=skin_ppb),
    )


async def _live(body: Body, clock: BodyClock) -> None:
    while True:
        body.until(clock.now_ns())
        await asyncio.sleep(HEARTBEAT_S)


def _report(
    body: Body, devices: list[VirtualDevice], *, began_machine_ns: int, faults: tuple[Happening, ...]
) -> SimulatorReport:
    return SimulatorReport(
        seed=body.seed,
        lived_s=s_from_ns(body.t_ns),
        sent={kind.value: count for device in devices for kind, count in device.sensor.sent.items()},
        lost={kind.value: count for device in devices for kind, count in device.lost.items()},
        beats_true=body.n_beats(body.t_ns),
        arousal_start=body.arousal_at(0),
        arousal_end=body.arousal_at(body.t_ns),
        began_machine_ns=began_machine_ns,
        faults=faults,
    )
