"""Beats: R peaks against those of cardiologists, and how soon they are told."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from becalm_cli.signal_bench import records, rivals
from becalm_cli.signal_bench.attempts import each
from becalm_cli.signal_bench.f1 import Counts, count, total, unannotated
from becalm_cli.signal_bench.records import Samples, beats, columns, derive, stream, times_ns
from becalm_protocol.events import SignalKind
from becalm_protocol.units import NS_PER_MS, NS_PER_S, s_from_ns

MITDB_RATE_HZ = 360.0
# 130 Hz, as chest straps sample.
UP, DOWN = 13, 36
LEARNING_S = 5.0
WITHIN_MS = (150.0, 50.0)
# Sinus pauses stay below this; the annotators marked nothing during ventricular flutter (record 207).
UNANNOTATED_S = 5.0
DELAY_S = 300
RIVAL_WINDOWS_S, RIVAL_WINDOWS = (10, 60), 60


def r_peaks(data: Path, *, quick: bool) -> dict[str, Any]:
    """Score R peaks on every recording of `mitdb/`: causal beats as first told and as settled, NeuroKit2 offline."""
    result: dict[str, Any] = {}
    for rate_hz, up, down in ((MITDB_RATE_HZ, 1, 1), (MITDB_RATE_HZ * UP / DOWN, UP, DOWN)):
        tallies: dict[str, dict[str, list[Counts]]] = {}
        scores, errors = each(records.recordings(data / "mitdb"), partial(_scores, up=up, down=down, quick=quick))
        by_record = {
            record: {
                name: {tolerance: c.as_dict() for tolerance, c in parts.items()}
                for name, parts in by_method.items()
                if name.startswith("becalm")
            }
            for record, by_method in scores.items()
        }
        for by_method in scores.values():
            for name, parts in by_method.items():
                for tolerance, counts in parts.items():
                    tallies.setdefault(name, {}).setdefault(tolerance, []).append(counts)
        result[f"{rate_hz:.0f}_hz"] = {
            "all_records": {
                name: {tolerance: total(counts).as_dict() for tolerance, counts in parts.items()}
                for name, parts in tallies.items()
            },
            "by_record": by_record,
        }
        result |= errors
    return result


def _scores(path: Path, *, up: int, down: int, quick: bool) -> dict[str, dict[str, Counts]]:
    """Return the counts of each method on one recording, by tolerance."""
    ecg_mv = columns(path, "ecg_mv")["ecg_mv"]
    ecg_mv = ecg_mv[: len(ecg_mv) // 6] if quick else ecg_mv
    seconds = len(ecg_mv) / MITDB_RATE_HZ
    true_s = columns(path.with_name(path.name.replace(".csv.gz", ".beats.csv")), "beat_s")["beat_s"]
    rate_hz = MITDB_RATE_HZ * up / down
    ecg_mv = records.resampled(ecg_mv, up=up, down=down) if up != down else ecg_mv
    found = _ours(ecg_mv, rate_hz=rate_hz) | rivals.r_peaks(ecg_mv, rate_hz=rate_hz)
    return {name: _score(true_s, found_ns, seconds=seconds) for name, found_ns in found.items()}


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


def beat_delay(data: Path, *, quick: bool) -> dict[str, Any]:
    """Measure from the R wave to the sample at which its beat was told, on `mitdb/`; transport is not in it.

    NeuroKit2 knows whole stretches only: its beats are told when a window that is looked at once a second first shows
    them, in no time.
    """
    delays, errors = each(records.recordings(data / "mitdb")[: 2 if quick else None], _delays)
    names = next(iter(delays.values()))
    together = {name: [ms for by_name in delays.values() for ms in by_name[name]] for name in names}
    return {name: _quantiles(told) for name, told in together.items()} | errors


def _delays(path: Path) -> dict[str, list[float]]:
    ecg_mv = columns(path, "ecg_mv")["ecg_mv"][: round(DELAY_S * MITDB_RATE_HZ)]
    derived = derive((stream(SignalKind.ECG, rate_hz=MITDB_RATE_HZ), 1000.0 * ecg_mv))
    told = [beat for beat in beats(derived, confirmed=False) if s_from_ns(beat.t_ns) > LEARNING_S]
    delays = {"becalm": [(beat.emitted_ns - beat.t_ns) / NS_PER_MS for beat in told]}
    for window_s in RIVAL_WINDOWS_S:
        delays[f"neurokit2_windows_of_{window_s}_s"] = rivals.window_delays_ms(
            ecg_mv, rate_hz=MITDB_RATE_HZ, window_s=window_s, n_windows=RIVAL_WINDOWS
        )
    return delays


def _quantiles(delays_ms: Sequence[float]) -> dict[str, float | None]:
    return {
        f"p{p}_ms": round(float(np.quantile(delays_ms, p / 100)), 1) if delays_ms else None for p in (50, 95, 99, 100)
    }
