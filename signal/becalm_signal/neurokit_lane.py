"""The slow lane: NeuroKit2 on windows and whole recordings, in a worker process; the only importer of neurokit2.

Every function is picklable and returns plain numbers and text. NeuroKit2 needs 2 s and 200 MB to import: it is imported
inside.
"""

import math
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from becalm_protocol.events import SignalKind

Samples = NDArray[np.float64]
# Below this NeuroKit2's chains fail on too few beats or breaths; the longest stretch without a hole is used.
MIN_STRETCH_S = 10.0
MIN_BEATS = 10
# NeuroKit2 interpolates over the whole time that the intervals span: absurd ones would take all memory.
MIN_RR_MS = 100.0
MAX_RR_MS = 10_000.0
UV_PER_MV = 1000.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RawSignal:
    """One stream end to end, as counts."""

    kind: SignalKind
    sample_rate_hz: float
    unit_per_count: float
    counts: Sequence[float] | Samples
    """shape (n_samples,); NaN where samples are missing"""


def hrv_window(rr_ms: Sequence[float]) -> dict[str, float]:
    """Return NeuroKit2's HRV indices of one window, finite ones only, by NeuroKit2's own names.

    rr_ms: intervals in ms, shape (n_beats,), without holes. Frequency bands are not normalised: NeuroKit2's default
    normalised ones cannot be compared between windows. Empty for fewer than 10 intervals, or impossible ones.
    """
    if len(rr_ms) < MIN_BEATS or not all(MIN_RR_MS <= rr <= MAX_RR_MS for rr in rr_ms):
        return {}
    with _quiet():
        import neurokit2 as nk

        rri = np.asarray(rr_ms, dtype=np.float64)
        peaks = {"RRI": rri, "RRI_Time": np.cumsum(rri) / 1000.0}
        indices: dict[str, float] = {}
        for compute in (
            lambda: nk.hrv_time(peaks, sampling_rate=1000),
            lambda: nk.hrv_frequency(peaks, sampling_rate=1000, normalize=False),
            lambda: nk.hrv_nonlinear(peaks, sampling_rate=1000),
        ):
            indices |= _finite_row(compute)
    return indices


def session_report(signals: Sequence[RawSignal], *, rr_ms: Sequence[float] = ()) -> dict[str, Any]:
    """Return NeuroKit2's view of a whole recording: numbers and versions, and in words what it could not do.

    rr_ms: accepted intervals, for recordings that have no ECG.
    """
    began_s = time.perf_counter()
    with _quiet():
        import neurokit2 as nk

        report: dict[str, Any] = {"neurokit2": nk.__version__, "numpy": np.__version__}
        for raw in signals:
            if raw.kind in _CHAINS:
                samples = np.asarray(raw.counts, dtype=np.float64) * raw.unit_per_count
                report[raw.kind.value] = _attempt(_CHAINS[raw.kind], nk, samples, raw.sample_rate_hz)
        if rr_ms:
            report["rr"] = {"n_beats": len(rr_ms), **hrv_window(rr_ms)}
    report["computed_in_s"] = round(time.perf_counter() - began_s, 3)
    return report


# ------------------------------------------------------------------------------------------------------------ chains
def _ecg(nk: Any, samples: Samples, rate_hz: float) -> dict[str, Any]:
    whole_hz = round(rate_hz)
    clean = nk.ecg_clean(samples / UV_PER_MV, sampling_rate=whole_hz)
    _, info = nk.ecg_peaks(clean, sampling_rate=whole_hz)
    peaks = np.asarray(info["ECG_R_Peaks"])
    if len(peaks) < MIN_BEATS:
        raise ValueError(f"only {len(peaks)} beats found")
    hrv = hrv_window(tuple(np.diff(peaks) / rate_hz * 1000.0))
    return {"n_beats": len(peaks), "heart_rate_bpm": 60.0 * rate_hz / float(np.mean(np.diff(peaks))), **hrv}


def _respiration(nk: Any, samples: Samples, rate_hz: float) -> dict[str, Any]:
    whole_hz = round(rate_hz)
    clean = nk.rsp_clean(samples, sampling_rate=whole_hz)
    _, info = nk.rsp_peaks(clean, sampling_rate=whole_hz)
    peaks = np.asarray(info["RSP_Peaks"])
    if len(peaks) < 3:
        raise ValueError(f"only {len(peaks)} breaths found")
    periods_s = np.diff(peaks) / rate_hz
    return {
        "n_breaths": len(peaks),
        "breathing_rate_bpm": 60.0 / float(np.mean(periods_s)),
        "breath_irregularity": float(np.std(periods_s, ddof=1) / np.mean(periods_s)),
    }


def _skin(nk: Any, samples: Samples, rate_hz: float) -> dict[str, Any]:
    whole_hz = max(1, round(rate_hz))
    clean = nk.eda_clean(samples, sampling_rate=whole_hz)
    parts = nk.eda_phasic(clean, sampling_rate=whole_hz, method="highpass")
    tonic = parts["EDA_Tonic"].to_numpy()
    # Its own threshold is relative to the largest response; ours is absolute, so small ones are taken out here.
    _, info = nk.eda_peaks(parts["EDA_Phasic"].to_numpy(), sampling_rate=whole_hz, amplitude_min=0.01)
    amplitudes = np.asarray(info["SCR_Amplitude"], dtype=np.float64)
    n_responses = int(np.sum(amplitudes >= 0.05))
    return {
        "scl_us": float(np.mean(tonic)),
        "scl_first_minute_us": float(np.mean(tonic[: round(60 * rate_hz)])),
        "scl_last_minute_us": float(np.mean(tonic[-round(60 * rate_hz) :])),
        "n_scr": n_responses,
        "scr_per_min": n_responses / (len(samples) / rate_hz / 60.0),
    }


_CHAINS: dict[SignalKind, Callable[[Any, Samples, float], dict[str, Any]]] = {
    SignalKind.ECG: _ecg,
    SignalKind.RESPIRATION: _respiration,
    SignalKind.SKIN_CONDUCTANCE: _skin,
}


# ----------------------------------------------------------------------------------------------------------- plumbing
def _attempt(
    chain: Callable[[Any, Samples, float], dict[str, Any]], nk: Any, samples: Samples, rate_hz: float
) -> dict[str, Any]:
    stretch = _longest_stretch(samples)
    used_s = round(len(stretch) / rate_hz, 3)
    if used_s < MIN_STRETCH_S:
        return {"used_s": used_s, "failed": f"expected {MIN_STRETCH_S:.0f} s without a hole, got {used_s} s"}
    try:
        return {"used_s": used_s, **_finite(chain(nk, stretch, rate_hz))}
    except Exception as exc:  # noqa: BLE001  (NeuroKit2 raises whatever numpy or pandas raise on bad data)
        return {"used_s": used_s, "failed": f"NeuroKit2 gave up: {type(exc).__name__}: {exc}"[:300]}


def _longest_stretch(samples: Samples) -> Samples:
    holes = np.flatnonzero(~np.isfinite(samples))
    edges = np.concatenate(([-1], holes, [len(samples)]))
    longest = int(np.argmax(np.diff(edges)))
    return samples[edges[longest] + 1 : edges[longest + 1]]


def _finite_row(compute: Callable[[], Any]) -> dict[str, float]:
    try:
        row = compute().iloc[0].to_dict()
    except Exception:  # noqa: BLE001  (a window too short or too odd for this family of indices: the others still come)
        return {}
    return {str(name): float(number) for name, number in row.items() if _is_finite(number)}


def _finite(numbers: dict[str, Any]) -> dict[str, Any]:
    return {name: number for name, number in numbers.items() if _is_finite(number)}


def _is_finite(number: Any) -> bool:
    try:
        return math.isfinite(number)
    except TypeError:
        return False


@contextmanager
def _quiet() -> Iterator[None]:
    """NeuroKit2 warns up to 13 times a window on short data; the numbers it withholds tell the same."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        yield
