"""Is the simulated ECG too easy? NeuroKit2's detectors on noisy virtual people and on MIT-BIH, side by side. JSON.

python bench/bench_simulated_ecg.py [--people 48 --minutes 5]
Both are scored alike: one-to-one matching within +-150 ms and +-50 ms of true beats, the first 5 s left out, at 130 Hz
as a chest strap samples. The ranks of the detectors on both are compared by Spearman's correlation.
"""

import argparse
import csv
import gzip
import json
import time
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import signal, stats

from becalm_protocol.units import NS_PER_S, ns_from_s
from becalm_simulator.body import Body
from becalm_simulator.episode import EpisodeKind
from becalm_simulator.person import Person
from becalm_simulator.staging import seeded_disturbances

DATA = Path(__file__).resolve().parents[2] / "shared" / "data" / "mitdb"
RATE_HZ = 130
MITDB_RATE_HZ = 360
SKIPPED_S = 5.0
TOLERANCES_S = (0.150, 0.050)
METHODS = ("neurokit", "pantompkins1985", "hamilton2002", "elgendi2010", "kalidas2017", "rodrigues2021", "martinez2004")
DISTURBANCES_PER_HOUR = 90.0
# MIT-BIH was picked for difficult hearts: early beats (106, 119, 200, 208), atria without a rhythm (203, 222), small R
# waves beside tall P and T waves (108), broad complexes (207). So are these people: every so many have it.
DIFFICULT: tuple[tuple[int, dict[str, float]], ...] = (
    (3, {"ectopic_share": 0.08, "atrial_ectopic_share": 0.03}),
    (5, {"fibrillation_share": 1.0}),
    (6, {"r_wave_uv": 350.0, "p_wave_uv": 230.0, "t_wave_uv": 420.0, "q_share": 0.3, "s_share": 0.9}),
    (7, {"qrs_stretch": 2.0, "t_wave_uv": -350.0}),
)
Recording = tuple[str, NDArray[np.float64], NDArray[np.float64]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=48)
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--seed", type=int, default=300)
    arguments = parser.parse_args()
    started_s = time.monotonic()
    people = list(virtual_people(arguments.seed, n_people=arguments.people, seconds=60.0 * arguments.minutes))
    still = list(virtual_people(arguments.seed, n_people=arguments.people, seconds=60.0 * arguments.minutes, calm=True))
    records = list(mitdb(seconds=60.0 * arguments.minutes))
    result: dict[str, Any] = {
        "rate_hz": RATE_HZ,
        "minutes_each": arguments.minutes,
        "virtual_people": len(people),
        "mitdb_records": [name for name, *_ in records],
        "f1_pct": {},
    }
    for method in METHODS:
        result["f1_pct"][method] = {
            "simulated_noisy": score(people, method),
            "simulated_undisturbed": score(still, method),
            "mitdb": score(records, method) if records else None,
        }
    if records:
        result["rank_correlation"] = {
            key: round(rank_correlation(result["f1_pct"], key), 3) for key in ("at_150_ms", "at_50_ms")
        }
    result["took_s"] = round(time.monotonic() - started_s, 1)
    print(json.dumps(result, indent=2))


def virtual_people(seed: int, *, n_people: int, seconds: float, calm: bool = False) -> Iterable[Recording]:
    """Return noisy people as a strap's ECG in mV and their true beats; `calm`: the same people undisturbed."""
    for i in range(n_people):
        person = Person.from_seed(seed + i)
        for every, traits in DIFFICULT:
            if i % every == every - 1:
                person = replace(person, **traits)
        episodes = seeded_disturbances(seed + i, seconds=seconds, per_hour=DISTURBANCES_PER_HOUR)
        # Nobody can score beats that do not reach the electrodes, and MIT-BIH has no such stretches.
        shown = () if calm else tuple(e for e in episodes if e.kind is not EpisodeKind.OFF_BODY)
        body = Body(person, seed=seed + i, episodes=shown)
        body.until(ns_from_s(seconds))
        t_ns = np.arange(int(seconds * RATE_HZ), dtype=np.int64) * NS_PER_S // RATE_HZ
        yield str(seed + i), body.ecg_uv(t_ns) / 1000.0, np.asarray([beat.t_ns / NS_PER_S for beat in body.beats()])


def mitdb(*, seconds: float) -> Iterable[Recording]:
    """Return the first stretch of each record at 130 Hz, and its beats as cardiologists marked them."""
    for path in sorted(DATA.glob("*.csv.gz")) if DATA.is_dir() else []:
        with gzip.open(path, "rt", encoding="utf-8") as file:
            next(file)
            n_rows = int(seconds * MITDB_RATE_HZ)
            ecg_mv = np.asarray([float(row.rsplit(",", 1)[-1]) for _, row in zip(range(n_rows), file, strict=False)])
        beats = path.with_name(path.name.replace(".csv.gz", ".beats.csv"))
        with beats.open(newline="", encoding="utf-8") as file:
            beats_s = np.asarray([float(row["beat_s"]) for row in csv.DictReader(file)])
        resampled = signal.resample_poly(ecg_mv, RATE_HZ, MITDB_RATE_HZ)
        yield path.name[:3], np.asarray(resampled), beats_s[beats_s < seconds]


def score(recordings: Sequence[Recording], method: str) -> dict[str, Any]:
    """Return F1 in per cent over all beats of all recordings, and how many recordings the method could not do."""
    counts = {tolerance_s: np.zeros(3) for tolerance_s in TOLERANCES_S}
    n_failed = 0
    for _, ecg_mv, beats_s in recordings:
        found_s = detect(ecg_mv, method)
        n_failed += found_s is None
        last_s = len(ecg_mv) / RATE_HZ - 0.5
        true_s = beats_s[(beats_s >= SKIPPED_S) & (beats_s < last_s)]
        kept_s = np.asarray([t for t in (found_s if found_s is not None else []) if SKIPPED_S <= t < last_s])
        for tolerance_s in TOLERANCES_S:
            n_matched = matched(true_s, kept_s, tolerance_s=tolerance_s)
            counts[tolerance_s] += (n_matched, len(true_s), len(kept_s))
    f1 = {
        f"at_{round(1000 * tolerance_s)}_ms": round(200.0 * float(n) / float(n_true + n_found), 2)
        for tolerance_s, (n, n_true, n_found) in counts.items()
    }
    return {**f1, "failed": n_failed}


def detect(ecg_mv: NDArray[np.float64], method: str) -> NDArray[np.float64] | None:
    """Return R peaks in s by one NeuroKit2 method, cleaned its default way; None if it raised."""
    import neurokit2 as nk

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            clean = nk.ecg_clean(ecg_mv, sampling_rate=RATE_HZ, method="neurokit")
            _, found = nk.ecg_peaks(clean, sampling_rate=RATE_HZ, method=method)
        except (ValueError, IndexError, TypeError, ZeroDivisionError):
            return None
    return np.asarray(found["ECG_R_Peaks"], dtype=np.float64) / RATE_HZ


def matched(true_s: NDArray[np.float64], found_s: NDArray[np.float64], *, tolerance_s: float) -> int:
    """Return how many pairs lie within the tolerance, each beat and each detection used once, in order of time."""
    i = j = n = 0
    while i < len(true_s) and j < len(found_s):
        if abs(true_s[i] - found_s[j]) <= tolerance_s:
            i, j, n = i + 1, j + 1, n + 1
        elif true_s[i] < found_s[j]:
            i += 1
        else:
            j += 1
    return n


def rank_correlation(table: dict[str, Any], key: str) -> float:
    """Return Spearman's correlation of the detectors on both."""
    simulated, real = ([row[where][key] for row in table.values()] for where in ("simulated_noisy", "mitdb"))
    return float(stats.spearmanr(simulated, real).statistic)


if __name__ == "__main__":
    main()
