r"""A chest sensor that speaks the Movesense GATT SensorData Protocol (facts: the maker's public specification).

It takes commands `code reference path\0`, answers `1 reference status`, and sends what was subscribed to as
`2 reference packet`; what does not fit the link follows as `3 reference rest`.
"""

from becalm_protocol.events import SignalKind
from becalm_simulator.body import Body
from becalm_simulator.gatt import ATT_HEADER_BYTES, CharacteristicSpec, Outgoing, Property, ServiceSpec
from becalm_simulator.sensors.device_clock import DeviceClock
from becalm_simulator.sensors.movesense_paths import (
    ACCELERATION_KINDS,
    ANGULAR_VELOCITY_KINDS,
    Measurement,
    measurement,
)

SERVICE = "34802252-7185-4d5d-b431-630e7050e8f0"
COMMAND = "34800001-7185-4d5d-b431-630e7050e8f0"
DATA = "34800002-7185-4d5d-b431-630e7050e8f0"

HELLO, SUBSCRIBE, UNSUBSCRIBE, GET = 0, 1, 2, 4
ANSWER, PACKET, REST = 1, 2, 3
VERSION = 1
OK, BAD_REQUEST, NOT_FOUND, NOT_IMPLEMENTED, NO_ROOM = 200, 400, 404, 501, 507
MAX_SUBSCRIPTIONS = 4
BATTERY_PATH = "/System/Energy/Level"

_SERVICES = (
    ServiceSpec(
        uuid=SERVICE,
        characteristics=(
            CharacteristicSpec(uuid=COMMAND, properties=Property.WRITE),
            CharacteristicSpec(uuid=DATA, properties=Property.NOTIFY),
        ),
    ),
)


class ChestSensor:
    """A virtual Movesense sensor on a body. `lacks`: beginnings of paths that this model does not have."""

    def __init__(
        self, body: Body, *, drift_ppb: int, epoch_ns: int = 0, lacks: tuple[str, ...] = (), battery_pct: int = 79
    ) -> None:
        self.name = "SIM-MOVE 0001"
        self.address = "F0:51:4D:00:03:01"
        self.clock = DeviceClock(drift_ppb=drift_ppb, epoch_ns=epoch_ns)
        self.sent = dict.fromkeys((SignalKind.ECG, *ACCELERATION_KINDS, *ANGULAR_VELOCITY_KINDS, SignalKind.RR), 0)
        self.battery_pct = battery_pct
        self._body = body
        self._lacks = lacks
        self._running: dict[int, Measurement] = {}

    @property
    def services(self) -> tuple[ServiceSpec, ...]:
        """Its services, the advertised one first."""
        return _SERVICES

    def read(self, uuid: str) -> bytes:
        """Return nothing: no characteristic of the sensor is readable."""
        raise KeyError(uuid)

    def on_subscribed(self, uuid: str, *, wanted: bool, now_ns: int) -> None:
        """Measuring begins with a command, not with a subscription."""

    def on_write(self, uuid: str, data: bytes, *, mtu: int, now_ns: int) -> tuple[Outgoing, ...]:  # noqa: ARG002
        """Obey a command and answer it."""
        if uuid != COMMAND or len(data) < 2:
            return ()
        ref = data[1]
        if data[0] == HELLO:
            told = bytes((VERSION,)) + b"\0".join((b"0001", b"SIM-MOVE", self.address.encode(), b"sim", b"1.0.0", b""))
            return (Outgoing(uuid=DATA, data=bytes((ANSWER, ref)) + told),)
        status, told = self._obey(data, now_ns=now_ns)
        return (Outgoing(uuid=DATA, data=bytes((ANSWER, ref)) + status.to_bytes(2, "little") + told),)

    def on_disconnected(self) -> None:
        """Forget the peer."""
        self._running.clear()

    def due_ns(self) -> int | None:
        """Return when the next packet is ready."""
        return min((running.due_ns() for running in self._running.values()), default=None)

    def poll(self, now_ns: int, *, mtu: int) -> tuple[Outgoing, ...]:
        """Return the packets due by now."""
        self._body.until(now_ns)
        outgoing: list[Outgoing] = []
        for ref, running in self._running.items():
            while running.due_ns() <= now_ns:
                packet, n_samples = running.take()
                if packet:
                    outgoing += _cut(packet, n_samples=n_samples, ref=ref, kinds=running.kinds, mtu=mtu)
        return tuple(outgoing)

    def _obey(self, data: bytes, *, now_ns: int) -> tuple[int, bytes]:
        code, ref, path = data[0], data[1], data[2:].rstrip(b"\0").decode("ascii", errors="replace")
        if code == UNSUBSCRIBE:
            return (NOT_FOUND if self._running.pop(ref, None) is None else OK), b""
        if code == GET:
            return (OK, bytes((self.battery_pct,))) if path == BATTERY_PATH else (NOT_FOUND, b"")
        if code != SUBSCRIBE:
            return NOT_IMPLEMENTED, b""
        if not ref or ref in self._running:
            return BAD_REQUEST, b""
        found = measurement(path, self._body, clock=self.clock, now_ns=now_ns)
        if found is None or path.startswith(self._lacks or ("-",)):
            return NOT_FOUND, b""
        if len(self._running) >= MAX_SUBSCRIPTIONS:
            return NO_ROOM, b""
        self._running[ref] = found
        return OK, b""


def _cut(packet: bytes, *, n_samples: int, ref: int, kinds: tuple[SignalKind, ...], mtu: int) -> list[Outgoing]:
    """Return a packet as one notification, or as two."""
    n_most = mtu - ATT_HEADER_BYTES - 2
    head, rest = packet[:n_most], packet[n_most:]
    first = bytes((PACKET, ref)) + head
    if not rest:
        return [Outgoing(uuid=DATA, data=first, kind=kinds[0], n_sent=n_samples, also=kinds[1:])]
    return [
        Outgoing(uuid=DATA, data=first),
        Outgoing(uuid=DATA, data=bytes((REST, ref)) + rest, kind=kinds[0], n_sent=n_samples, also=kinds[1:]),
    ]
