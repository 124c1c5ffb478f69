"""Beats: R peaks against cardiologists, a strap against its own ECG, heart rate against other methods, and delay."""

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from becalm_cli.analyse import run_pipeline
from becalm_cli.signal_bench import records, rivals
from becalm_cli.signal_bench.f1 import Counts, count, total, unannotated
from becalm_cli.signal_bench.records import Samples, beats, columns, derive, stream, times_ns
from becalm_protocol.derived import Derived, Metrics
from becalm_protocol.events import Clock, SampleBlock, SignalKind, StreamInfo
from becalm_protocol.units import NS_PER_MS, NS_PER_S, s_from_ns

MITDB_RATE_HZ = 360.0
# 130 Hz, as chest straps sample.
UP, DOWN = 13, 36
BIDMC_RATE_HZ = 125.0
LEARNING_S = 5.0
WITHIN_MS = (150.0, 50.0)
# Sinus pauses stay below this; the annotators marked nothing during ventricular flutter (record 207).
UNANNOTATED_S = 5.0
STRAP_RATE_HZ = 130.0
ECG_FRAME = 73
# Either side may lack so many beats of the other; leaving one unpaired costs as much as so large an error on each side.
BAND_BEATS = 12
UNPAIRED_MS = 30.0
PAIRED = 1
# Two intervals found are one that the strap tells, within its rounding and the error of three peaks.
SAME_MS = 5.0


def r_peaks(data: Path, *, quick: bool) -> dict[str, Any]:
    """Score R peaks on every recording of `mitdb/`: causal beats as first told and as settled, NeuroKit2 offline."""
    result: dict[str, Any] = {}
    for rate_hz, up, down in ((MITDB_RATE_HZ, 1, 1), (MITDB_RATE_HZ * UP / DOWN, UP, DOWN)):
        tallies: dict[str, dict[str, list[Counts]]] = {}
        by_record = {}
        for path in records.recordings(data / "mitdb"):
            ecg_mv = columns(path, "ecg_mv")["ecg_mv"]
            ecg_mv = ecg_mv[: len(ecg_mv) // 6] if quick else ecg_mv
            seconds = len(ecg_mv) / MITDB_RATE_HZ
            true_s = columns(path.with_name(path.name.replace(".csv.gz", ".beats.csv")), "beat_s")["beat_s"]
            ecg_mv = records.resampled(ecg_mv, up=up, down=down) if up != down else ecg_mv
            found = _ours(ecg_mv, rate_hz=rate_hz)
            found |= rivals.r_peaks(ecg_mv, rate_hz=rate_hz)
            scores = {name: _score(true_s, found_ns, seconds=seconds) for name, found_ns in found.items()}
            by_record[path.name.split(".")[0]] = {
                name: {tolerance: c.as_dict() for tolerance, c in parts.items()}
                for name, parts in scores.items()
                if name.startswith("becalm")
            }
            for name, parts in scores.items():
                for tolerance, counts in parts.items():
                    tallies.setdefault(name, {}).setdefault(tolerance, []).append(counts)
        result[f"{rate_hz:.0f}_hz"] = {
            "all_records": {
                name: {tolerance: total(counts).as_dict() for tolerance, counts in parts.items()}
                for name, parts in tallies.items()
            },
            "by_record": by_record,
        }
    return result


def _ours(ecg_mv: Samples, *, rate_hz: float) -> dict[str, list[int]]:
    derived = derive((stream(SignalKind.ECG, rate_hz=rate_hz), 1000.0 * ecg_mv))
    return {
        "becalm_at_once": [beat.t_ns for beat in beats(derived, confirmed=False)],
        "becalm_settled": [beat.t_ns for beat in beats(derived, confirmed=True)],
    }


def _score(true_s: Samples, found_ns: Sequence[int], *, seconds: float) -> dict[str, Counts]:
    """Score after learning and before the end; and once more without the stretches that nobody annotated."""
    true_ns = times_ns(true_s)
    window_ns = range(round(LEARNING_S * NS_PER_S), round((seconds - 0.5) * NS_PER_S))
    holes = unannotated(true_ns, longer_than_s=UNANNOTATED_S)
    inside = [t for t in found_ns if not any(a + NS_PER_S // 5 < t < b - NS_PER_S // 5 for a, b in holes)]
    scores = {}
    for within_ms in WITHIN_MS:
        scores[f"within_{within_ms:.0f}_ms"] = count(true_ns, inside, within_ms=within_ms, window_ns=window_ns)
        with_holes = count(true_ns, found_ns, within_ms=within_ms, window_ns=window_ns)
        scores[f"within_{within_ms:.0f}_ms_unannotated_too"] = with_holes
    return scores


def heart_rate(data: Path, *, quick: bool) -> dict[str, Any]:
    """Score the whole-recording rate on `bidmc/` (intensive care, lead II) against NeuroKit2's ECG and its PPG."""
    by_record = {}
    for path in records.recordings(data / "bidmc")[: 4 if quick else None]:
        told = columns(path, "ecg_mv", "ppg_au")
        derived = derive((stream(SignalKind.ECG, rate_hz=BIDMC_RATE_HZ), 1000.0 * told["ecg_mv"]))
        shown = [event.heart_rate_bpm.value for event in derived if isinstance(event, Metrics)]
        known = [bpm for bpm in shown if bpm is not None]
        by_record[path.name.split(".")[0]] = {
            "becalm_bpm": _mean_bpm(derived),
            "shown_mean_bpm": round(float(np.mean(known)), 2) if known else None,
            "shown_pct": round(100.0 * len(known) / len(shown), 1),
            "becalm_ppg_bpm": _mean_bpm(derive((stream(SignalKind.PPG_1, rate_hz=BIDMC_RATE_HZ), told["ppg_au"]))),
            **rivals.heart_rates(told["ecg_mv"], told["ppg_au"], rate_hz=BIDMC_RATE_HZ),
        }
    near = [_near_any(rates) for rates in by_record.values()]
    return {
        "reference": "the recordings here hold no monitor numerics: NeuroKit2 on the ECG and on the PPG",
        "records": len(near),
        "within_5_bpm_of_either": sum(near),
        "ppg_within_5_bpm_of_ecg": sum(_near(r["becalm_ppg_bpm"], r["becalm_bpm"]) for r in by_record.values()),
        "by_record": by_record,
    }


def _mean_bpm(derived: Sequence[Derived]) -> float | None:
    ours_ms = [beat.rr_corrected_ms for beat in beats(derived, confirmed=True) if beat.rr_corrected_ms is not None]
    return round(60_000.0 / float(np.mean(ours_ms)), 2) if ours_ms else None


def _near(ours_bpm: float | None, other_bpm: float | None) -> bool:
    return ours_bpm is not None and other_bpm is not None and abs(ours_bpm - other_bpm) <= 5.0


def _near_any(rates: dict[str, float | None]) -> bool:
    return any(_near(rates["becalm_bpm"], bpm) for name, bpm in rates.items() if name.startswith("neurokit2"))


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


def beat_delay(data: Path, *, quick: bool) -> dict[str, Any]:
    """Measure from the R wave to the sample at which its beat was told, on `mitdb/`; transport is not in it."""
    delays_ms: list[float] = []
    for path in records.recordings(data / "mitdb")[: 2 if quick else None]:
        ecg_mv = columns(path, "ecg_mv")["ecg_mv"][: round(300 * MITDB_RATE_HZ)]
        derived = derive((stream(SignalKind.ECG, rate_hz=MITDB_RATE_HZ), 1000.0 * ecg_mv))
        told = [beat for beat in beats(derived, confirmed=False) if s_from_ns(beat.t_ns) > LEARNING_S]
        delays_ms += [(beat.emitted_ns - beat.t_ns) / NS_PER_MS for beat in told]
    return {f"p{p}_ms": round(float(np.quantile(delays_ms, p / 100)), 1) for p in (50, 95, 99, 100)}
