"""A chest strap: Heart Rate Service, battery, device information and a Polar-style ECG stream."""

import struct
from itertools import pairwise

import numpy as np

from becalm_protocol.events import SignalKind
from becalm_protocol.units import NS_PER_S, RR_TICKS_PER_S, ns_from_s
from becalm_simulator.body import Body
from becalm_simulator.gatt import ATT_HEADER_BYTES, CharacteristicSpec, Outgoing, Property, ServiceSpec
from becalm_simulator.sensors.device_clock import DeviceClock
from becalm_simulator.sensors.polar_control import ECG_RATE_HZ, ECG_SAMPLES_PER_FRAME, FEATURES, PolarControl

HEART_RATE_SERVICE = "0000180d-0000-1000-8000-00805f9b34fb"
HEART_RATE = "00002a37-0000-1000-8000-00805f9b34fb"
BODY_LOCATION = "00002a38-0000-1000-8000-00805f9b34fb"
BATTERY_SERVICE = "0000180f-0000-1000-8000-00805f9b34fb"
BATTERY_LEVEL = "00002a19-0000-1000-8000-00805f9b34fb"
DEVICE_INFORMATION_SERVICE = "0000180a-0000-1000-8000-00805f9b34fb"
MANUFACTURER_NAME = "00002a29-0000-1000-8000-00805f9b34fb"
MODEL_NUMBER = "00002a24-0000-1000-8000-00805f9b34fb"
SERIAL_NUMBER = "00002a25-0000-1000-8000-00805f9b34fb"
FIRMWARE_REVISION = "00002a26-0000-1000-8000-00805f9b34fb"
PMD_SERVICE = "fb005c80-02e7-f387-1cad-8acd2d8df0c8"
PMD_CONTROL = "fb005c81-02e7-f387-1cad-8acd2d8df0c8"
PMD_DATA = "fb005c82-02e7-f387-1cad-8acd2d8df0c8"

# The strap's clock counts from 2000 and wakes up on the first day of 2019.
CLOCK_EPOCH_NS = 599_616_000 * NS_PER_S
# A beat is certain about a second after its R wave; the next notification of the second carries it, 1 to 2 s late.
BEAT_LATENCY_NS = ns_from_s(1.0)
NOISE_UV = 8.0
N_AVERAGED_RR = 5
CHEST = 1
_ECG_FRAME, _ECG_RAW = 0, 0
_RR_PRESENT = 0x10

_SERVICES = (
    ServiceSpec(
        uuid=HEART_RATE_SERVICE,
        characteristics=(
            CharacteristicSpec(uuid=HEART_RATE, properties=Property.NOTIFY),
            CharacteristicSpec(uuid=BODY_LOCATION, properties=Property.READ),
        ),
    ),
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
    ServiceSpec(
        uuid=PMD_SERVICE,
        characteristics=(
            CharacteristicSpec(uuid=PMD_CONTROL, properties=Property.READ | Property.WRITE | Property.INDICATE),
            CharacteristicSpec(uuid=PMD_DATA, properties=Property.NOTIFY),
        ),
    ),
)


class Strap:
    """A virtual chest strap on a body."""

    def __init__(self, body: Body, *, drift_ppb: int, battery_pct: int = 87) -> None:
        self.name = "SIM-HR 0001"
        self.address = "F0:51:4D:00:00:01"
        self.sent = {SignalKind.ECG: 0, SignalKind.RR: 0}
        self._body = body
        self.clock = DeviceClock(drift_ppb=drift_ppb, epoch_ns=CLOCK_EPOCH_NS)
        self._noise = np.random.default_rng(np.random.SeedSequence([body.seed, 3]))
        self._control = PolarControl()
        self._next_sample_idx = 0
        self._next_second = 0
        self._hr_wanted = False
        self._n_told = 0
        self._recent_rr: list[int] = []
        self._readable = {
            BODY_LOCATION: bytes((CHEST,)),
            BATTERY_LEVEL: bytes((battery_pct,)),
            MANUFACTURER_NAME: b"becalm simulator",
            MODEL_NUMBER: b"SIM-HR",
            SERIAL_NUMBER: b"0001",
            FIRMWARE_REVISION: b"1.0.0",
            PMD_CONTROL: FEATURES,
        }

    @property
    def services(self) -> tuple[ServiceSpec, ...]:
        """Its services, the advertised one first."""
        return _SERVICES

    def read(self, uuid: str) -> bytes:
        """Return the value of a readable characteristic."""
        return self._readable[uuid]

    def on_subscribed(self, uuid: str, *, wanted: bool, now_ns: int) -> None:
        """Begin or end the heart rate notifications."""
        if uuid == HEART_RATE:
            self._hr_wanted = wanted
            self._next_second = self.clock.running_ns(now_ns) // NS_PER_S + 1
            self._n_told = self._n_certain(now_ns)
            self._recent_rr.clear()

    def on_write(self, uuid: str, data: bytes, *, mtu: int, now_ns: int) -> tuple[Outgoing, ...]:
        """Obey the measurement control point."""
        if uuid != PMD_CONTROL:
            return ()
        was_streaming = self._control.streaming
        answer = self._control.answer(data, mtu=mtu)
        if self._control.streaming and not was_streaming:
            self._next_sample_idx = self.clock.running_ns(now_ns) * ECG_RATE_HZ // NS_PER_S + 1
        return (Outgoing(uuid=PMD_CONTROL, data=answer, indicate=True),)

    def on_disconnected(self) -> None:
        """Forget the peer."""
        self._hr_wanted = False
        self._control.streaming = False

    def due_ns(self) -> int | None:
        """Return when the next heart rate or ECG notification is due."""
        due = []
        if self._hr_wanted:
            due.append(self.clock.body_ns(self._next_second * NS_PER_S))
        if self._control.streaming:
            due.append(self._sample_body_ns(self._next_sample_idx + ECG_SAMPLES_PER_FRAME - 1))
        return min(due, default=None)

    def poll(self, now_ns: int, *, mtu: int) -> tuple[Outgoing, ...]:
        """Return the notifications due by now."""
        self._body.until(now_ns)
        outgoing = []
        while self._control.streaming and self._sample_body_ns(self._last_of_frame) <= now_ns:
            outgoing.append(self._ecg_frame())
        while self._hr_wanted and self.clock.body_ns(self._next_second * NS_PER_S) <= now_ns:
            outgoing.append(self._heart_rate(self.clock.body_ns(self._next_second * NS_PER_S), mtu=mtu))
            self._next_second += 1
        return tuple(outgoing)

    # ------------------------------------------------------------------------------------------------------ ECG
    @property
    def _last_of_frame(self) -> int:
        return self._next_sample_idx + ECG_SAMPLES_PER_FRAME - 1

    def _sample_body_ns(self, sample_idx: int) -> int:
        return self.clock.body_ns(sample_idx * NS_PER_S // ECG_RATE_HZ)

    def _ecg_frame(self) -> Outgoing:
        indices = range(self._next_sample_idx, self._next_sample_idx + ECG_SAMPLES_PER_FRAME)
        t_ns = np.asarray([self._sample_body_ns(idx) for idx in indices], dtype=np.int64)
        noise_uv = NOISE_UV * self._noise.standard_normal(ECG_SAMPLES_PER_FRAME)
        counts = np.rint(self._body.ecg_uv(t_ns) + noise_uv).astype("<i4")
        samples = counts.view(np.uint8).reshape(-1, 4)[:, :3].tobytes()
        last_ns = self.clock.epoch_ns + indices[-1] * NS_PER_S // ECG_RATE_HZ
        self._next_sample_idx += ECG_SAMPLES_PER_FRAME
        return Outgoing(
            uuid=PMD_DATA,
            data=struct.pack("<BQB", _ECG_FRAME, last_ns, _ECG_RAW) + samples,
            kind=SignalKind.ECG,
            n_sent=ECG_SAMPLES_PER_FRAME,
        )

    # -------------------------------------------------------------------------------------------- heart rate, RR
    def _n_certain(self, now_ns: int) -> int:
        """Beats that the strap is sure of at `now_ns`."""
        self._body.until(now_ns)
        return self._body.n_beats(now_ns - BEAT_LATENCY_NS)

    def _heart_rate(self, now_ns: int, *, mtu: int) -> Outgoing:
        n_certain = self._n_certain(now_ns)
        # Flags and heart rate take two bytes; what does not fit waits for the next second.
        n_fitting = (mtu - ATT_HEADER_BYTES - 2) // 2
        first = max(self._n_told, 1)
        last = min(n_certain, first + n_fitting)
        ticks = [self._ticks(beat.t_ns) for beat in self._body.beats_from(first - 1, n_most=last - first + 1)]
        rr_1024 = [min(b - a, 0xFFFF) for a, b in pairwise(ticks)]
        self._n_told = max(self._n_told, last)
        self._recent_rr = (self._recent_rr + rr_1024)[-N_AVERAGED_RR:]
        bpm = 0
        if self._recent_rr:
            bpm = min(round(60 * RR_TICKS_PER_S * len(self._recent_rr) / sum(self._recent_rr)), 0xFF)
        return Outgoing(
            uuid=HEART_RATE,
            data=bytes((_RR_PRESENT if rr_1024 else 0, bpm)) + struct.pack(f"<{len(rr_1024)}H", *rr_1024),
            kind=SignalKind.RR,
            n_sent=len(rr_1024),
        )

    def _ticks(self, t_ns: int) -> int:
        """Time of a beat in the strap's 1/1024 s; intervals between such times add up without drift."""
        return round(self.clock.running_ns(t_ns) * RR_TICKS_PER_S / NS_PER_S)
