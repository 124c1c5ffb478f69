"""The simulator as a whole: one body, its sensors, a radio on a socket, an ear for the pacer."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from becalm_protocol.events import SignalKind, value
from becalm_protocol.pairing import TokenSource, no_token
from becalm_protocol.units import s_from_ns
from becalm_simulator.air import Air
from becalm_simulator.body import Body
from becalm_simulator.body_clock import BodyClock
from becalm_simulator.faults import Fault, FaultLine, Happening
from becalm_simulator.hci_socket import serve_hci
from becalm_simulator.pacer_ear import PacerEar
from becalm_simulator.radio import VirtualDevice
from becalm_simulator.sensors.wardrobe import USUAL, wear_sensors

# The body lives on while nobody listens; a step this long costs about a tenth of a millisecond.
HEARTBEAT_S = 1.0


@value
class SimulatorSettings:
    """What to simulate, and where its radio and the server are."""

    seed: int
    radio: str | None = None
    """Where to offer the radio: `unix:PATH`, or `tcp:127.0.0.1:PORT` (port 0: a free one); None: any free place."""
    server_url: str | None = None
    token: TokenSource = no_token
    """Base address of the server whose pacer the person hears (`ws://HOST:PORT`); None: breathe freely."""
    faults: tuple[Fault, ...] = ()
    wear: tuple[str, ...] = USUAL
    """Words of the wardrobe."""


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
    settings: SimulatorSettings,
    *,
    on_ready: Callable[[str], None],
    stop: asyncio.Event,
    on_server: Callable[[bool], None] = lambda _: None,
) -> SimulatorReport:
    """Live and stream until `stop`; `on_ready` gets the address at which an agent finds the radio.

    `on_server` is told False once the server does not answer, and True when it is there again.

    Raises ConfigError when the radio cannot be offered there, a word of `wear` is not known, or a fault names a sensor
    that nobody wears.
    """
    clock = BodyClock()
    body = Body.from_seed(settings.seed)
    air = Air(seed=settings.seed)
    devices = [VirtualDevice(sensor, air, clock=clock) for sensor in wear_sensors(body, settings.wear)]
    line = FaultLine(devices, settings.faults, clock)
    async with serve_hci(air, settings.radio) as dial, asyncio.TaskGroup() as group:
        for device in devices:
            await device.power_on()
        running = [group.create_task(device.run(), name=device.sensor.name) for device in devices]
        running.append(group.create_task(_live(body, clock), name="body"))
        running.append(group.create_task(line.run(), name="faults"))
        if settings.server_url is not None:
            ear = PacerEar(
                settings.server_url, token=settings.token, hear=body.hear, now_ns=clock.now_ns, on_presence=on_server
            )
            running.append(group.create_task(ear.run(), name="pacer ear"))
        on_ready(dial)
        await stop.wait()
        for task in running:
            task.cancel()
        for device in devices:
            device.power_off()
    body.until(clock.now_ns())
    return _report(body, devices, began_machine_ns=clock.machine_ns(0), faults=line.timeline)


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
        sent=_added_up(device.sensor.sent for device in devices),
        lost=_added_up(device.lost for device in devices),
        beats_true=body.n_beats(body.t_ns),
        arousal_start=body.arousal_at(0),
        arousal_end=body.arousal_at(body.t_ns),
        began_machine_ns=began_machine_ns,
        faults=faults,
    )


def _added_up(counts: Iterable[Mapping[SignalKind, int]]) -> dict[str, int]:
    total: dict[str, int] = {}
    for each in counts:
        for kind, count in each.items():
            total[kind.value] = total.get(kind.value, 0) + count
    return total
