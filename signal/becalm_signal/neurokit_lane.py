"""The slow lane: NeuroKit2 on windows and whole recordings, in a worker process.

Both functions are picklable and return plain numbers and text. What NeuroKit2 cannot do with a window or a recording is
told in words.
"""

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from becalm_protocol.events import SignalKind
from becalm_signal.neurokit_signals import (
    RawSignal,
    Samples,
    TooLittleError,
    decomposed,
    finite,
    in_words,
    longest_stretch,
    neurokit,
    usable_stretch,
)
from becalm_signal.neurokit_window import MIN_BEATS, MIN_BREATHS, WindowReport, window_report

__all__ = ["RawSignal", "WindowReport", "session_report", "window_report"]
UV_PER_MV = 1000.0


def session_report(signals: Sequence[RawSignal], *, rr_ms: Sequence[float] = ()) -> dict[str, Any]:
    """Return NeuroKit2's view of a whole recording, and in words what it could not do.

    Parameters
    ----------
    signals : whole streams in counts, shape (n_samples,) each
    rr_ms : accepted intervals in ms, shape (n_beats,), for recordings that have no ECG

    Returns
    -------
    numbers by NeuroKit2's names in its units, and its version

    References
    ----------
    Makowski et al. 2021, DOI 10.3758/s13428-020-01516-y.
    """
    began_s = time.perf_counter()
    with neurokit() as nk:
        report: dict[str, Any] = {"neurokit2": nk.__version__, "numpy": np.__version__}
        for raw in signals:
            if raw.kind in _CHAINS:
                samples = np.asarray(raw.counts, dtype=np.float64) * raw.unit_per_count
                report[raw.kind.value] = _attempt(_CHAINS[raw.kind], nk, samples, raw.sample_rate_hz)
        if rr_ms:
            report["rr"] = {"n_beats": len(rr_ms), **_hrv(rr_ms)}
    report["computed_in_s"] = round(time.perf_counter() - began_s, 3)
    return report


# ------------------------------------------------------------------------------------------------------------ chains
def _hrv(rr_ms: Sequence[float]) -> dict[str, float]:
    told = window_report(rr_ms=rr_ms, beats_s=(np.cumsum(rr_ms) / 1000.0).tolist())
    return told.indices


def _ecg(nk: Any, samples: Samples, rate_hz: float) -> dict[str, Any]:
    whole_hz = round(rate_hz)
    clean = nk.ecg_clean(samples / UV_PER_MV, sampling_rate=whole_hz)
    _, info = nk.ecg_peaks(clean, sampling_rate=whole_hz)
    peaks = np.asarray(info["ECG_R_Peaks"])
    if len(peaks) <= MIN_BEATS:
        raise TooLittleError(f"expected at least {MIN_BEATS + 1} heartbeats, NeuroKit2 found {len(peaks)}")
    rr_ms = (np.diff(peaks) / rate_hz * 1000.0).tolist()
    return {"n_beats": len(peaks), "heart_rate_bpm": 60_000.0 / float(np.mean(rr_ms)), **_hrv(rr_ms)}


def _respiration(nk: Any, samples: Samples, rate_hz: float) -> dict[str, Any]:
    whole_hz = round(rate_hz)
    clean = nk.rsp_clean(samples, sampling_rate=whole_hz)
    _, info = nk.rsp_peaks(clean, sampling_rate=whole_hz)
    peaks = np.asarray(info["RSP_Peaks"])
    if len(peaks) < MIN_BREATHS:
        raise TooLittleError(f"expected at least {MIN_BREATHS} breaths, NeuroKit2 found {len(peaks)}")
    periods_s = np.diff(peaks) / rate_hz
    return {
        "n_breaths": len(peaks),
        "breathing_rate_bpm": 60.0 / float(np.mean(periods_s)),
        "breath_irregularity": float(np.std(periods_s, ddof=1) / np.mean(periods_s)),
    }


def _skin(nk: Any, samples: Samples, rate_hz: float) -> dict[str, Any]:
    tonic, amplitudes_us = decomposed(nk, samples, rate_hz)
    return {
        "scl_us": float(np.mean(tonic)),
        "scl_first_minute_us": float(np.mean(tonic[: round(60 * rate_hz)])),
        "scl_last_minute_us": float(np.mean(tonic[-round(60 * rate_hz) :])),
        "n_scr": len(amplitudes_us),
        "scr_per_min": len(amplitudes_us) / (len(samples) / rate_hz / 60.0),
    }


_CHAINS: dict[SignalKind, Callable[[Any, Samples, float], dict[str, Any]]] = {
    SignalKind.ECG: _ecg,
    SignalKind.RESPIRATION: _respiration,
    SignalKind.SKIN_CONDUCTANCE: _skin,
}


def _attempt(
    chain: Callable[[Any, Samples, float], dict[str, Any]], nk: Any, samples: Samples, rate_hz: float
) -> dict[str, Any]:
    try:
        stretch = usable_stretch(samples, rate_hz)
        return {"used_s": round(len(stretch) / rate_hz, 3), **finite(chain(nk, stretch, rate_hz))}
    except Exception as exc:  # noqa: BLE001  (NeuroKit2 raises whatever numpy or pandas raise on bad data)
        return {"used_s": round(len(longest_stretch(samples)[1]) / rate_hz, 3), "failed": in_words(exc)}
