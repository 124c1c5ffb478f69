"""One window of a live session by NeuroKit2: HRV, RSA and skin conductance, each family told or withheld in words."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from becalm_protocol.events import SignalKind
from becalm_signal.neurokit_signals import (
    RawSignal,
    Samples,
    TooLittleError,
    bridged,
    decomposed,
    finite,
    in_words,
    longest_stretch,
    neurokit,
    usable_stretch,
)

MIN_BEATS = 10
MIN_BREATHS = 3
# NeuroKit2 interpolates over the whole time that the intervals span: absurd ones would take all memory.
MIN_RR_MS = 100.0
MAX_RR_MS = 10_000.0
# Spectra and entropies read a hole as one long interval: the intervals must fill this share of their time.
MIN_FILLED_SHARE = 0.8
# Two and a half cycles of the lowest frequency of the band, 0.04 Hz.
MIN_LF_S = 62.5
LOW_FREQUENCIES = ("ULF", "VLF", "LF", "TP", "HFn")
# Gates' method slides a window of 32 s; the grid on which breath and beats meet places a beat within 2 ms.
MIN_RSA_S = 33.0
RSA_GRID_HZ = 250.0
# Beats whose distance differs from the interval by more have something between them (NeuroKit2 uses the same limit).
HOLE_S = 0.010


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowReport:
    """What NeuroKit2 makes of one window."""

    indices: dict[str, float]
    """By NeuroKit2's own names, finite values only."""
    withheld: dict[str, str]
    """Each family (time, frequency, nonlinear, rsa, eda) of which something is missing, with the reason in words."""


def window_report(
    *, rr_ms: Sequence[float], beats_s: Sequence[float], signals: Sequence[RawSignal] = ()
) -> WindowReport:
    """Return NeuroKit2's HRV (time, frequency, non-linear), RSA and skin-conductance indices of one window.

    Where beats are left out between two intervals their difference does not count. Frequency bands are in ms^2, not
    normalised: NeuroKit2's default cannot be compared between windows.

    Parameters
    ----------
    rr_ms : usable intervals in ms, shape (n_beats,)
    beats_s : when each ends, in s from the start of the window, shape (n_beats,)
    signals : breathing and skin conductance from the start of the window on

    Returns
    -------
    indices by NeuroKit2's names, and what was withheld and why

    Notes
    -----
    Delay: the window and the computing, some 0.1 s.

    References
    ----------
    Task Force 1996, DOI 10.1161/01.CIR.93.5.1043; RSA: Lewis et al. 2012, DOI 10.1111/j.1469-8986.2011.01286.x.
    """
    by_kind = {raw.kind: raw for raw in signals}
    skin = by_kind.pop(SignalKind.SKIN_CONDUCTANCE, None)
    breathing = next(iter(by_kind.values()), None)
    rr, ends_s = np.asarray(rr_ms, dtype=np.float64), np.asarray(beats_s, dtype=np.float64)
    indices: dict[str, float] = {}
    withheld: dict[str, str] = {}
    with neurokit() as nk:
        families: dict[str, Callable[[], dict[str, Any]]] = {
            "time": lambda: _first_row(nk.hrv_time(_peaks(rr, ends_s), sampling_rate=1000)),
            "frequency": lambda: _frequency(nk, rr, ends_s, withheld),
            "nonlinear": lambda: _first_row(nk.hrv_nonlinear(_filled(rr, ends_s), sampling_rate=1000)),
            "rsa": lambda: _rsa(nk, breathing, rr, ends_s),
            "eda": lambda: _skin_window(nk, skin),
        }
        for family, compute in families.items():
            try:
                indices |= finite(compute())
            except Exception as exc:  # noqa: BLE001  (NeuroKit2 raises whatever numpy or pandas raise on short data)
                withheld[family] = in_words(exc)
    return WindowReport(indices={name: float(number) for name, number in indices.items()}, withheld=withheld)


def _peaks(rr: Samples, ends_s: Samples) -> dict[str, Samples]:
    """Return intervals as NeuroKit2 takes them."""
    if len(rr) < MIN_BEATS:
        raise TooLittleError(f"expected at least {MIN_BEATS} usable intervals between beats, got {len(rr)}")
    if not bool(np.all((rr >= MIN_RR_MS) & (rr <= MAX_RR_MS))):
        raise TooLittleError(f"expected intervals of {MIN_RR_MS:.0f} to {MAX_RR_MS:.0f} ms, got others")
    return {"RRI": rr, "RRI_Time": ends_s}


def _filled(rr: Samples, ends_s: Samples) -> dict[str, Samples]:
    peaks = _peaks(rr, ends_s)
    share = float(np.sum(rr[1:]) / 1000.0 / (ends_s[-1] - ends_s[0]))
    if share < MIN_FILLED_SHARE:
        raise TooLittleError(
            f"expected usable intervals over {MIN_FILLED_SHARE:.0%} of their time, got {share:.0%}: too many holes"
        )
    return peaks


def _frequency(nk: Any, rr: Samples, ends_s: Samples, withheld: dict[str, str]) -> dict[str, Any]:
    row = _first_row(nk.hrv_frequency(_filled(rr, ends_s), sampling_rate=1000, normalize=False))
    span_s = float(ends_s[-1] - ends_s[0] + rr[0] / 1000.0)
    if span_s >= MIN_LF_S:
        return row
    withheld["frequency"] = f"low frequencies need {MIN_LF_S} s of intervals, got {span_s:.1f} s"
    return {name: number for name, number in row.items() if not any(band in name for band in LOW_FREQUENCIES)}


def _rsa(nk: Any, breathing: RawSignal | None, rr: Samples, ends_s: Samples) -> dict[str, Any]:
    """Return RSA over the longest run of beats with breathing and without a hole."""
    if breathing is None:
        raise TooLittleError("no breathing signal")
    run = _longest_run(_peaks(rr, ends_s)["RRI"], ends_s)
    breath = bridged(breathing)
    t_s = np.arange(run[0], run[-1], 1.0 / RSA_GRID_HZ)
    at_s = np.arange(len(breath)) / breathing.sample_rate_hz
    where, samples = longest_stretch(np.interp(t_s, at_s, breath, left=math.nan, right=math.nan))
    t_s = t_s[where : where + len(samples)]
    used_s = len(samples) / RSA_GRID_HZ
    if used_s < MIN_RSA_S:
        raise TooLittleError(f"expected {MIN_RSA_S:.0f} s of beats and breathing without a hole, got {used_s:.0f} s")
    import pandas as pd  # type: ignore[import-untyped]

    whole_hz = round(RSA_GRID_HZ)
    at = np.rint((run[(run >= t_s[0]) & (run <= t_s[-1])] - t_s[0]) * RSA_GRID_HZ).astype(int)
    clean = nk.rsp_clean(samples, sampling_rate=whole_hz)
    turns, info = nk.rsp_peaks(clean, sampling_rate=whole_hz)
    if len(info["RSP_Peaks"]) < MIN_BREATHS:
        raise TooLittleError(f"expected at least {MIN_BREATHS} breaths, got {len(info['RSP_Peaks'])}")
    phase = nk.rsp_phase(turns, desired_length=len(samples))
    heart_bpm = nk.signal_rate(at, sampling_rate=whole_hz, desired_length=len(samples))
    told = nk.hrv_rsa(
        pd.DataFrame({"ECG_Rate": heart_bpm}),
        pd.concat([turns, phase, pd.DataFrame({"RSP_Clean": clean})], axis=1),
        rpeaks=at,
        sampling_rate=whole_hz,
        continuous=False,
    )
    return {str(name): float(np.ravel(number)[0]) for name, number in told.items()}


def _longest_run(rr: Samples, ends_s: Samples) -> Samples:
    """Return the times of the longest run of beats between which nothing is left out."""
    breaks = np.flatnonzero(np.abs(np.diff(ends_s) - rr[1:] / 1000.0) > HOLE_S) + 1
    runs = np.split(np.arange(len(rr)), breaks)
    run = max(runs, key=lambda idx: float(ends_s[idx[-1]] - ends_s[idx[0]]))
    return np.concatenate(([ends_s[run[0]] - rr[run[0]] / 1000.0], ends_s[run]))


def _skin_window(nk: Any, skin: RawSignal | None) -> dict[str, Any]:
    if skin is None:
        raise TooLittleError("no skin-conductance signal")
    samples = usable_stretch(bridged(skin), skin.sample_rate_hz)
    tonic, amplitudes_us = decomposed(nk, samples, skin.sample_rate_hz)
    return {
        "EDA_Tonic_Mean": np.mean(tonic),
        "EDA_Tonic_SD": np.std(tonic, ddof=1),
        "SCR_Peaks_N": len(amplitudes_us),
        "SCR_Peaks_Amplitude_Mean": np.mean(amplitudes_us) if len(amplitudes_us) else math.nan,
    }


def _first_row(table: Any) -> dict[str, Any]:
    return dict(table.iloc[0].to_dict())
