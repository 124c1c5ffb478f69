"""What a virtual Movesense sensor measures, by path: /Meas/ECG/250, /Meas/Acc/52, /Meas/IMU6/52, /Meas/HR."""

import struct
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from becalm_protocol.events import SignalKind
from becalm_protocol.units import NS_PER_MS, NS_PER_S, ns_from_s
from becalm_simulator.body import Body
from becalm_simulator.sensors.device_clock import DeviceClock
from becalm_simulator.sensors.sample_grid import SampleGrid

ACCELERATION_KINDS = (SignalKind.ACCELERATION_X, SignalKind.ACCELERATION_Y, SignalKind.ACCELERATION_Z)
ANGULAR_VELOCITY_KINDS = (SignalKind.ANGULAR_VELOCITY_X, SignalKind.ANGULAR_VELOCITY_Y, SignalKind.ANGULAR_VELOCITY_Z)

ECG_RATES_HZ = (125, 128, 200, 250, 256, 500, 512)
MOTION_RATES_HZ = (13, 26, 52, 104, 208, 416, 833, 1666)
ECG_SAMPLES_PER_PACKET = 16
UV_PER_COUNT = 100_000 / 2**18
MS2_PER_MG = 9.80665 / 1000
ECG_NOISE_UV = 6.0
MOTION_NOISE_MG = 1.0
GYROSCOPE_NOISE_DPS = 0.05
TILT_STEP_NS = 20 * NS_PER_MS
# A beat is sure a second after its R wave.
BEAT_LATENCY_NS = ns_from_s(1.0)
N_AVERAGED_RR = 5


class Measurement(Protocol):
    """One path while somebody has subscribed to it."""

    @property
    def kinds(self) -> tuple[SignalKind, ...]:
        """The streams it fills."""

    def due_ns(self) -> int:
        """Return when the next packet may be ready."""

    def take(self) -> tuple[bytes, int]:
        """Return the packet that is due, and how many samples (RR: intervals) it holds; nothing where there is none."""


class Ecg:
    """Packets of 16 counts."""

    kinds = (SignalKind.ECG,)

    def __init__(self, body: Body, clock: DeviceClock, *, rate_hz: int, now_ns: int) -> None:
        self._body, self._clock = body, clock
        self._grid = SampleGrid(clock, rate_hz=rate_hz, n_samples=ECG_SAMPLES_PER_PACKET, now_ns=now_ns)
        self._noise = np.random.default_rng(np.random.SeedSequence([body.seed, 41]))

    def due_ns(self) -> int:
        """Return when the next packet is ready."""
        return self._grid.due_ns()

    def take(self) -> tuple[bytes, int]:
        """Return the next packet."""
        t_ns = self._grid.take()
        shown_uv = self._body.ecg_uv(t_ns) + ECG_NOISE_UV * self._noise.standard_normal(len(t_ns))
        counts = np.rint(shown_uv / UV_PER_COUNT).astype("<i4")
        return _stamp(self._clock, int(t_ns[0])) + counts.tobytes(), len(t_ns)


class Motion:
    """Acceleration in m/s2, and angular velocity in degrees a second where wanted: one array after the other."""

    def __init__(self, body: Body, clock: DeviceClock, *, rate_hz: int, with_gyroscope: bool, now_ns: int) -> None:
        self.kinds: tuple[SignalKind, ...] = ACCELERATION_KINDS + (ANGULAR_VELOCITY_KINDS if with_gyroscope else ())
        self._body, self._clock = body, clock
        self._grid = SampleGrid(clock, rate_hz=rate_hz, n_samples=max(1, rate_hz // 13), now_ns=now_ns)
        self._with_gyroscope = with_gyroscope
        self._noise = np.random.default_rng(np.random.SeedSequence([body.seed, 42]))

    def due_ns(self) -> int:
        """Return when the next packet is ready."""
        return self._grid.due_ns()

    def take(self) -> tuple[bytes, int]:
        """Return the next packet."""
        t_ns = self._grid.take()
        acceleration_mg = self._body.acceleration_mg(t_ns)
        noise_mg = MOTION_NOISE_MG * self._noise.standard_normal(acceleration_mg.shape)
        arrays = [MS2_PER_MG * (acceleration_mg + noise_mg)]
        if self._with_gyroscope:
            arrays.append(self._turning_dps(t_ns))
        data = b"".join(array.astype("<f4").tobytes() for array in arrays)
        return _stamp(self._clock, int(t_ns[0])) + data, len(t_ns)

    def _turning_dps(self, t_ns: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return how fast the plate turns: about the axis across the chest, as breathing tilts it."""
        before = self._tilt_deg(np.maximum(t_ns - TILT_STEP_NS, 0))
        turning_dps = (self._tilt_deg(t_ns) - before) * NS_PER_S / TILT_STEP_NS
        noise_dps = GYROSCOPE_NOISE_DPS * self._noise.standard_normal((len(t_ns), 3))
        noise_dps[:, 0] += turning_dps
        return noise_dps

    def _tilt_deg(self, t_ns: NDArray[np.int64]) -> NDArray[np.float64]:
        _, up, out = self._body.acceleration_mg(t_ns).T
        return np.asarray(np.degrees(np.arctan2(up, out)), dtype=np.float64)


class HeartRate:
    """Each second that brought beats: the average rate, and the intervals in milliseconds."""

    kinds = (SignalKind.RR,)

    def __init__(self, body: Body, clock: DeviceClock, *, now_ns: int) -> None:
        self._body, self._clock = body, clock
        self._grid = SampleGrid(clock, rate_hz=1, n_samples=1, now_ns=now_ns)
        self._n_told = body.n_beats(now_ns - BEAT_LATENCY_NS)
        self._recent_ms: list[int] = []

    def due_ns(self) -> int:
        """Return the next full second."""
        return self._grid.due_ns()

    def take(self) -> tuple[bytes, int]:
        """Return what the second brought."""
        now_ns = int(self._grid.take()[0])
        n_sure = self._body.n_beats(now_ns - BEAT_LATENCY_NS)
        beats = self._body.beats_from(self._n_told, n_most=n_sure - self._n_told)
        self._n_told = n_sure
        if not beats:
            return b"", 0
        rr_ms = [round(1000 * beat.rr_s) for beat in beats]
        self._recent_ms = (self._recent_ms + rr_ms)[-N_AVERAGED_RR:]
        average_bpm = 60_000 * len(self._recent_ms) / sum(self._recent_ms)
        return struct.pack(f"<f{len(rr_ms)}H", average_bpm, *rr_ms), len(rr_ms)


def measurement(path: str, body: Body, *, clock: DeviceClock, now_ns: int) -> Measurement | None:
    """Return what a path measures, None where the sensor does not have it."""
    match path.strip("/").split("/"):
        case ["Meas", "ECG", told] if told in map(str, ECG_RATES_HZ):
            return Ecg(body, clock, rate_hz=int(told), now_ns=now_ns)
        case ["Meas", "Acc" | "IMU6" as name, told] if told in map(str, MOTION_RATES_HZ):
            return Motion(body, clock, rate_hz=int(told), with_gyroscope=name == "IMU6", now_ns=now_ns)
        case ["Meas", "HR"]:
            return HeartRate(body, clock, now_ns=now_ns)
    return None


def _stamp(clock: DeviceClock, t_ns: int) -> bytes:
    """Return the time a packet shows: milliseconds that begin anew after 49 days."""
    return (clock.shown_ns(t_ns) // NS_PER_MS % 2**32).to_bytes(4, "little")
