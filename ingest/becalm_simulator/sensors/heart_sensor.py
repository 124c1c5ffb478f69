"""What straps and arm bands have in common: heart rate, battery, device information, and measurements on command."""

from collections.abc import Mapping
from typing import Protocol

from becalm_protocol.events import SignalKind, value
from becalm_protocol.units import NS_PER_S, ns_from_s
from becalm_simulator.body import Body
from becalm_simulator.episode import EpisodeKind
from becalm_simulator.gatt import CharacteristicSpec, Outgoing, Property, ServiceSpec
from becalm_simulator.sensors.device_clock import DeviceClock
from becalm_simulator.sensors.heart_rate import BODY_LOCATION, CONTROL_POINT, HEART_RATE, HeartRate, Manner
from becalm_simulator.sensors.polar_control import RATE, Offer, PolarControl
from becalm_simulator.sensors.polar_stream import PMD_CONTROL, PMD_DATA, PMD_SERVICE, SampledStream
from becalm_simulator.sensors.pulse_intervals import PulseIntervals

BATTERY_SERVICE = "0000180f-0000-1000-8000-00805f9b34fb"
BATTERY_LEVEL = "00002a19-0000-1000-8000-00805f9b34fb"
DEVICE_INFORMATION_SERVICE = "0000180a-0000-1000-8000-00805f9b34fb"
MANUFACTURER_NAME = "00002a29-0000-1000-8000-00805f9b34fb"
MODEL_NUMBER = "00002a24-0000-1000-8000-00805f9b34fb"
SERIAL_NUMBER = "00002a25-0000-1000-8000-00805f9b34fb"
FIRMWARE_REVISION = "00002a26-0000-1000-8000-00805f9b34fb"

# The clock counts from 2000 and wakes up on the first day of 2019, again after a minute off the body.
CLOCK_EPOCH_NS = 599_616_000 * NS_PER_S
SLEEPS_AFTER_NS = ns_from_s(60.0)
CHEST, ARM = 1, 3

_USUAL_SERVICES = (
    ServiceSpec(
        uuid=BATTERY_SERVICE,
        characteristics=(CharacteristicSpec(uuid=BATTERY_LEVEL, properties=Property.READ | Property.NOTIFY),),
    ),
    ServiceSpec(
        uuid=DEVICE_INFORMATION_SERVICE,
        characteristics=tuple(
            CharacteristicSpec(uuid=uuid, properties=Property.READ)
            for uuid in (MANUFACTURER_NAME, MODEL_NUMBER, SERIAL_NUMBER, FIRMWARE_REVISION)
        ),
    ),
)
_MEASUREMENT_SERVICE = ServiceSpec(
    uuid=PMD_SERVICE,
    characteristics=(
        CharacteristicSpec(uuid=PMD_CONTROL, properties=Property.READ | Property.WRITE | Property.INDICATE),
        CharacteristicSpec(uuid=PMD_DATA, properties=Property.NOTIFY),
    ),
)


class Stream(Protocol):
    """A measurement while it runs."""

    def due_ns(self) -> int:
        """Return when the next frame is due."""

    def take(self, *, mtu: int) -> tuple[Outgoing, ...]:
        """Return what is due."""


@value
class Make:
    """What one model is."""

    name: str
    address: str
    model: str
    location: int
    """On the body, as the Heart Rate Service numbers it."""
    manner: Manner
    offers: tuple[Offer, ...] = ()
    """Measurements on command; without them the sensor does not have the service."""


class HeartSensor:
    """A virtual sensor with the Heart Rate Service first."""

    def __init__(
        self,
        body: Body,
        make: Make,
        *,
        clock: DeviceClock,
        streams: Mapping[int, SampledStream | PulseIntervals],
        kinds: tuple[SignalKind, ...],
        battery_pct: int,
    ) -> None:
        self.name, self.address, self.clock = make.name, make.address, clock
        self.sent = dict.fromkeys((*kinds, SignalKind.RR), 0)
        self._body = body
        self._heart_rate = HeartRate(body, clock, manner=make.manner)
        self._control = PolarControl(make.offers)
        self._streams = dict(streams)
        self._to_say: list[Outgoing] = []
        self._slept_after_ns: set[int] = set()
        self._readable = {
            BODY_LOCATION: bytes((make.location,)),
            BATTERY_LEVEL: bytes((battery_pct,)),
            MANUFACTURER_NAME: b"becalm simulator",
            MODEL_NUMBER: make.model.encode(),
            SERIAL_NUMBER: make.name.encode()[-4:],
            FIRMWARE_REVISION: b"1.0.0",
            PMD_CONTROL: self._control.features(),
        }
        measures = (_MEASUREMENT_SERVICE,) if make.offers else ()
        self._services = (self._heart_rate.service(), *_USUAL_SERVICES, *measures)

    @property
    def services(self) -> tuple[ServiceSpec, ...]:
        """Its services, the advertised one first."""
        return self._services

    def read(self, uuid: str) -> bytes:
        """Return the value of a readable characteristic."""
        return self._readable[uuid]

    def on_subscribed(self, uuid: str, *, wanted: bool, now_ns: int) -> None:
        """Begin or end the heart rate notifications."""
        if uuid == HEART_RATE:
            self._heart_rate.want(wanted=wanted, now_ns=now_ns)

    def on_write(self, uuid: str, data: bytes, *, mtu: int, now_ns: int) -> tuple[Outgoing, ...]:
        """Obey a control point."""
        if uuid == CONTROL_POINT:
            self._heart_rate.reset_energy(data, now_ns=now_ns)
        if uuid != PMD_CONTROL:
            return ()
        running = set(self._control.chosen)
        answers = self._control.answer(data, mtu=mtu)
        for kind in set(self._control.chosen) - running:
            self._begin(kind, now_ns=now_ns)
        return tuple(Outgoing(uuid=PMD_CONTROL, data=answer, indicate=True) for answer in answers)

    def put_on_charger(self, *, charging: bool) -> None:
        """Stop measuring and refuse to start again, as sensors in a charger do; or be free again."""
        self._control.in_charger = charging
        if charging and self._control.chosen:
            self._to_say.append(Outgoing(uuid=PMD_CONTROL, data=self._control.end_all(), indicate=True))

    def on_disconnected(self) -> None:
        """Forget the peer."""
        self._heart_rate.is_wanted = False
        self._control.chosen.clear()
        self._to_say.clear()

    def due_ns(self) -> int | None:
        """Return when the next notification is due."""
        if self._to_say:
            return self._body.t_ns
        due = [stream.due_ns() for stream in self._running()]
        heart_rate_ns = self._heart_rate.due_ns()
        return min([*due, heart_rate_ns] if heart_rate_ns is not None else due, default=None)

    def poll(self, now_ns: int, *, mtu: int) -> tuple[Outgoing, ...]:
        """Return the notifications due by now."""
        self._body.until(now_ns)
        outgoing, self._to_say = self._to_say, []
        for stream in self._running():
            while (due_ns := stream.due_ns()) <= now_ns:
                self._sleep_if_off(due_ns)
                outgoing += stream.take(mtu=mtu)
        while (heart_rate_ns := self._heart_rate.due_ns()) is not None and heart_rate_ns <= now_ns:
            outgoing.append(self._heart_rate.take(mtu=mtu))
        return tuple(outgoing)

    def _running(self) -> list[Stream]:
        return [self._streams[kind] for kind in sorted(self._control.chosen)]

    def _begin(self, kind: int, *, now_ns: int) -> None:
        stream = self._streams[kind]
        if isinstance(stream, SampledStream):
            stream.begin(now_ns, rate_hz=self._control.chosen[kind][RATE])
        else:
            stream.begin(now_ns)

    def _sleep_if_off(self, now_ns: int) -> None:
        """Start the clock anew where the sensor has been off the body for a minute: it slept, and woke up."""
        for episode in self._body.episodes():
            asleep_ns = episode.start_ns + SLEEPS_AFTER_NS
            is_due = episode.kind is EpisodeKind.OFF_BODY and asleep_ns <= min(now_ns, episode.end_ns)
            if is_due and asleep_ns not in self._slept_after_ns:
                self._slept_after_ns.add(asleep_ns)
                self.clock.restart(asleep_ns)
