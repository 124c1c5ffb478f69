"""The simulator as a whole: one body, three sensors, a radio on a socket, an ear for the pacer."""

import asyncio
import time
from collections.abc import Callable

import numpy as np

from becalm_protocol.events import SignalKind, value
from becalm_protocol.units import s_from_ns
from becalm_simulator.air import Air
from becalm_simulator.body import Body
from becalm_simulator.gatt import Sensor
from becalm_simulator.hci_socket import serve_hci
from becalm_simulator.pacer_ear import PacerEar
from becalm_simulator.radio import VirtualDevice
from becalm_simulator.sensors.belt import Belt
from becalm_simulator.sensors.skin import SkinSensor
from becalm_simulator.sensors.strap import Strap

# The body lives on while nobody listens; a step this long costs about a tenth of a millisecond.
HEARTBEAT_S = 1.0
# Crystals of small sensors: within 50 ppm at room temperature.
MAX_DRIFT_PPB = 50_000


@value
class SimulatorSettings:
    """What to simulate, and where its radio and the server are."""

    seed: int
    hci: str
    """Where to offer the radio: `unix:PATH`, or `tcp:127.0.0.1:PORT` (port 0: a free one)."""
    server_url: str | None = None
    """Base address of the server whose pacer the person hears (`ws://HOST:PORT`); None: breathe freely."""


@value
class SimulatorReport:
    """What the virtual patient and the sensors did, from their own side."""

    seed: int
    lived_s: float
    samples_sent: dict[str, int]
    """By stream kind: samples really notified to a subscribed peer."""
    beats_sent: int
    """RR intervals really notified."""
    beats_true: int
    arousal_start: float
    """True arousal, 0 to 1."""
    arousal_end: float


async def run_simulator(
    settings: SimulatorSettings, *, on_ready: Callable[[str], None], stop: asyncio.Event
) -> SimulatorReport:
    """Live and stream until `stop`; `on_ready` gets the address at which an agent finds the radio.

    Raises ConfigError when the radio cannot be offered there.
    """
    begun_ns = time.monotonic_ns()

    def now_ns() -> int:
        return time.monotonic_ns() - begun_ns

    body = Body.from_seed(settings.seed)
    air = Air()
    devices = [VirtualDevice(sensor, air, now_ns=now_ns) for sensor in wear_sensors(body)]
    async with serve_hci(air, settings.hci) as dial, asyncio.TaskGroup() as group:
        for device in devices:
            await device.power_on()
        running = [group.create_task(device.run(), name=device.sensor.name) for device in devices]
        running.append(group.create_task(_live(body, now_ns), name="body"))
        if settings.server_url is not None:
            ear = PacerEar(settings.server_url, hear=body.hear, now_ns=now_ns)
            running.append(group.create_task(ear.run(), name="pacer ear"))
        on_ready(dial)
        await stop.wait()
        for task in running:
            task.cancel()
    body.until(now_ns())
    return _report(body, [device.sensor for device in devices])


def wear_sensors(body: Body) -> tuple[Strap, Belt, SkinSensor]:
    """Put the three sensors on a body, each with a clock of its own."""
    rng = np.random.default_rng(np.random.SeedSequence([body.seed, 6]))
    strap_ppb, belt_ppb, skin_ppb = (int(ppb) for ppb in rng.integers(-MAX_DRIFT_PPB, MAX_DRIFT_PPB + 1, size=3))
    return (
        Strap(body, drift_ppb=strap_ppb),
        Belt(body, drift_ppb=belt_ppb),
        SkinSensor(body, drift_ppb=skin_ppb),
    )


async def _live(body: Body, now_ns: Callable[[], int]) -> None:
    while True:
        body.until(now_ns())
        await asyncio.sleep(HEARTBEAT_S)


def _report(body: Body, sensors: list[Sensor]) -> SimulatorReport:
    sent = {kind: count for sensor in sensors for kind, count in sensor.sent.items()}
    beats_sent = sent.pop(SignalKind.RR)
    return SimulatorReport(
        seed=body.seed,
        lived_s=round(s_from_ns(body.t_ns), 3),
        samples_sent={kind.value: count for kind, count in sent.items()},
        beats_sent=beats_sent,
        beats_true=body.n_beats(body.t_ns),
        arousal_start=round(body.arousal_at(0), 4),
        arousal_end=round(body.arousal_at(body.t_ns), 4),
    )
