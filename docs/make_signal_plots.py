"""Draw docs/signal_*.png: what each stage of the live pipeline makes of real recordings.

python docs/make_signal_plots.py [--data ../shared/data] [--only beats]    (needs matplotlib)

The pipeline hears the recordings as a sensor would have sent them, in blocks of a quarter of a second.
"""

import argparse
from collections.abc import Callable, Iterable, Sequence
from itertools import zip_longest
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from becalm_cli.analyse import run_pipeline
from becalm_cli.signal_bench.records import Samples, beats, columns, derive, resampled, stream
from becalm_cli.signal_bench.variability import notifications
from becalm_protocol.derived import (
    Beat,
    BeatFlag,
    BreathPhase,
    BreathTurn,
    Derived,
    Index,
    Metrics,
    SignalQuality,
    SkinRecovery,
    SkinResponse,
    SlowMetrics,
)
from becalm_protocol.events import Clock, SignalKind, StreamInfo
from becalm_protocol.units import NS_PER_S

FOLDER = Path(__file__).parent
BLUE, SAND, INK, RED, GREY = "#3b6ea5", "#d9a441", "#333333", "#b5443a", "#9a9a9a"
MITDB_HZ, BIDMC_HZ, NEUROKIT_HZ = 360.0, 125.0, 100.0
FLAGS = {
    BeatFlag.OK: BLUE,
    BeatFlag.FIRST: GREY,
    BeatFlag.ECTOPIC: RED,
    BeatFlag.MISSED: SAND,
    BeatFlag.EXTRA: "#7b4ea5",
    BeatFlag.OUT_OF_RANGE: INK,
}


def main() -> None:
    """Draw all pictures, or the one that was named."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--only", choices=PICTURES)
    arguments = parser.parse_args()
    plt.rcParams.update({"font.size": 8, "axes.spines.top": False, "axes.spines.right": False, "axes.titlesize": 9})
    for name in [arguments.only] if arguments.only else PICTURES:
        figure = PICTURES[name](arguments.data)
        figure.savefig(FOLDER / f"signal_{name}.png", dpi=80, pil_kwargs={"optimize": True})
        plt.close(figure)


# ------------------------------------------------------------------------------------------------------------- beats
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


# ---------------------------------------------------------------------------------------------------- intervals, HRV
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
    _flags(pair, settled)
    pair.set(title=f"a Polar H10 with ectopic beats, {rate_hz:.2f} Hz: RR out of its ECG", xlim=(120, 215), ylabel="ms")
    pair.set_ylim(350, 1350)
    pair.legend(loc="upper right", ncols=6, frameon=False)
    lines = (data / "rr" / "noisy_rri.hrm").read_text(encoding="latin-1").split("[HRData]")[1].split()
    info = StreamInfo(
        stream_id="rr", kind=SignalKind.RR, unit="1/1024 s", unit_per_count=1.0, clock=Clock.ARRIVAL, device="strap"
    )
    derived = run_pipeline([info], notifications(np.array([float(line) for line in lines])))
    settled = beats(derived, confirmed=True)
    usable = [b for b in settled if b.rr_corrected_ms is not None]
    raw.plot(
        [b.t_ns / NS_PER_S for b in usable], [b.rr_corrected_ms or 0.0 for b in usable], color=SAND, lw=1.0,
        label="the intervals to use",
    )  # fmt: skip
    _flags(raw, settled)
    raw.set(title="intervals of a bad strap: as measured, and those to use in their place", ylabel="ms")
    raw.legend(loc="upper right", ncols=6, frameon=False)
    _band(rmssd, derived, "rmssd_ms", color=BLUE)
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


def _flags(axes: Axes, settled: Sequence[Beat]) -> None:
    for flag, color in FLAGS.items():
        mine = [b for b in settled if b.flag is flag and b.rr_ms is not None]
        if mine:
            at_s = [b.t_ns / NS_PER_S for b in mine]
            axes.plot(at_s, [b.rr_ms or 0.0 for b in mine], ".", color=color, ms=4, label=f"becalm: {flag.value}")


def draw_variability(data: Path) -> Figure:
    """Heart rate, time and frequency domain of a resting adult, each with its bound."""
    derived = _resting(data)
    names = (
        ("heart_rate_bpm", "heart rate, /min"),
        ("sdnn_ms", "SDNN of 60 s, ms"),
        ("sd1_ms", "SD1 of 60 s, ms"),
        ("lf_ms2", "LF, ms$^2$"),
        ("hf_ms2", "HF, ms$^2$"),
        ("lf_peak_hz", "LF peak, Hz"),
    )
    return _panels(derived, names, title="a resting adult, ECG at 100 Hz")


# --------------------------------------------------------------------------------------------------------- breathing
def draw_breathing(data: Path) -> Figure:
    """Turns of impedance respiration beside two annotators; the rate from impedance, and from the ECG alone."""
    told = columns(data / "bidmc" / "03.csv.gz", "ecg_mv", "rsp_au")
    truth = columns(data / "bidmc" / "03.breaths.csv", "annotator", "breath_s")
    belt = (stream(SignalKind.RESPIRATION, rate_hz=BIDMC_HZ), told["rsp_au"])
    ecg = (stream(SignalKind.ECG, rate_hz=BIDMC_HZ), 1000.0 * told["ecg_mv"])
    by_belt, by_ecg = derive(belt), derive(ecg)
    figure, (wave, rates) = plt.subplots(2, 1, figsize=(11, 6), layout="constrained")
    start_s, seconds = 200.0, 45.0
    inside = slice(round(start_s * BIDMC_HZ), round((start_s + seconds) * BIDMC_HZ))
    t_s = np.arange(len(told["rsp_au"])) / BIDMC_HZ
    wave.plot(t_s[inside], told["rsp_au"][inside], color=INK, lw=0.8)
    for phase, color, word in ((BreathPhase.IN, BLUE, "inhalation"), (BreathPhase.OUT, SAND, "exhalation")):
        turns = [e.t_ns / NS_PER_S for e in by_belt if isinstance(e, BreathTurn) and e.phase is phase]
        near = np.array([t for t in turns if start_s <= t < start_s + seconds])
        wave.plot(near, np.interp(near, t_s, told["rsp_au"]), "o", color=color, ms=5, label=f"becalm: {word} begins")
    top = float(np.max(told["rsp_au"][inside]))
    for who, lift in ((1, 0.06), (2, 0.12)):
        marks = truth["breath_s"][truth["annotator"] == who]
        near = marks[(marks >= start_s) & (marks < start_s + seconds)]
        wave.plot(near, np.full(len(near), top + lift), "|", color=GREY, ms=8, mew=1.5, label=f"annotator {who}")
    wave.set(title="BIDMC 03: impedance respiration in intensive care", ylabel="au", ylim=(-0.05, top + 0.18))
    wave.legend(loc="lower right", ncols=4, frameon=False)
    _truth_rate(rates, truth["breath_s"][truth["annotator"] == 1])
    _band(rates, by_belt, "breathing_rate_bpm", color=BLUE, label="becalm, impedance")
    _band(rates, by_ecg, "breathing_rate_bpm", color=RED, label="becalm, ECG alone")
    rates.set(title="breathing rate with its bound: last 3 breaths of impedance; from the ECG alone", xlabel="s")
    rates.set(ylabel="/min")
    rates.legend(loc="upper right", ncols=3, frameon=False)
    return figure


def _truth_rate(axes: Axes, breaths_s: Samples) -> None:
    periods_s = np.convolve(np.diff(breaths_s), np.ones(3) / 3.0, mode="valid")
    axes.plot(breaths_s[3:], 60.0 / periods_s, color=GREY, lw=2.5, label="annotator 1, last 3 breaths")


def draw_heart_breath(data: Path) -> Figure:
    """RSA, coherence, phase and depth of a resting adult."""
    names = (
        ("breathing_rate_bpm", "breathing rate, /min"),
        ("rsa_ms", "RSA, ms"),
        ("coherence", "coherence, share of power"),
        ("phase_deg", "phase of heart rate to breath, degrees"),
        ("breath_depth", "depth of breath, au"),
        ("breath_irregularity", "irregularity of breaths"),
    )
    return _panels(_resting(data), names, title="a resting adult, breathing freely")


# -------------------------------------------------------------------------------------------------- skin, quality ...
def draw_skin(data: Path) -> Figure:
    """Responses to four stimuli, and a calm rest."""
    figure, (above, below) = plt.subplots(2, 1, figsize=(11, 6.5), layout="constrained")
    told = columns(data / "neurokit" / "eventrelated_100hz.csv.gz", "eda_us", "photosensor_v")
    _draw_eda(above, told["eda_us"])
    middle = (np.nanmin(told["photosensor_v"]) + np.nanmax(told["photosensor_v"])) / 2.0
    dark = told["photosensor_v"] < middle
    for at in np.flatnonzero(dark[1:] & ~dark[:-1]):
        above.axvline(at / NEUROKIT_HZ, color=RED, lw=1.0, ls=":")
    above.set(title="four stimuli (dotted): level, responses with onset and peak, half recovery", ylabel="uS")
    rest = columns(data / "neurokit" / "resting_8min_100hz.csv.gz", "eda_us")["eda_us"]
    _draw_eda(below, rest)
    below.set(title="eight minutes of rest", ylabel="uS", xlabel="s")
    above.legend(loc="upper right", ncols=5, frameon=False)
    return figure


def _draw_eda(axes: Axes, eda_us: Samples) -> None:
    derived = derive((stream(SignalKind.SKIN_CONDUCTANCE, rate_hz=NEUROKIT_HZ), eda_us))
    thin = slice(None, None, 10)
    t_s = np.arange(len(eda_us)) / NEUROKIT_HZ
    axes.plot(t_s[thin], eda_us[thin], color=INK, lw=0.8, label="skin conductance")
    _band(axes, derived, "scl_us", color=BLUE, label="level")
    responses = [e for e in derived if isinstance(e, SkinResponse)]
    recovered_ns = [e.recovered_ns for e in derived if isinstance(e, SkinRecovery)]
    for times_ns, mark, color, word in (
        ([e.onset_ns for e in responses], "o", SAND, "onset"),
        ([e.peak_ns for e in responses], "^", RED, "peak"),
        (recovered_ns, "x", GREY, "half recovered"),
    ):
        at_s = np.array(times_ns, dtype=np.float64) / NS_PER_S
        axes.plot(at_s, np.interp(at_s, t_s, eda_us), mark, color=color, ms=5, label=word)


def draw_quality(data: Path) -> Figure:
    """Half an hour of an odd ECG: what is called unusable, why, and what is shown of the heart."""
    ecg_mv = columns(data / "mitdb" / "207.csv.gz", "ecg_mv")["ecg_mv"]
    derived = derive((stream(SignalKind.ECG, rate_hz=MITDB_HZ), 1000.0 * ecg_mv))
    figure, (wave, rates) = plt.subplots(2, 1, figsize=(11, 5.5), sharex=True, layout="constrained")
    n = round(MITDB_HZ / 2.0)
    halves = ecg_mv[: len(ecg_mv) // n * n].reshape(-1, n)
    at_s = np.arange(len(halves)) / 2.0
    wave.fill_between(at_s, halves.min(axis=1), halves.max(axis=1), color=GREY, lw=0)
    told = [e for e in derived if isinstance(e, SignalQuality) and e.kind is SignalKind.ECG]
    colors = dict(
        zip(sorted({str(e.reason) for e in told if e.reason}), (RED, SAND, BLUE, INK, "#7b4ea5"), strict=False)
    )
    for event, following in zip_longest(told, told[1:]):
        if event.reason is not None:
            end_s = following.t_ns / NS_PER_S if following else len(ecg_mv) / MITDB_HZ
            color = colors.get(str(event.reason), INK)
            wave.axvspan(event.t_ns / NS_PER_S, end_s, color=color, alpha=0.35, lw=0)
    for word, color in colors.items():
        wave.fill_between([], [], color=color, alpha=0.35, label=word)
    wave.set(title="MIT-BIH 207, envelope of the ECG; coloured: unusable", ylabel="mV")
    wave.legend(loc="upper right", ncols=5, frameon=False)
    true_s = columns(data / "mitdb" / "207.beats.csv", "beat_s")["beat_s"]
    five = (true_s[5:] - true_s[:-5]) / 5.0
    rates.plot(true_s[5:], 60.0 / five, color=GREY, lw=2.5, label="cardiologists' beats, last 5")
    _band(rates, derived, "heart_rate_bpm", color=BLUE, label="becalm, with bound")
    rates.set(ylabel="/min", xlabel="s", ylim=(40, 140), title="heart rate; grey stretches: withheld")
    rates.legend(loc="upper right", ncols=2, frameon=False)
    return figure


def draw_arousal(data: Path) -> Figure:
    """Arousal of a resting adult against the first quiet minute, and what it is made from."""
    names = (
        ("arousal", "arousal, 50 = own baseline"),
        ("heart_rate_bpm", "heart rate, /min"),
        ("rmssd_ms", "RMSSD, ms"),
        ("scl_us", "skin-conductance level, uS"),
        ("scr_per_min", "responses, /min"),
        ("breathing_rate_bpm", "breathing rate, /min"),
    )
    return _panels(_resting(data), names, title="a resting adult, no pacer")


# ------------------------------------------------------------------------------------------------------------ shared
def _resting(data: Path) -> list[Derived]:
    told = columns(data / "neurokit" / "resting_8min_100hz.csv.gz", "ecg_mv", "rsp_au", "eda_us")
    return derive(
        (stream(SignalKind.ECG, rate_hz=NEUROKIT_HZ), 1000.0 * told["ecg_mv"]),
        (stream(SignalKind.RESPIRATION, rate_hz=NEUROKIT_HZ), told["rsp_au"]),
        (stream(SignalKind.SKIN_CONDUCTANCE, rate_hz=NEUROKIT_HZ), told["eda_us"]),
    )


def _panels(derived: Sequence[Derived], names: Iterable[tuple[str, str]], *, title: str) -> Figure:
    figure, grid = plt.subplots(3, 2, figsize=(11, 7), sharex=True, layout="constrained")
    for axes, (name, words) in zip(grid.flat, names, strict=True):
        _band(axes, derived, name, color=BLUE)
        axes.set(title=words)
    for axes in grid[-1]:
        axes.set_xlabel("s")
    figure.suptitle(f"{title}; band: 95 % bound; grey: withheld")
    return figure


def _band(axes: Axes, derived: Sequence[Derived], name: str, *, color: str, label: str | None = None) -> None:
    """Draw an index of the live or the slow metrics with its bound, and grey where it is withheld."""
    family = Metrics if name in Metrics.index_names() else SlowMetrics
    ticks = [e for e in derived if isinstance(e, family) and (family is SlowMetrics or e.t_ns % NS_PER_S == 0)]
    indices: list[Index] = [getattr(tick, name) for tick in ticks]
    t_s = np.array([tick.t_ns / NS_PER_S for tick in ticks])
    value = np.array([np.nan if index.value is None else index.value for index in indices])
    bound = np.array([np.nan if index.bound is None else index.bound for index in indices])
    axes.fill_between(t_s, value - bound, value + bound, color=color, alpha=0.2, lw=0)
    axes.plot(t_s, value, color=color, lw=1.2, label=label)
    axes.fill_between(
        t_s, 0.0, 1.0, where=np.isnan(value), color=GREY, alpha=0.15, lw=0, transform=axes.get_xaxis_transform()
    )
    axes.margins(x=0.01)


PICTURES: dict[str, Callable[[Path], Figure]] = {
    "beats": draw_beats,
    "intervals": draw_intervals,
    "variability": draw_variability,
    "breathing": draw_breathing,
    "heart_breath": draw_heart_breath,
    "skin": draw_skin,
    "quality": draw_quality,
    "arousal": draw_arousal,
}

if __name__ == "__main__":
    main()
