"""What a virtual sensor offers and says over GATT, in plain values: no radio in it."""

from enum import IntFlag
from typing import Protocol, runtime_checkable

from becalm_protocol.events import SignalKind, value
from becalm_simulator.sensors.device_clock import DeviceClock

BATTERY_LEVEL = "00002a19-0000-1000-8000-00805f9b34fb"
# The attribute protocol's opcode and handle take 3 bytes of every notification (Core 5.4, Vol 3, Part F, 3.4.7.1).
ATT_HEADER_BYTES = 3


class Property(IntFlag):
    """Characteristic properties, with the bits of the specification (Core 5.4, Vol 3, Part G, 3.3.1.1)."""

    READ = 0x02
    WRITE_WITHOUT_RESPONSE = 0x04
    WRITE = 0x08
    NOTIFY = 0x10
    INDICATE = 0x20


@value
class CharacteristicSpec:
    """One characteristic."""

    uuid: str
    properties: Property


@value
class ServiceSpec:
    """One service; the first of a sensor is the one it advertises."""

    uuid: str
    characteristics: tuple[CharacteristicSpec, ...]


@value
class Outgoing:
    """One notification or indication a sensor wants to send."""

    uuid: str
    data: bytes
    indicate: bool = False
    kind: SignalKind | None = None
    """The stream whose samples (RR: intervals) this completes."""
    n_sent: int = 0
    also: tuple[SignalKind, ...] = ()
    """Other streams of which it completes as many: axes, channels."""

    @property
    def kinds(self) -> tuple[SignalKind, ...]:
        """Every stream whose samples this completes."""
        return () if self.kind is None else (self.kind, *self.also)


class Sensor(Protocol):
    """A virtual sensor: sans-I/O, on body time. The radio calls it and sends what it returns."""

    name: str
    address: str
    clock: DeviceClock
    """Its own; what it shows can be made to leap."""
    sent: dict[SignalKind, int]
    """Samples (RR: intervals) that really reached a subscribed peer; kept by the radio."""

    @property
    def services(self) -> tuple[ServiceSpec, ...]:
        """Its services, the advertised one first."""

    def read(self, uuid: str) -> bytes:
        """Return the value of a readable characteristic."""

    def on_subscribed(self, uuid: str, *, wanted: bool, now_ns: int) -> None:
        """Take note that the peer wants notifications of a characteristic, or no longer."""

    def on_write(self, uuid: str, data: bytes, *, mtu: int, now_ns: int) -> tuple[Outgoing, ...]:
        """Obey a write; return the answers."""

    def on_disconnected(self) -> None:
        """Forget the peer: nothing is streamed until the next one asks."""

    def due_ns(self) -> int | None:
        """Return the body time at which something is to be sent next, None while nothing is streamed."""

    def poll(self, now_ns: int, *, mtu: int) -> tuple[Outgoing, ...]:
        """Return what is to be sent by now."""


@runtime_checkable
class TellsBattery(Protocol):
    """A sensor that tells its battery level by commands of its own, not by the Battery Service."""

    battery_pct: int
    """Kept by the radio, which lets it fall."""


@runtime_checkable
class LimitsMtu(Protocol):
    """A sensor whose radio takes less than is usual."""

    max_mtu: int
    """What it grants a peer that asks for more."""
