"""What is called unusable."""

from itertools import zip_longest
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from becalm_cli.signal_bench.records import columns, derive, stream
from becalm_protocol.derived import SignalQuality
from becalm_protocol.events import SignalKind
from becalm_protocol.units import NS_PER_S
from signal_plots.drawing import BLUE, GREY, INK, MITDB_HZ, PLUM, RED, SAND, band


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
    colors = dict(zip(sorted({str(e.reason) for e in told if e.reason}), (RED, SAND, BLUE, INK, PLUM), strict=False))
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
    band(rates, derived, "heart_rate_bpm", color=BLUE, label="becalm, with bound")
    rates.set(ylabel="/min", xlabel="s", ylim=(40, 140), title="heart rate; grey stretches: withheld")
    rates.legend(loc="upper right", ncols=2, frameon=False)
    return figure
