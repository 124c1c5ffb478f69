"""What a body's sensors would say, as blocks of samples without a radio: quantised, and as fast as it goes."""

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from becalm_ingest.devices.uart_skin import SKIN_US_PER_COUNT
from becalm_ingest.devices.vernier_belt import FORCE_N_PER_COUNT
from becalm_protocol.events import Clock, Gap, GapReason, SampleBlock, SignalKind, StreamInfo, require
from becalm_protocol.units import NS_PER_S, ns_from_s
from becalm_simulator.body import Body
from becalm_simulator.episode import DROPOUTS, Script
from becalm_simulator.rails import read_with_noise
from becalm_simulator.recording import MAX_SECONDS
from becalm_simulator.sensors.belt import NOISE_N
from becalm_simulator.sensors.skin import NOISE_US
from becalm_simulator.sensors.strap import NOISE_UV

ECG_RATE_HZ, FORCE_RATE_HZ, SKIN_RATE_HZ = 130, 25, 8
# Ten seconds of ECG are 1,300 samples: below the cap of a block, and memory stays constant however long it goes on.
BLOCK_S = 10
NOISE_TAG = 16
# Skin conductance below 0.05 Hz, looked at from both sides so that it does not lag: no live filter can do that.
LEVEL_TAU_S = 1.0 / (2.0 * math.pi * 0.05)
LEVEL_RATE_HZ = 8


def _stream(number: int, kind: SignalKind, *, unit: str, unit_per_count: float, sample_rate_hz: float) -> StreamInfo:
    return StreamInfo(
        stream_id=f"{number:032x}",
        kind=kind,
        unit=unit,
        unit_per_count=unit_per_count,
        sample_rate_hz=sample_rate_hz,
        clock=Clock.SESSION,
        device="virtual person",
    )


ECG = _stream(1, SignalKind.ECG, unit="uV", unit_per_count=1.0, sample_rate_hz=ECG_RATE_HZ)
FORCE = _stream(2, SignalKind.RESPIRATION, unit="N", unit_per_count=FORCE_N_PER_COUNT, sample_rate_hz=FORCE_RATE_HZ)
SKIN = _stream(3, SignalKind.SKIN_CONDUCTANCE, unit="uS", unit_per_count=SKIN_US_PER_COUNT, sample_rate_hz=SKIN_RATE_HZ)
STREAMS = (ECG, FORCE, SKIN)


def sample_blocks(body: Body, *, seconds: int) -> Iterator[SampleBlock | Gap]:
    """Let the body live so many seconds from 0 on, and yield what each sensor says of every ten of them.

    Where a dropout is staged no samples come; the gap is told when they go on.
    """
    require(0 < seconds <= MAX_SECONDS, "seconds", f"above 0 to {MAX_SECONDS}", seconds)
    rng = np.random.default_rng(np.random.SeedSequence([body.seed, NOISE_TAG]))
    script = Script(body.episodes())
    cutters = {info.stream_id: _Cutter(info, script) for info in STREAMS}
    for start_s in range(0, seconds, BLOCK_S):
        end_s = min(start_s + BLOCK_S, seconds)
        body.until(end_s * NS_PER_S)
        for info, rate_hz in ((ECG, ECG_RATE_HZ), (FORCE, FORCE_RATE_HZ), (SKIN, SKIN_RATE_HZ)):
            t_ns = np.arange(start_s * rate_hz, end_s * rate_hz, dtype=np.int64) * NS_PER_S // rate_hz
            shown = _shown(body, info, t_ns, noise=rng.standard_normal(len(t_ns)), script=script)
            counts = np.rint(shown / info.unit_per_count).astype(np.int64)
            yield from cutters[info.stream_id].cut(counts, t_ns=t_ns, first_sample_idx=start_s * rate_hz)


class _Cutter:
    """Blocks of one stream without what falls into its dropouts."""

    def __init__(self, info: StreamInfo, script: Script) -> None:
        self._info = info
        self._script = script
        self._last: tuple[int, int] | None = None

    def cut(
        self, counts: NDArray[np.int64], *, t_ns: NDArray[np.int64], first_sample_idx: int
    ) -> Iterator[SampleBlock | Gap]:
        """Yield blocks of neighbouring samples, each after the gap that it ends."""
        came = np.flatnonzero(self._script.amounts(DROPOUTS[self._info.kind], t_ns) < 0.5)
        for run in np.split(came, np.flatnonzero(np.diff(came) > 1) + 1):
            if len(run) > 0:
                begin, end = int(run[0]), int(run[-1]) + 1
                yield from self._gap(first_sample_idx + begin, int(t_ns[begin]))
                yield SampleBlock(
                    stream_id=self._info.stream_id,
                    received_ns=int(t_ns[end - 1]),
                    first_sample_idx=first_sample_idx + begin,
                    counts=tuple(counts[begin:end].tolist()),
                )
                self._last = (first_sample_idx + end - 1, int(t_ns[end - 1]))

    def _gap(self, sample_idx: int, t_ns: int) -> Iterator[Gap]:
        last_idx, last_ns = self._last or (-1, 0)
        n_missing = sample_idx - last_idx - 1
        if n_missing > 0:
            yield Gap(
                stream_id=self._info.stream_id,
                received_ns=t_ns,
                start_ns=last_ns,
                end_ns=t_ns,
                n_missing=n_missing,
                reason=GapReason.SENSOR_SILENT,
            )


def _shown(
    body: Body, info: StreamInfo, t_ns: NDArray[np.int64], *, noise: NDArray[np.float64], script: Script
) -> NDArray[np.float64]:
    """Return samples in the unit of the stream with the sensor's own noise."""
    signal, noise_sd = {
        SignalKind.ECG: (body.ecg_uv, NOISE_UV),
        SignalKind.RESPIRATION: (body.force_n, NOISE_N),
        SignalKind.SKIN_CONDUCTANCE: (body.conductance_us, NOISE_US),
    }[info.kind]
    read = read_with_noise(signal(t_ns), noise_sd * noise, t_ns=t_ns, script=script, kind=info.kind)
    return read if info is ECG else np.maximum(read, 0.0)


def true_levels_us(body: Body) -> tuple[float, ...]:
    """Return the level of the skin itself (below 0.05 Hz, without lag) at every second lived so far, from 0 on."""
    t_ns = np.arange(0, body.t_ns + 1, ns_from_s(1.0 / LEVEL_RATE_HZ), dtype=np.int64)
    return tuple(there_and_back(body.skin_us(t_ns).tolist())[::LEVEL_RATE_HZ])


def there_and_back(levels: list[float]) -> list[float]:
    """Smooth forwards, then backwards, so that nothing is moved in time."""
    return _one_pole(_one_pole(levels)[::-1])[::-1]


def _one_pole(levels: list[float]) -> list[float]:
    share = -math.expm1(-1.0 / (LEVEL_RATE_HZ * LEVEL_TAU_S))
    kept, smooth = levels[0], []
    for level in levels:
        kept += share * (level - kept)
        smooth.append(kept)
    return smooth
