"""Breathing rates against annotators: from impedance, from the ECG alone, and from nothing but its intervals.

In windows of 32 s every 4 s. The annotators marked the top of each breath, for troughs are broad and vague: tops are
held against tops.
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from becalm_cli.analyse import run_pipeline
from becalm_cli.signal_bench import records, rivals
from becalm_cli.signal_bench.attempts import each
from becalm_cli.signal_bench.heart_rate import BIDMC_RATE_HZ
from becalm_cli.signal_bench.records import Samples, columns, derive, stream
from becalm_cli.signal_bench.variability import STRAP, notifications
from becalm_protocol.derived import BreathPhase, BreathTurn, Derived
from becalm_protocol.events import SignalKind
from becalm_protocol.units import s_from_ns

WINDOW_S = 32.0
STEP_S = 4.0
LAST_S = 480.0
# The annotators themselves must agree for a window to say something.
MIN_BREATHS = 3
METHODS = ("becalm", "neurokit2", "second_annotator")


def from_impedance(data: Path, *, quick: bool) -> dict[str, Any]:
    """Score the breathing rate from impedance respiration on `bidmc/`."""
    return _score(data, quick=quick, kind=SignalKind.RESPIRATION)


def from_ecg(data: Path, *, quick: bool) -> dict[str, Any]:
    """Score the breathing rate from the ECG alone on `bidmc/`."""
    return _score(data, quick=quick, kind=SignalKind.ECG)


def from_intervals(data: Path, *, quick: bool) -> dict[str, Any]:
    """Score the breathing rate from the intervals of `bidmc/` alone, as a strap without an ECG would tell them."""
    return _score(data, quick=quick, kind=SignalKind.RR)


def _score(data: Path, *, quick: bool, kind: SignalKind) -> dict[str, Any]:
    paths = records.recordings(data / "bidmc")[: 4 if quick else None]
    windows, errors = each(paths, partial(_windows, kind=kind))
    n_windows = sum(n for n, _ in windows.values())
    together = {name: [bpm for _, told in windows.values() for bpm in told[name]] for name in METHODS}
    return {"windows": n_windows} | {name: _summary(told, n_windows) for name, told in together.items()} | errors


def _windows(path: Path, *, kind: SignalKind) -> tuple[int, dict[str, list[float]]]:
    """Return how many windows of a recording were annotated, and the errors of each method in them."""
    truth = columns(path.with_name(path.name.replace(".csv.gz", ".breaths.csv")), "annotator", "breath_s")
    true_s, second_s = (truth["breath_s"][truth["annotator"] == who] for who in (1, 2))
    told = columns(path, "ecg_mv", "rsp_au")
    found = dict(zip(METHODS, (_found_s(told, kind), _rival_s(told, kind), second_s), strict=True))
    starts_s = np.arange(0.0, LAST_S - WINDOW_S + 0.1, STEP_S).tolist()
    true_bpm = {start_s: bpm for start_s in starts_s if (bpm := _rate_bpm(true_s, start_s)) is not None}
    errors_bpm = {
        name: [bpm - true for start_s, true in true_bpm.items() if (bpm := _rate_bpm(tops_s, start_s)) is not None]
        for name, tops_s in found.items()
    }
    return len(true_bpm), errors_bpm


def _found_s(told: dict[str, Samples], kind: SignalKind) -> Samples:
    if kind is SignalKind.RESPIRATION:
        return np.array(_tops_s(derive((stream(kind, rate_hz=BIDMC_RATE_HZ), told["rsp_au"]))))
    derived = derive((stream(SignalKind.ECG, rate_hz=BIDMC_RATE_HZ), 1000.0 * told["ecg_mv"]))
    if kind is SignalKind.ECG:
        return np.array(_tops_s(derived))
    rr_ms = np.array([beat.rr_ms for beat in records.beats(derived, confirmed=True) if beat.rr_ms is not None])
    begun_s = next((s_from_ns(beat.t_ns) for beat in records.beats(derived, confirmed=True)), None)
    if begun_s is None or not len(rr_ms):
        return np.array([])
    return begun_s + np.array(_tops_s(run_pipeline([STRAP], notifications(rr_ms))))


def _tops_s(derived: Sequence[Derived]) -> list[float]:
    turns = (event for event in derived if isinstance(event, BreathTurn) and event.phase is BreathPhase.OUT)
    return sorted(s_from_ns(turn.t_ns) for turn in turns)


def _rival_s(told: dict[str, Samples], kind: SignalKind) -> Samples:
    if kind is not SignalKind.RESPIRATION:
        found = rivals.ecg_breath_tops_s(told["ecg_mv"], rate_hz=BIDMC_RATE_HZ)
    else:
        found = rivals.breath_tops_s(told["rsp_au"], rate_hz=BIDMC_RATE_HZ)
    return np.array([]) if found is None else found


def _rate_bpm(times_s: Samples, start_s: float) -> float | None:
    """Return the rate of the breaths that lie in a window, None where they do not span half of it."""
    inside = np.sort(times_s[(times_s >= start_s) & (times_s < start_s + WINDOW_S)])
    if len(inside) < MIN_BREATHS or inside[-1] - inside[0] < WINDOW_S / 2.0:
        return None
    return float(60.0 * (len(inside) - 1) / (inside[-1] - inside[0]))


def _summary(errors_bpm: Sequence[float], n_windows: int) -> dict[str, Any]:
    if not errors_bpm:
        return {"reported_pct": 0.0, "mae_bpm": None}
    size = np.abs(np.array(errors_bpm))
    return {
        "reported_pct": round(100.0 * len(size) / n_windows, 1),
        "mae_bpm": round(float(np.mean(size)), 3),
        "median_bpm": round(float(np.median(size)), 3),
        "within_2_bpm_pct": round(100.0 * float(np.mean(size <= 2.0)), 1),
    }
