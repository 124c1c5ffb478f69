"""A BITalino (r)evolution board (facts: BITalinoWorld's public interfaces): frames as a stream of bytes, cut anywhere.

Plugged in as it is sold, and a respiration sensor at A1: A2 ECG, A3 skin conductance; the others have an open input.
"""

import numpy as np
from numpy.typing import NDArray

from becalm_protocol.events import SignalKind
from becalm_simulator.body import Body
from becalm_simulator.gatt import ATT_HEADER_BYTES, CharacteristicSpec, Outgoing, Property, ServiceSpec
from becalm_simulator.sensors.device_clock import DeviceClock
from becalm_simulator.sensors.sample_grid import SampleGrid

SERVICE = "c566488a-0882-4e1b-a6d0-0b717e652234"
COMMAND = "4051eb11-bf0a-4c74-8730-a48f4193fcea"
FRAMES = "40fdba6b-672e-47c4-808a-e529adff3633"

RATES_HZ = (1, 10, 100, 1000)
WIDTHS_BITS = (10, 10, 10, 10, 6, 6)
PLUGGED = {1: SignalKind.RESPIRATION, 2: SignalKind.ECG, 3: SignalKind.SKIN_CONDUCTANCE}
IDLE, ASK_STATE, ASK_VERSION = 0xFF, 0x0B, 0x07
VERSION = b"BITalino_v5.1\n"
BATTERY_THRESHOLD = 30
EMPTY_V, FULL_V = 3.4, 4.2
# The Bluetooth module hands on what has gathered every tenth of a second, at most so much at once.
PACKETS_PER_S = 10
MAX_PIECE_BYTES = 64
NOISE_COUNTS = 0.6
SUPPLY_V = 3.3

_SERVICES = (
    ServiceSpec(
        uuid=SERVICE,
        characteristics=(
            CharacteristicSpec(uuid=COMMAND, properties=Property.WRITE | Property.WRITE_WITHOUT_RESPONSE),
            CharacteristicSpec(uuid=FRAMES, properties=Property.NOTIFY),
        ),
    ),
)


class Board:
    """A virtual board whose sensors are on a body."""

    def __init__(self, body: Body, *, drift_ppb: int, battery_pct: int = 68) -> None:
        self.name = "SIM-BOARD 0001"
        self.address = "F0:51:4D:00:04:01"
        self.clock = DeviceClock(drift_ppb=drift_ppb)
        self.sent = dict.fromkeys(PLUGGED.values(), 0)
        self.battery_pct = battery_pct
        self._body = body
        self._noise = np.random.default_rng(np.random.SeedSequence([body.seed, 43]))
        self._rate_hz = RATES_HZ[-1]
        self._channels: tuple[int, ...] = ()
        self._grid: SampleGrid | None = None
        self._n_frames = 0

    @property
    def services(self) -> tuple[ServiceSpec, ...]:
        """Its services, the advertised one first."""
        return _SERVICES

    def read(self, uuid: str) -> bytes:
        """Return nothing: no characteristic of the board is readable."""
        raise KeyError(uuid)

    def on_subscribed(self, uuid: str, *, wanted: bool, now_ns: int) -> None:
        """Measuring begins with a command, not with a subscription."""

    def on_write(self, uuid: str, data: bytes, *, mtu: int, now_ns: int) -> tuple[Outgoing, ...]:  # noqa: ARG002
        """Obey commands of one byte; while it measures it knows the end only."""
        answers: list[Outgoing] = []
        for command in data if uuid == COMMAND else b"":
            if command == IDLE or self._grid is not None:
                if command in (0, IDLE):
                    self._grid = None
            elif command in (ASK_STATE, ASK_VERSION):
                told = self._state(now_ns) if command == ASK_STATE else VERSION
                answers.append(Outgoing(uuid=FRAMES, data=told))
            elif command & 0x3F == 0x03:
                self._rate_hz = RATES_HZ[command >> 6]
            elif command & 0x03 == 0x01 and command > 1:
                self._channels = tuple(channel for channel in range(1, 7) if command >> channel + 1 & 1)
                n_samples = max(1, self._rate_hz // PACKETS_PER_S)
                self._grid = SampleGrid(self.clock, rate_hz=self._rate_hz, n_samples=n_samples, now_ns=now_ns)
                self._n_frames = 0
        return tuple(answers)

    def on_disconnected(self) -> None:
        """Stop: without a peer the module switches the board to idle."""
        self._grid = None

    def due_ns(self) -> int | None:
        """Return when the next bytes leave."""
        return self._grid.due_ns() if self._grid is not None else None

    def poll(self, now_ns: int, *, mtu: int) -> tuple[Outgoing, ...]:
        """Return the bytes due by now."""
        self._body.until(now_ns)
        outgoing: list[Outgoing] = []
        while self._grid is not None and self._grid.due_ns() <= now_ns:
            t_ns = self._grid.take()
            columns = np.stack([self._counts(channel, t_ns) for channel in self._channels], axis=1)
            frames = [self._frame(row) for row in columns.tolist()]
            outgoing += self._cut(b"".join(frames), frame_bytes=len(frames[0]), mtu=mtu)
        return tuple(outgoing)

    def _cut(self, data: bytes, *, frame_bytes: int, mtu: int) -> list[Outgoing]:
        """Return all of the bytes in pieces, each counting the frames that end in it."""
        n_most = min(mtu - ATT_HEADER_BYTES, MAX_PIECE_BYTES)
        kinds = tuple(PLUGGED[channel] for channel in self._channels if channel in PLUGGED)
        pieces = []
        for start in range(0, len(data), n_most):
            end = min(start + n_most, len(data))
            n_ended = end // frame_bytes - start // frame_bytes
            kind = kinds[0] if kinds and n_ended else None
            pieces.append(
                Outgoing(uuid=FRAMES, data=data[start:end], kind=kind, n_sent=n_ended, also=kinds[1:] if kind else ())
            )
        return pieces

    def _counts(self, channel: int, t_ns: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return what the converter gives, by the sensors' data sheets the other way round."""
        kind, n_counts = PLUGGED.get(channel), 1 << WIDTHS_BITS[channel - 1]
        if kind is SignalKind.ECG:
            share = self._body.ecg_uv(t_ns) * 1e-6 * 1100 / SUPPLY_V + 0.5
        elif kind is SignalKind.SKIN_CONDUCTANCE:
            share = self._body.conductance_us(t_ns) * 0.132 / SUPPLY_V
        elif kind is SignalKind.RESPIRATION:
            share = self._body.force_n(t_ns) / 20.0
        else:
            share = np.full(len(t_ns), 0.5)
        noise = NOISE_COUNTS * self._noise.standard_normal(len(t_ns))
        return np.asarray(np.clip(np.rint(share * n_counts + noise), 0, n_counts - 1), dtype=np.int64)

    def _frame(self, analog: list[int]) -> bytes:
        """Return one frame: number, check, four digital ports, then the channels in the places of A1, A2 ..."""
        bits = f"{self._n_frames % 16:04b}" + "0000" + "0000"
        for count, n_bits in zip(analog, WIDTHS_BITS, strict=False):
            bits += f"{count:0{n_bits}b}"
        n_bytes = -(-len(bits) // 8)
        raw = bytearray(int(bits.ljust(8 * n_bytes, "0"), 2).to_bytes(n_bytes, "big")[::-1])
        raw[-1] |= _check(bytes(raw))
        self._n_frames += 1
        return bytes(raw)

    def _state(self, now_ns: int) -> bytes:
        """Return the answer about the board: all channels, the battery, its threshold, ports and check."""
        self._body.until(now_ns)
        t_ns = np.asarray([now_ns], dtype=np.int64)
        volts = EMPTY_V + (FULL_V - EMPTY_V) * self.battery_pct / 100
        words = [int(self._counts(channel, t_ns)[0]) for channel in range(1, 7)] + [round(volts / 2 / SUPPLY_V * 1024)]
        raw = bytearray(b"".join(word.to_bytes(2, "little") for word in words) + bytes((BATTERY_THRESHOLD, 0)))
        raw[-1] |= _check(bytes(raw))
        return bytes(raw)


def _check(data: bytes) -> int:
    """Return the check of 4 bits (polynomial x^4 + x + 1), a bit at a time; the check's own bits count as zero."""
    crc = 0
    for byte in (*data[:-1], data[-1] & 0xF0):
        for bit in range(7, -1, -1):
            crc <<= 1
            if crc & 0x10:
                crc ^= 0x13
            crc ^= byte >> bit & 1
    return crc
