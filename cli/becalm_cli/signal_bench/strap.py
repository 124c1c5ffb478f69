"""A real strap's intervals against those out of its own ECG."""

import itertools
from pathlib import Path
from typing import Any

import numpy as np

from becalm_cli.analyse import run_pipeline
from becalm_cli.signal_bench import rivals
from becalm_cli.signal_bench.records import Samples, beats, columns
from becalm_protocol.events import Clock, SampleBlock, SignalKind, StreamInfo
from becalm_protocol.units import NS_PER_MS

STRAP_RATE_HZ = 130.0
ECG_FRAME = 73
# Either side may lack so many beats of the other; leaving one unpaired costs as much as so large an error on each side.
BAND_BEATS = 12
UNPAIRED_MS = 30.0
PAIRED = 1
# Two intervals found are one that the strap tells, within its rounding and the error of three peaks.
SAME_MS = 5.0


def strap_intervals(data: Path, *, quick: bool) -> dict[str, Any]:
    """Score RR from a real strap's ECG against the RR that the strap itself told, on `polar_h10/`."""
    del quick
    told = columns(data / "polar_h10" / "ecg_rr_pvc.csv.gz", "time_ns", "ecg_mV", "rr_ms")
    has_ecg = np.isfinite(told["ecg_mV"])
    stamps_ns = (told["time_ns"][has_ecg] - told["time_ns"][0]).astype(np.int64).tolist()
    derived = run_pipeline([_strap_stream()], _strap_frames(told["ecg_mV"][has_ecg], stamps_ns))
    ours_ms = np.array([beat.rr_ms for beat in beats(derived, confirmed=True) if beat.rr_ms is not None])
    strap_ms = told["rr_ms"][np.isfinite(told["rr_ms"])]
    peaks = rivals.peak_positions(told["ecg_mV"][has_ecg], rate_hz=STRAP_RATE_HZ)
    theirs_ms = np.diff(np.array(stamps_ns, dtype=np.float64)[peaks]) / NS_PER_MS
    return {
        "n_strap": len(strap_ms),
        "becalm": _agreement(ours_ms, strap_ms),
        "neurokit2": _agreement(theirs_ms, strap_ms),
    }


def _agreement(found_ms: Samples, strap_ms: Samples) -> dict[str, Any]:
    """Count and compare; `n_told_as_one`: the strap's where two are found; it passed over a beat or one is too many."""
    pairs = _aligned(found_ms, strap_ms)
    if not pairs:
        return {"n_found": len(found_ms), "n_matched": 0}
    errors_ms = np.array([found_ms[k] - strap_ms[i] for i, k in pairs])
    n_told_as_one = sum(
        1
        for (i, k), (next_i, next_k) in itertools.pairwise(pairs)
        if next_i - i == 2 and next_k - k == 3 and abs(found_ms[k + 1] + found_ms[k + 2] - strap_ms[i + 1]) < SAME_MS
    )
    n_before = pairs[0][0]
    return {
        "n_found": len(found_ms),
        "n_matched": len(pairs),
        "n_before_first_found": n_before,
        "n_told_as_one": n_told_as_one,
        "n_unmatched": len(strap_ms) - len(pairs) - n_before - n_told_as_one,
        "mae_ms": round(float(np.mean(np.abs(errors_ms))), 3),
        "sd_ms": round(float(np.std(errors_ms)), 3),
        "p95_ms": round(float(np.quantile(np.abs(errors_ms), 0.95)), 3),
    }


def _strap_stream() -> StreamInfo:
    return StreamInfo(
        stream_id="ecg",
        kind=SignalKind.ECG,
        unit="uV",
        unit_per_count=1.0,
        sample_rate_hz=STRAP_RATE_HZ,
        clock=Clock.DEVICE,
        device="strap",
    )


def _strap_frames(ecg_mv: Samples, stamps_ns: list[int]) -> list[SampleBlock]:
    counts = [int(count) for count in np.rint(1000.0 * ecg_mv)]
    frames = []
    for first in range(0, len(counts), ECG_FRAME):
        part = tuple(counts[first : first + ECG_FRAME])
        stamp_ns = stamps_ns[first + len(part) - 1]
        frames.append(
            SampleBlock(
                stream_id="ecg",
                received_ns=stamp_ns + 40 * NS_PER_MS,
                first_sample_idx=first,
                sensor_ns=stamp_ns,
                counts=part,
            )
        )
    return frames


def _aligned(ours_ms: Samples, strap_ms: Samples) -> list[tuple[int, int]]:
    """Return the pairs (strap, ours) of the pairing of least cost, where either may have a beat that the other lacks.

    Walking along the first fit is not enough: a rhythm of every third beat early fits itself three beats on.
    """
    width = BAND_BEATS
    # cost[i, j]: strap intervals before i against ours before i + j - width.
    cost = np.full((len(strap_ms) + 1, 2 * width + 1), np.inf)
    step = np.zeros(cost.shape, dtype=np.int8)
    for i, j in np.ndindex(*cost.shape):
        k = i + j - width
        if not 0 <= k <= len(ours_ms):
            continue
        options = [
            0.0 if i == 0 and k <= width else np.inf,
            cost[i - 1, j] + abs(ours_ms[k - 1] - strap_ms[i - 1]) if i and k else np.inf,
            cost[i - 1, j + 1] + UNPAIRED_MS if i and j < 2 * width else np.inf,
            cost[i, j - 1] + UNPAIRED_MS if j and k else np.inf,
        ]
        step[i, j] = int(np.argmin(options))
        cost[i, j] = options[step[i, j]]
    i, j = len(strap_ms), int(np.argmin(cost[-1]))
    pairs = []
    while step[i, j]:
        taken = int(step[i, j])
        if taken == PAIRED:
            pairs.append((i - 1, i + j - width - 1))
        i, j = i - (taken != 3), j + (taken == 2) - (taken == 3)
    return pairs[::-1]
