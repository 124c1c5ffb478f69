"""Where variability is won or lost: the times of beats in noise, and intervals with artefacts among them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.random import Generator

from becalm_cli.analyse import run_pipeline
from becalm_cli.matching import pair_up
from becalm_cli.signal_bench import rivals
from becalm_cli.signal_bench.records import Samples, beats, derive, numbers, stream
from becalm_protocol.derived import Derived, Metrics
from becalm_protocol.events import Clock, RrBlock, SignalKind, StreamInfo
from becalm_protocol.units import NS_PER_MS, NS_PER_S, RR_TICKS_PER_S
from becalm_signal.hrv import rmssd_ms
from becalm_simulator.body import Body

RATE_HZ = 130.0
# Electronics of a chest strap, the same with a dry electrode, and a tense muscle below it.
NOISE_UV = (8.0, 20.0, 50.0)
FIRST_PERSON = 9_100
SECONDS = 120
ARTEFACT_SHARE = 0.02
KINDS = ("missed", "extra", "ectopic")
SEEDS = 20
STRAP = StreamInfo(
    stream_id="rr", kind=SignalKind.RR, unit="1/1024 s", unit_per_count=1.0, clock=Clock.ARRIVAL, device="strap"
)


def beat_times(data: Path, *, quick: bool) -> dict[str, Any]:
    """Compare beats with the truth of undisturbed virtual people at 130 Hz, by the noise of the electrodes."""
    del data
    return {f"noise_{noise_uv:.0f}_uv": _beat_times(noise_uv, n_people=5 if quick else 25) for noise_uv in NOISE_UV}


def _beat_times(noise_uv: float, *, n_people: int) -> dict[str, Any]:
    ours: list[tuple[list[int], list[int]]] = []
    theirs: list[tuple[list[int], list[int]]] = []
    for seed in range(FIRST_PERSON, FIRST_PERSON + n_people):
        body = Body.from_seed(seed)
        body.until((SECONDS + 2) * NS_PER_S)
        t_ns = (np.arange(round(SECONDS * RATE_HZ)) * NS_PER_S / RATE_HZ).astype(np.int64)
        ecg_uv = body.ecg_uv(t_ns) + np.random.default_rng(seed).normal(0.0, noise_uv, len(t_ns))
        settled = beats(derive((stream(SignalKind.ECG, rate_hz=RATE_HZ), ecg_uv)), confirmed=True)
        true_ns = [beat.t_ns for beat in body.beats() if 5 * NS_PER_S < beat.t_ns < (SECONDS - 2) * NS_PER_S]
        peaks = rivals.peak_positions(ecg_uv / 1000.0, rate_hz=RATE_HZ)
        ours.append((true_ns, [beat.t_ns for beat in settled]))
        theirs.append((true_ns, [round(int(at) * NS_PER_S / RATE_HZ) for at in peaks]))
    return {"becalm": _placed(ours), "neurokit2": _placed(theirs)}


def _placed(people: Sequence[tuple[list[int], list[int]]]) -> dict[str, Any]:
    """Return how well beats are placed, by the people whose every beat was found: one missed beat says all else."""
    deviations_ms, shares, n_true, n_matched = [], [], 0, 0
    for true_ns, found_ns in people:
        pairs = pair_up(true_ns, found_ns, tolerance_ns=50 * NS_PER_MS)
        errors_ms = np.array([(found_ns[j] - true_ns[i]) / NS_PER_MS for i, j in pairs])
        n_true, n_matched = n_true + len(true_ns), n_matched + len(pairs)
        if len(pairs) == len(true_ns):
            deviations_ms.append(float(np.std(errors_ms)))
            by_truth, by_us = (rmssd_ms(np.diff(times).tolist()) for times in _both_ms(true_ns, found_ns, pairs))
            shares.append(by_us / by_truth - 1.0)
    if not shares:
        return {"beats": n_true, "matched": n_matched, "people_with_every_beat": 0}
    return {
        "beats": n_true,
        "matched": n_matched,
        "people_with_every_beat": len(shares),
        "jitter_sd_ms_median": round(float(np.median(deviations_ms)), 3),
        "jitter_sd_ms_p95": round(float(np.quantile(deviations_ms, 0.95)), 3),
        "rmssd_error_pct_median": round(100.0 * float(np.median(np.abs(shares))), 3),
        "rmssd_error_pct_p95": round(100.0 * float(np.quantile(np.abs(shares), 0.95)), 3),
    }


def _both_ms(true_ns: Sequence[int], found_ns: Sequence[int], pairs: Sequence[tuple[int, int]]) -> list[Samples]:
    return [
        np.array([true_ns[i] / NS_PER_MS for i, _ in pairs]),
        np.array([found_ns[j] / NS_PER_MS for _, j in pairs]),
    ]


def artefacts(data: Path, *, quick: bool) -> dict[str, Any]:
    """Compare the live RMSSD of a resting series with artefacts in one beat of fifty with that of the clean series."""
    rr_ms = numbers(data / "rr" / "rest_rri.txt")
    clean = _live_rmssd(rr_ms)
    result: dict[str, Any] = {"n_beats": len(rr_ms), "share": ARTEFACT_SHARE}
    for kind in KINDS:
        shares, n_withheld, naive, theirs = [], 0, [], []
        for seed in range(3 if quick else SEEDS):
            spoilt = _spoil(rr_ms, kind=kind, rng=np.random.default_rng([seed, KINDS.index(kind)]))
            true_ms = rmssd_ms(rr_ms.tolist())
            naive.append(rmssd_ms(spoilt.tolist()) / true_ms - 1.0)
            corrected_ms = rivals.corrected_rmssd_ms(spoilt)
            theirs += [] if corrected_ms is None else [abs(corrected_ms / true_ms - 1.0)]
            for t_ns, value in _live_rmssd(spoilt).items():
                true = clean.get(t_ns)
                if true is None:
                    continue
                n_withheld += value is None
                shares += [] if value is None else [value / true - 1.0]
        size = 100.0 * np.abs(np.array(shares))
        result[kind] = {
            "reported_pct": round(100.0 * len(shares) / (len(shares) + n_withheld), 1),
            "error_pct_median": round(float(np.median(size)), 2),
            "error_pct_p95": round(float(np.quantile(size, 0.95)), 2),
            "within_5_pct": round(100.0 * float(np.mean(size <= 5.0)), 1),
            "uncorrected_error_pct": round(100.0 * float(np.mean(naive)), 1),
            "neurokit2_whole_series_error_pct_median": round(100.0 * float(np.median(theirs)), 2) if theirs else None,
            "neurokit2_whole_series_error_pct_max": round(100.0 * float(np.max(theirs)), 2) if theirs else None,
        }
    return result


def _spoil(rr_ms: Samples, *, kind: str, rng: Generator) -> Samples:
    """Return the series with artefacts, of the same length in time; two of them are never neighbours."""
    out, at = [], 0
    while at < len(rr_ms):
        if rng.random() >= ARTEFACT_SHARE or at + 4 > len(rr_ms):
            out.append(rr_ms[at])
            at += 1
        elif kind == "missed":
            out += [rr_ms[at] + rr_ms[at + 1], rr_ms[at + 2]]
            at += 3
        elif kind == "extra":
            share = rng.uniform(0.3, 0.7)
            out += [share * rr_ms[at], (1.0 - share) * rr_ms[at], rr_ms[at + 1]]
            at += 2
        else:
            early_ms = rng.uniform(0.2, 0.35) * rr_ms[at]
            out += [rr_ms[at] - early_ms, rr_ms[at + 1] + early_ms, rr_ms[at + 2]]
            at += 3
    return np.array(out)


def _live_rmssd(rr_ms: Samples) -> dict[int, float | None]:
    """Return the index at every tick after its first minute, None where it was withheld."""
    derived: list[Derived] = run_pipeline([STRAP], notifications(rr_ms))
    ticks = [event for event in derived if isinstance(event, Metrics) and event.t_ns > 75 * NS_PER_S]
    return {tick.t_ns: tick.rmssd_ms.value for tick in ticks if tick.t_ns % NS_PER_S == 0}


def notifications(rr_ms: Samples) -> list[RrBlock]:
    """Return what a strap tells once a second: the intervals that have ended, a second late."""
    ends_ns = np.rint(np.cumsum(rr_ms) * NS_PER_MS).astype(np.int64)
    ticks = np.diff(np.rint(np.concatenate([[0], ends_ns]) * RR_TICKS_PER_S / NS_PER_S).astype(np.int64))
    blocks = []
    for second in range(1, int(ends_ns[-1] // NS_PER_S) + 2):
        inside = (ends_ns > (second - 1) * NS_PER_S) & (ends_ns <= second * NS_PER_S)
        told = tuple(int(count) for count in ticks[inside])
        blocks.append(RrBlock(stream_id="rr", received_ns=(second + 1) * NS_PER_S, rr_1024=told))
    return blocks
