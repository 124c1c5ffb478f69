"""NeuroKit2 on the same recordings: whole recordings at once, which a live pipeline never has."""

import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import neurokit2 as nk
import numpy as np

from becalm_cli.signal_bench.records import Samples
from becalm_protocol.units import NS_PER_S

SAME_BEAT_S = 0.1
R_PEAK_METHODS = ("neurokit", "pantompkins1985", "khamis2016")


def quietly(function: Callable[[], Any]) -> Any:
    """Return what NeuroKit2 gives, None where it fails; its warnings are not ours."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            return function()
        except Exception:  # noqa: BLE001 - whatever it meets in odd recordings, the bench goes on
            return None


def r_peaks(ecg_mv: Samples, *, rate_hz: float) -> dict[str, list[int]]:
    """Return the R peaks of some methods in ns."""
    whole_hz = round(rate_hz)
    found = {}
    for method in R_PEAK_METHODS:
        peaks = quietly(partial(_r_peaks, ecg_mv, whole_hz=whole_hz, method=method))
        peaks = () if peaks is None else peaks
        found[f"neurokit2_{method}"] = [round(int(at) * NS_PER_S / rate_hz) for at in peaks]
    return found


def peak_positions(ecg: Samples, *, rate_hz: float) -> Samples:
    """Return the positions of the R peaks by NeuroKit2's own method: whole samples."""
    found = quietly(partial(_r_peaks, ecg, whole_hz=round(rate_hz), method="neurokit"))
    return np.array([], dtype=np.int64) if found is None else np.asarray(found, dtype=np.int64)


def window_delays_ms(ecg: Samples, *, rate_hz: float, window_s: int, n_windows: int) -> list[float]:
    """Return how long after its R peak each beat is first seen in a window that moves on by a second."""
    told_s: list[float] = []
    delays_ms = []
    for end_s in range(window_s, window_s + n_windows):
        start_s = end_s - window_s
        part = ecg[round(start_s * rate_hz) : round(end_s * rate_hz)]
        found_s = (start_s + peak_positions(part, rate_hz=rate_hz) / rate_hz).tolist()
        new_s = [t_s for t_s in found_s if not any(abs(t_s - known_s) <= SAME_BEAT_S for known_s in told_s)]
        # Those that lie before the first window's end were not heard live.
        delays_ms += [1000.0 * (end_s - t_s) for t_s in new_s if t_s >= window_s]
        told_s = [*told_s[-4 * window_s :], *new_s]
    return delays_ms


def unacceptable(ecg: Samples, *, rate_hz: float) -> list[bool]:
    """Return for each whole 10 s whether the signal-quality index of Zhao & Zhang 2018 calls the ECG unacceptable."""
    whole_hz = round(rate_hz)
    size = round(10.0 * rate_hz)
    verdicts = []
    for start in range(0, len(ecg) - size + 1, size):
        part = ecg[start : start + size]
        verdict = quietly(partial(_quality, part, whole_hz=whole_hz))
        verdicts.append(verdict in {None, "Unacceptable"})
    return verdicts


def _quality(ecg: Samples, *, whole_hz: int) -> Any:
    return nk.ecg_quality(nk.ecg_clean(ecg, whole_hz), sampling_rate=whole_hz, method="zhao2018")


def corrected_rmssd_ms(rr_ms: Samples) -> float | None:
    """Return RMSSD after NeuroKit2's artefact correction (Lipponen & Tarvainen 2019, whole series, iterated)."""

    def correct() -> float:
        peaks = np.rint(np.concatenate([[0.0], np.cumsum(rr_ms)])).astype(int)
        _, fixed = nk.signal_fixpeaks(peaks, sampling_rate=1000, iterative=True, method="Kubios")
        return float(np.sqrt(np.mean(np.diff(np.diff(np.asarray(fixed, dtype=np.float64))) ** 2)))

    found: float | None = quietly(correct)
    return found


def _r_peaks(ecg_mv: Samples, *, whole_hz: int, method: str) -> Any:
    return nk.ecg_peaks(nk.ecg_clean(ecg_mv, whole_hz), whole_hz, method=method)[1]["ECG_R_Peaks"]


def heart_rates(ecg_mv: Samples, ppg_au: Samples, *, rate_hz: float) -> dict[str, float | None]:
    """Return mean heart rates from the ECG and from the PPG."""
    whole_hz = round(rate_hz)
    by_ecg = quietly(lambda: nk.ecg_peaks(nk.ecg_clean(ecg_mv, whole_hz), whole_hz)[1]["ECG_R_Peaks"])
    by_ppg = quietly(lambda: nk.ppg_findpeaks(nk.ppg_clean(ppg_au, whole_hz), whole_hz)["PPG_Peaks"])
    return {"neurokit2_ecg_bpm": _mean_bpm(by_ecg, rate_hz), "neurokit2_ppg_bpm": _mean_bpm(by_ppg, rate_hz)}


def _mean_bpm(peaks: Samples | None, rate_hz: float) -> float | None:
    if peaks is None or len(peaks) < 3:
        return None
    return round(60.0 * rate_hz / float(np.median(np.diff(peaks))), 2)


def breath_tops_s(respiration: Samples, *, rate_hz: float) -> Samples | None:
    """Return the tops of the breaths in a breathing signal."""
    whole_hz = round(rate_hz)
    told = quietly(lambda: nk.rsp_peaks(nk.rsp_clean(respiration, whole_hz), whole_hz)[1]["RSP_Peaks"])
    return None if told is None else np.asarray(told) / rate_hz


def ecg_breath_tops_s(ecg_mv: Samples, *, rate_hz: float) -> Samples | None:
    """Return the tops of the breaths in the respiration that NeuroKit2 derives from an ECG."""
    whole_hz = round(rate_hz)

    def derive() -> Samples:
        peaks = nk.ecg_peaks(nk.ecg_clean(ecg_mv, whole_hz), whole_hz)[1]
        bpm = nk.signal_rate(peaks["ECG_R_Peaks"], sampling_rate=whole_hz, desired_length=len(ecg_mv))
        return np.asarray(nk.ecg_rsp(bpm, sampling_rate=whole_hz))

    respiration = quietly(derive)
    return None if respiration is None else breath_tops_s(respiration, rate_hz=rate_hz)


def skin_responses_s(eda_us: Samples, *, rate_hz: float) -> Samples:
    """Return onsets of skin-conductance responses by NeuroKit2's own settings."""
    whole_hz = max(1, round(rate_hz))

    def find() -> Samples:
        phasic = nk.eda_phasic(nk.eda_clean(eda_us, whole_hz), sampling_rate=whole_hz)["EDA_Phasic"]
        return np.asarray(nk.eda_peaks(phasic.to_numpy(), sampling_rate=whole_hz)[1]["SCR_Onsets"], dtype=np.float64)

    found = quietly(find)
    return np.array([]) if found is None else found[np.isfinite(found)] / rate_hz
