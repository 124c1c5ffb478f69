"""A Shimmer3R GSR+ (facts: the maker's public web SDK): skin conductance in four ranges, by a clock of 32768 Hz."""

import numpy as np

from becalm_protocol.events import SignalKind
from becalm_protocol.units import NS_PER_S, ns_from_s
from becalm_simulator.body import Body
from becalm_simulator.gatt import CharacteristicSpec, Outgoing, Property, ServiceSpec
from becalm_simulator.sensors.device_clock import DeviceClock
from becalm_simulator.sensors.sample_grid import SampleGrid

SERVICE = "65333333-a115-11e2-9e9a-0800200ca100"
COMMAND = "65333333-a115-11e2-9e9a-0800200ca102"
DATA = "65333333-a115-11e2-9e9a-0800200ca101"

TICKS_PER_S = 32_768
ACK, NACK = b"\xff", b"\xfe"
INQUIRY, SET_RATE, START, SET_SENSORS, STOP, SET_RANGE = 0x01, 0x05, 0x07, 0x08, 0x20, 0x21
ARGUMENT_BYTES = {INQUIRY: 0, SET_RATE: 2, START: 0, SET_SENSORS: 3, STOP: 0, SET_RANGE: 1}
GSR_SENSOR, GSR_CHANNEL = 0x04, 0x1C
AUTO_RANGE = 4
# Feedback resistors, and the least skin resistance of the range above, in kOhm.
FEEDBACK_KOHM = (40.2, 287.0, 1000.0, 3300.0)
LEAST_KOHM = (0.0, 63.0, 220.0, 680.0)
NOISE_COUNTS = 0.8
STREAMING_STATUS = b"\x8a\x71\x12\x00"
# The clock has run for a while when it is switched on: it begins anew 512 s after its beginning.
EPOCH_NS = ns_from_s(505.0)

_SERVICES = (
    ServiceSpec(
        uuid=SERVICE,
        characteristics=(
            CharacteristicSpec(uuid=COMMAND, properties=Property.WRITE | Property.WRITE_WITHOUT_RESPONSE),
            CharacteristicSpec(uuid=DATA, properties=Property.NOTIFY),
        ),
    ),
)


class GsrUnit:
    """A virtual Shimmer3R with electrodes on a body. `has_gsr`: False for a model without."""

    def __init__(self, body: Body, *, drift_ppb: int, epoch_ns: int = EPOCH_NS, has_gsr: bool = True) -> None:
        self.name = "SIM-GSR 0001"
        self.address = "F0:51:4D:00:05:01"
        self.clock = DeviceClock(drift_ppb=drift_ppb, epoch_ns=epoch_ns)
        self.sent = {SignalKind.SKIN_CONDUCTANCE: 0}
        self._body = body
        self._noise = np.random.default_rng(np.random.SeedSequence([body.seed, 44]))
        self._has_gsr = has_gsr
        self._received = b""
        self._period_ticks = 640
        self._range = AUTO_RANGE
        self._channels: tuple[int, ...] = ()
        self._grid: SampleGrid | None = None

    @property
    def services(self) -> tuple[ServiceSpec, ...]:
        """Its services, the advertised one first."""
        return _SERVICES

    def read(self, uuid: str) -> bytes:
        """Return nothing: no characteristic of the unit is readable."""
        raise KeyError(uuid)

    def on_subscribed(self, uuid: str, *, wanted: bool, now_ns: int) -> None:
        """Measuring begins with a command, not with a subscription."""

    def on_write(self, uuid: str, data: bytes, *, mtu: int, now_ns: int) -> tuple[Outgoing, ...]:  # noqa: ARG002
        """Obey the commands that are whole, each acknowledged."""
        if uuid != COMMAND:
            return ()
        self._received += data
        answers = b""
        while self._received:
            n_arguments = ARGUMENT_BYTES.get(self._received[0])
            if n_arguments is None:
                answers, self._received = answers + NACK, b""
                break
            if len(self._received) < 1 + n_arguments:
                break
            command, self._received = self._received[: 1 + n_arguments], self._received[1 + n_arguments :]
            answers += self._obey(command[0], command[1:], now_ns=now_ns)
        return (Outgoing(uuid=DATA, data=answers),) if answers else ()

    def on_disconnected(self) -> None:
        """Forget the peer."""
        self._grid, self._received = None, b""

    def due_ns(self) -> int | None:
        """Return when the next sample is due."""
        return self._grid.due_ns() if self._grid is not None else None

    def poll(self, now_ns: int, *, mtu: int) -> tuple[Outgoing, ...]:  # noqa: ARG002
        """Return the samples due by now."""
        self._body.until(now_ns)
        outgoing: list[Outgoing] = []
        while self._grid is not None and self._grid.due_ns() <= now_ns:
            outgoing.append(self._sample(int(self._grid.take()[0])))
        return tuple(outgoing)

    def _obey(self, opcode: int, arguments: bytes, *, now_ns: int) -> bytes:
        if opcode == SET_RATE:
            self._period_ticks = max(1, int.from_bytes(arguments, "little"))
        elif opcode == SET_SENSORS:
            self._channels = (GSR_CHANNEL,) if arguments[0] & GSR_SENSOR and self._has_gsr else ()
        elif opcode == SET_RANGE:
            if arguments[0] > AUTO_RANGE:
                return NACK
            self._range = arguments[0]
        elif opcode == INQUIRY:
            settings = (self._range << 25).to_bytes(7, "little")
            head = b"\x02" + self._period_ticks.to_bytes(2, "little") + settings
            return ACK + head + bytes((len(self._channels), 1, *self._channels))
        elif opcode == START and self._channels:
            rate_hz = TICKS_PER_S // self._period_ticks
            self._grid = SampleGrid(self.clock, rate_hz=rate_hz, n_samples=1, now_ns=now_ns)
            return ACK + STREAMING_STATUS
        elif opcode == STOP:
            self._grid = None
        return ACK

    def _sample(self, t_ns: int) -> Outgoing:
        ticks = self.clock.shown_ns(t_ns) * TICKS_PER_S // NS_PER_S % 2**24
        data = b"\0" + ticks.to_bytes(3, "little") + self._raw(t_ns).to_bytes(2, "little")
        return Outgoing(uuid=DATA, data=data, kind=SignalKind.SKIN_CONDUCTANCE, n_sent=1)

    def _raw(self, t_ns: int) -> int:
        """Return the range and the count of the converter, by the amplifier's equation the other way round."""
        level_us = max(float(self._body.conductance_us(np.asarray([t_ns], dtype=np.int64))[0]), 1e-3)
        gain = self._range
        if gain == AUTO_RANGE:
            gain = max(i for i, least_kohm in enumerate(LEAST_KOHM) if 1000 / level_us >= least_kohm)
        count = (level_us * FEEDBACK_KOHM[gain] / 1000 + 1) * 4095 / 6
        count += NOISE_COUNTS * float(self._noise.standard_normal())
        return gain << 14 | min(max(round(count), 0), 4095)
