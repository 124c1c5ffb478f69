"""Beats, intervals and variability."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from becalm_cli.analyse import run_pipeline
from becalm_cli.signal_bench.records import Samples, beats, columns, derive, resampled, stream
from becalm_cli.signal_bench.variability import STRAP, notifications
from becalm_protocol.derived import Beat
from becalm_protocol.events import SignalKind
from becalm_protocol.units import NS_PER_S
from signal_plots.drawing import BLUE, FLAGS, GREY, INK, MITDB_HZ, SAND, band, draw_flags, panels, resting


def draw_beats(data: Path) -> Figure:
    """R peaks beside those of cardiologists: ectopy, noise, and bundle-branch block at a strap's 130 Hz."""
    figure, rows = plt.subplots(3, 1, figsize=(11, 7.5), layout="constrained")
    for axes, (record, start_s, words, to_strap) in zip(
        rows,
        (
            ("119", 300.0, "ventricular beats, 360 Hz", False),
            ("105", 1206.0, "noise, 360 Hz", False),
            ("208", 60.0, "ventricular and fused beats, resampled to 130 Hz", True),
        ),
        strict=True,
    ):
        _draw_record(axes, data / "mitdb", record, start_s=start_s, words=words, to_strap=to_strap)
    rows[-1].set_xlabel("s")
    shown = {words: line for axes in rows for line, words in zip(*axes.get_legend_handles_labels(), strict=True)}
    rows[-1].legend(shown.values(), shown.keys(), loc="lower right", ncols=len(shown), frameon=False)
    return figure


def _draw_record(axes: Axes, folder: Path, record: str, *, start_s: float, words: str, to_strap: bool) -> None:
    seconds = 10.0
    ecg_mv = columns(folder / f"{record}.csv.gz", "ecg_mv")["ecg_mv"][: round((start_s + 20.0) * MITDB_HZ)]
    rate_hz = MITDB_HZ
    if to_strap:
        ecg_mv, rate_hz = resampled(ecg_mv, up=13, down=36), 130.0
    derived = derive((stream(SignalKind.ECG, rate_hz=rate_hz), 1000.0 * ecg_mv))
    true_s = columns(folder / f"{record}.beats.csv", "beat_s")["beat_s"]
    inside = slice(round(start_s * rate_hz), round((start_s + seconds) * rate_hz))
    t_s = np.arange(len(ecg_mv))[inside] / rate_hz
    axes.plot(t_s, ecg_mv[inside], color=INK, lw=0.7)
    low, high = float(np.min(ecg_mv[inside])), float(np.max(ecg_mv[inside]))
    near = true_s[(true_s >= start_s) & (true_s < start_s + seconds)]
    axes.plot(near, np.full(len(near), high + 0.25), "|", color=GREY, ms=9, mew=1.5, label="cardiologists")
    for flag, color in FLAGS.items():
        found = [b.t_ns / NS_PER_S for b in beats(derived, confirmed=True) if b.flag is flag]
        shown = [t for t in found if start_s <= t < start_s + seconds]
        if shown:
            heights_mv = np.interp(shown, t_s, ecg_mv[inside])
            axes.plot(shown, heights_mv, "o", color=color, ms=4, label=f"becalm: {flag.value}")
    axes.set(title=f"MIT-BIH {record}: {words}", ylabel="mV", ylim=(low - 0.6, high + 0.5))
    axes.margins(x=0.01)


def draw_intervals(data: Path) -> Figure:
    """A strap's own intervals and ours out of its ECG; then a bad strap: flags, correction, and RMSSD."""
    figure, (pair, raw, rmssd) = plt.subplots(3, 1, figsize=(11, 8), layout="constrained")
    told = columns(data / "polar_h10" / "ecg_rr_pvc.csv.gz", "time_ns", "ecg_mV", "rr_ms")
    has_ecg = np.isfinite(told["ecg_mV"])
    took_s = float(told["time_ns"][has_ecg][-1] - told["time_ns"][has_ecg][0]) / NS_PER_S
    rate_hz = (int(np.sum(has_ecg)) - 1) / took_s
    derived = derive((stream(SignalKind.ECG, rate_hz=rate_hz), 1000.0 * told["ecg_mV"][has_ecg]))
    strap_ms = told["rr_ms"][np.isfinite(told["rr_ms"])]
    settled = beats(derived, confirmed=True)
    pair.plot(_laid_on(strap_ms, settled), strap_ms, "o", color="#cccccc", ms=8, label="the strap's own")
    draw_flags(pair, settled)
    pair.set(title=f"a Polar H10 with ectopic beats, {rate_hz:.2f} Hz: RR out of its ECG", xlim=(120, 215), ylabel="ms")
    pair.set_ylim(350, 1350)
    pair.legend(loc="upper right", ncols=6, frameon=False)
    lines = (data / "rr" / "noisy_rri.hrm").read_text(encoding="latin-1").split("[HRData]")[1].split()
    derived = run_pipeline([STRAP], notifications(np.array([float(line) for line in lines])))
    settled = beats(derived, confirmed=True)
    usable = [b for b in settled if b.rr_corrected_ms is not None]
    raw.plot(
        [b.t_ns / NS_PER_S for b in usable], [b.rr_corrected_ms or 0.0 for b in usable], color=SAND, lw=1.0,
        label="the intervals to use",
    )  # fmt: skip
    draw_flags(raw, settled)
    raw.set(title="intervals of a bad strap: as measured, and those to use in their place", ylabel="ms")
    raw.legend(loc="upper right", ncols=6, frameon=False)
    band(rmssd, derived, "rmssd_ms", color=BLUE)
    rmssd.set(
        title="its RMSSD of the last 60 s with bound; grey: withheld", ylabel="ms", xlabel="s", xlim=raw.get_xlim()
    )
    return figure


def _laid_on(strap_ms: Samples, settled: Sequence[Beat]) -> Samples:
    """Return times for a strap's untimed intervals: where thirty of them look most like thirty of ours."""
    at_s = np.array([beat.t_ns / NS_PER_S for beat in settled])
    ours_ms = np.array([beat.rr_ms or 0.0 for beat in settled])
    mine = int(np.searchsorted(at_s, 150.0))
    misfits = [
        float(np.mean(np.abs(strap_ms[k : k + 30] - ours_ms[mine : mine + 30]))) for k in range(len(strap_ms) - 30)
    ]
    ends_s = np.cumsum(strap_ms) / 1000.0
    return np.asarray(ends_s - ends_s[int(np.argmin(misfits))] + at_s[mine])


def draw_variability(data: Path) -> Figure:
    """Heart rate, time and frequency domain of a resting adult, each with its bound."""
    derived = resting(data)
    names = (
        ("heart_rate_bpm", "heart rate, /min"),
        ("sdnn_ms", "SDNN of 60 s, ms"),
        ("sd1_ms", "SD1 of 60 s, ms"),
        ("lf_ms2", "LF, ms$^2$"),
        ("hf_ms2", "HF, ms$^2$"),
        ("lf_peak_hz", "LF peak, Hz"),
    )
    return panels(derived, names, title="a resting adult, ECG at 100 Hz")
