"""Beats of a light beside those of the ECG of the same patient."""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from becalm_cli.signal_bench.records import beats, columns, derive, stream
from becalm_protocol.events import SignalKind
from signal_plots.drawing import BIDMC_HZ, BLUE, GREY, INK, SAND, band, draw_flags, seconds_of

START_S, SECONDS = 100.0, 15.0


def draw_pulse(data: Path) -> Figure:
    """Pulse waves with their beats and the R peaks before them; intervals of both; the heart rate of the light."""
    told = columns(data / "bidmc" / "10.csv.gz", "ecg_mv", "ppg_au")
    by_light = derive((stream(SignalKind.PPG_1, rate_hz=BIDMC_HZ), told["ppg_au"]))
    by_ecg = derive((stream(SignalKind.ECG, rate_hz=BIDMC_HZ), 1000.0 * told["ecg_mv"]))
    pulses, heart = beats(by_light, confirmed=True), beats(by_ecg, confirmed=True)
    figure, (wave, raw, rates) = plt.subplots(3, 1, figsize=(11, 8), layout="constrained")
    t_s = np.arange(len(told["ppg_au"])) / BIDMC_HZ
    inside = (t_s >= START_S) & (t_s < START_S + SECONDS)
    wave.plot(t_s[inside], told["ppg_au"][inside], color=INK, lw=0.8)
    top = float(np.nanmax(told["ppg_au"][inside]))
    near = np.array([t for t in seconds_of(beat.t_ns for beat in heart) if START_S <= t < START_S + SECONDS])
    wave.plot(near, np.full(len(near), 1.02 * top), "|", color=GREY, ms=9, mew=1.5, label="R peaks of the ECG")
    near = np.array([t for t in seconds_of(beat.t_ns for beat in pulses) if START_S <= t < START_S + SECONDS])
    wave.plot(near, np.interp(near, t_s, told["ppg_au"]), "o", color=BLUE, ms=5, label="becalm: pulse")
    low = float(np.nanmin(told["ppg_au"][inside]))
    wave.set(title="BIDMC 10: light through a finger in intensive care", ylabel="au", ylim=(low - 0.12, 1.06 * top))
    wave.legend(loc="lower right", ncols=2, frameon=False)
    known = [beat for beat in heart if beat.rr_ms is not None]
    raw.plot(
        seconds_of(beat.t_ns for beat in known), [beat.rr_ms or 0.0 for beat in known], "o", color="#cccccc", ms=7,
        label="out of the ECG",
    )  # fmt: skip
    draw_flags(raw, pulses)
    raw.set(
        title="intervals: out of the ECG (grey discs), out of the light (dots)",
        ylabel="ms",
        xlim=(60, 180),
        ylim=(200, 1700),
    )
    raw.legend(loc="upper right", ncols=6, frameon=False)
    band(rates, by_ecg, "heart_rate_bpm", color=SAND, label="becalm, ECG")
    band(rates, by_light, "heart_rate_bpm", color=BLUE, label="becalm, light alone")
    rates.set(title="heart rate with its bound; grey: withheld by one of them", ylabel="/min", xlabel="s")
    rates.legend(loc="upper right", ncols=2, frameon=False)
    return figure
