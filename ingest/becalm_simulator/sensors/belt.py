"""A breathing belt that speaks the Vernier Go Direct protocol (facts: godirect-js, BSD-3)."""

import math
import struct
from collections.abc import Callable

import numpy as np

from becalm_protocol.derived import BreathPhase
from becalm_protocol.events import SignalKind, value
from becalm_protocol.units import NS_PER_S, ns_from_s
from becalm_simulator.body import Body
from becalm_simulator.gatt import ATT_HEADER_BYTES, CharacteristicSpec, Outgoing, Property, ServiceSpec
from becalm_simulator.sensors.device_clock import DeviceClock

BELT_SERVICE = "d91714ef-28b9-4f91-ba16-f0d9a604f112"
COMMAND = "f4bf14a6-c7d5-4b6d-8aa8-df1a7c83adcb"
RESPONSE = "b41e6675-a329-40e0-aa01-44d2f444babe"

# The radio module of the belt passes on at most 20 bytes at once, whatever the MTU (which it therefore ignores).
CHUNK_BYTES = 20
COMMAND_START = 0x58
HEADER_BYTES = 5
ANSWER, MEASUREMENT = 0x98, 0x20
NORMAL_FLOATS = 0x06
GET_STATUS, START, STOP, SET_PERIOD = 0x10, 0x18, 0x19, 0x1B
SENSOR_INFO, AVAILABLE_MASK, DISCONNECT, DEVICE_INFO, DEFAULT_MASK = 0x50, 0x51, 0x54, 0x55, 0x56
DEFAULT_PERIOD_US = 100_000
MIN_PERIOD_US = 10_000
MAX_PERIOD_US = 10_000_000
FORCE, RATE, STEPS, STEP_RATE = 1, 2, 4, 5
NOISE_N = 0.012
# The belt's own rate needs 30 s of breathing and is renewed every 10 s.
RATE_WINDOW_NS = ns_from_s(30.0)
RATE_RENEWAL_NS = ns_from_s(10.0)


@value
class Channel:
    """One channel of the belt."""

    number: int
    description: str
    unit: str
    highest: float


CHANNELS = (
    Channel(number=FORCE, description="Force", unit="N", highest=50.0),
    Channel(number=RATE, description="Respiration Rate", unit="bpm", highest=100.0),
    Channel(number=STEPS, description="Steps", unit="steps", highest=65535.0),
    Channel(number=STEP_RATE, description="Step Rate", unit="spm", highest=250.0),
)
_SERVICES = (
    ServiceSpec(
        uuid=BELT_SERVICE,
        characteristics=(
            CharacteristicSpec(uuid=COMMAND, properties=Property.WRITE | Property.WRITE_WITHOUT_RESPONSE),
            CharacteristicSpec(uuid=RESPONSE, properties=Property.NOTIFY),
        ),
    ),
)


class Belt:
    """A virtual breathing belt on a body."""

    max_mtu = CHUNK_BYTES + ATT_HEADER_BYTES

    def __init__(self, body: Body, *, drift_ppb: int, battery_pct: int = 88) -> None:
        self.name = "SIM-BELT 0001"
        self.address = "F0:51:4D:00:00:02"
        self.sent = {SignalKind.RESPIRATION: 0}
        self.n_bad_commands = 0
        self._body = body
        self.clock = DeviceClock(drift_ppb=drift_ppb)
        self._noise = np.random.default_rng(np.random.SeedSequence([body.seed, 4]))
        self.battery_pct = battery_pct
        self._received = b""
        self._counter = 0xFF
        self._mask = 0
        self._period_us = DEFAULT_PERIOD_US
        self._started_ns: int | None = None
        self._n_measured = 0
        self._answers: dict[int, Callable[[bytes], bytes]] = {
            GET_STATUS: self._status,
            START: self._start,
            STOP: self._stop,
            DISCONNECT: self._stop,
            SET_PERIOD: self._set_period,
            SENSOR_INFO: self._sensor_info,
            AVAILABLE_MASK: lambda _: struct.pack("<I", sum(1 << channel.number for channel in CHANNELS)),
            DEFAULT_MASK: lambda _: struct.pack("<I", 1 << FORCE),
            DEVICE_INFO: self._device_info,
        }
        self._now_ns = 0

    @property
    def services(self) -> tuple[ServiceSpec, ...]:
        """Its services, the advertised one first."""
        return _SERVICES

    def read(self, uuid: str) -> bytes:
        """Return nothing: no characteristic of the belt is readable."""
        raise KeyError(uuid)

    def on_subscribed(self, uuid: str, *, wanted: bool, now_ns: int) -> None:
        """Measuring begins with a command, not with a subscription."""

    def on_write(self, uuid: str, data: bytes, *, mtu: int, now_ns: int) -> tuple[Outgoing, ...]:  # noqa: ARG002
        """Collect the 20-byte pieces of commands and answer each whole one."""
        if uuid != COMMAND:
            return ()
        self._now_ns = now_ns
        self._received += data
        outgoing: list[Outgoing] = []
        while packet := self._take_packet():
            outgoing += self._obey(packet)
        return tuple(outgoing)

    def on_disconnected(self) -> None:
        """Forget the peer."""
        self._started_ns = None
        self._received = b""

    def due_ns(self) -> int | None:
        """Return when the next measurement is due."""
        if self._started_ns is None:
            return None
        return self.clock.body_ns(self._started_ns + (self._n_measured + 1) * self._period_us * 1000)

    def poll(self, now_ns: int, *, mtu: int) -> tuple[Outgoing, ...]:  # noqa: ARG002
        """Return the measurements due by now."""
        self._body.until(now_ns)
        outgoing: list[Outgoing] = []
        while (due_ns := self.due_ns()) is not None and due_ns <= now_ns:
            self._n_measured += 1
            outgoing += self._measurement(due_ns)
        return tuple(outgoing)

    # ------------------------------------------------------------------------------------------------- commands
    def _take_packet(self) -> bytes:
        """Return the next whole packet, nothing if it is not there yet; what is no command is skipped."""
        _, marker, rest = self._received.partition(bytes((COMMAND_START,)))
        self._received = marker + rest
        if len(self._received) < HEADER_BYTES or len(self._received) < self._received[1]:
            return b""
        n_bytes = max(self._received[1], HEADER_BYTES)
        packet, self._received = self._received[:n_bytes], self._received[n_bytes:]
        return packet

    def _obey(self, packet: bytes) -> list[Outgoing]:
        if _checksum(packet) != packet[3]:
            self.n_bad_commands += 1
            return []
        command, counter = packet[4], packet[2]
        build = self._answers.get(command)
        payload = build(packet[HEADER_BYTES:]) if build else b""
        return self._packet(ANSWER, bytes((command, counter)) + payload)

    def _start(self, arguments: bytes) -> bytes:
        wanted = struct.unpack_from("<I", arguments, 2)[0] if len(arguments) >= 6 else 0
        known = sum(1 << channel.number for channel in CHANNELS)
        self._mask = (wanted & known) or 1 << FORCE
        self._started_ns = self.clock.running_ns(self._now_ns)
        self._n_measured = 0
        return b"\x00"

    def _stop(self, _: bytes) -> bytes:
        self._started_ns = None
        return b"\x00"

    def _set_period(self, arguments: bytes) -> bytes:
        if len(arguments) >= 6:
            period_us = struct.unpack_from("<I", arguments, 2)[0]
            self._period_us = min(max(period_us, MIN_PERIOD_US), MAX_PERIOD_US)
        return b"\x00"

    def _status(self, _: bytes) -> bytes:
        return struct.pack("<BBBBHBBHBB", 0, 0, 1, 5, 12, 1, 7, 3, self.battery_pct, 0)

    def _device_info(self, _: bytes) -> bytes:
        return struct.pack(
            "<16s16s32sHHBBBBHBBHBBBBBBI64s",
            b"GDX-RB", b"00000001", self.name.encode(), 1, 2026, 1, 1, 1, 5, 12, 1, 7, 3,
            *bytes.fromhex(self.address.replace(":", ""))[::-1], 0, b"Virtual respiration belt",
        )  # fmt: skip

    def _sensor_info(self, arguments: bytes) -> bytes:
        channel = next((c for c in CHANNELS if arguments and c.number == arguments[0]), CHANNELS[0])
        return struct.pack(
            "<bBIBB60s32sdddIQIII",
            channel.number, 0, 100 + channel.number, 0, 0, channel.description.encode(), channel.unit.encode(),
            0.01, 0.0, channel.highest, MIN_PERIOD_US, MAX_PERIOD_US, DEFAULT_PERIOD_US, 1000, 0,
        )  # fmt: skip

    # --------------------------------------------------------------------------------------------- measurements
    def _measurement(self, t_ns: int) -> list[Outgoing]:
        floats = [self._reading(c.number, t_ns) for c in CHANNELS if self._mask >> c.number & 1]
        body = struct.pack(f"<BHBB{len(floats)}f", NORMAL_FLOATS, self._mask, 1, 0, *floats)
        pieces = self._packet(MEASUREMENT, body)
        if self._mask >> FORCE & 1:  # the sample is there when the last piece of its packet is
            last = pieces[-1]
            pieces[-1] = Outgoing(uuid=last.uuid, data=last.data, kind=SignalKind.RESPIRATION, n_sent=1)
        return pieces

    def _reading(self, number: int, t_ns: int) -> float:
        if number == FORCE:
            force_n = float(self._body.force_n(np.asarray([t_ns], dtype=np.int64))[0])
            return max(force_n + NOISE_N * float(self._noise.standard_normal()), 0.0)
        if number == RATE:
            return self._breathing_rate_bpm(t_ns)
        return 0.0

    def _breathing_rate_bpm(self, t_ns: int) -> float:
        started_ns = self.clock.body_ns(self._started_ns or 0)
        until_ns = t_ns - (t_ns - started_ns) % RATE_RENEWAL_NS
        since_ns = until_ns - RATE_WINDOW_NS
        turns = self._body.turns(since_ns=since_ns)
        onsets = [turn.t_ns for turn in turns if turn.phase is BreathPhase.IN and turn.t_ns <= until_ns]
        if since_ns < started_ns or len(onsets) < 2:
            return math.nan
        return float(round(60.0 * (len(onsets) - 1) * NS_PER_S / (onsets[-1] - onsets[0])))

    def _packet(self, kind: int, body: bytes) -> list[Outgoing]:
        self._counter = (self._counter - 1) & 0xFF
        packet = bytearray((kind, 4 + len(body), self._counter, 0)) + body
        packet[3] = _checksum(packet)
        return [
            Outgoing(uuid=RESPONSE, data=bytes(packet[i : i + CHUNK_BYTES])) for i in range(0, len(packet), CHUNK_BYTES)
        ]


def _checksum(packet: bytes | bytearray) -> int:
    """Sum of all bytes but the checksum itself (position 3)."""
    return (sum(packet) - packet[3]) & 0xFF
