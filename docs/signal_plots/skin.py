"""Skin conductance: level and responses."""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from becalm_cli.signal_bench.records import Samples, columns, derive, stream
from becalm_protocol.derived import SkinRecovery, SkinResponse
from becalm_protocol.events import SignalKind
from becalm_protocol.units import NS_PER_S
from signal_plots.drawing import BLUE, GREY, INK, NEUROKIT_HZ, RED, SAND, band


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
    band(axes, derived, "scl_us", color=BLUE, label="level")
    responses = [e for e in derived if isinstance(e, SkinResponse)]
    recovered_ns = [e.recovered_ns for e in derived if isinstance(e, SkinRecovery)]
    for times_ns, mark, color, word in (
        ([e.onset_ns for e in responses], "o", SAND, "onset"),
        ([e.peak_ns for e in responses], "^", RED, "peak"),
        (recovered_ns, "x", GREY, "half recovered"),
    ):
        at_s = np.array(times_ns, dtype=np.float64) / NS_PER_S
        axes.plot(at_s, np.interp(at_s, t_s, eda_us), mark, color=color, ms=5, label=word)
