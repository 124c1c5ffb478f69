"""Colours, an index with its bound, and six of them on one time axis."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from becalm_cli.signal_bench.records import columns, derive, stream
from becalm_protocol.derived import Beat, BeatFlag, Derived, Index, Metrics, SlowMetrics
from becalm_protocol.events import SignalKind
from becalm_protocol.units import NS_PER_S

BLUE, SAND, INK, RED, GREY, PLUM = "#3b6ea5", "#d9a441", "#333333", "#b5443a", "#9a9a9a", "#7b4ea5"
MITDB_HZ, BIDMC_HZ, NEUROKIT_HZ = 360.0, 125.0, 100.0
FLAGS = {
    BeatFlag.OK: BLUE,
    BeatFlag.FIRST: GREY,
    BeatFlag.ECTOPIC: RED,
    BeatFlag.MISSED: SAND,
    BeatFlag.EXTRA: PLUM,
    BeatFlag.OUT_OF_RANGE: INK,
}


def resting(data: Path) -> list[Derived]:
    """Return what the pipeline makes of an adult who sits still for eight minutes: ECG, breathing, skin conductance."""
    told = columns(data / "neurokit" / "resting_8min_100hz.csv.gz", "ecg_mv", "rsp_au", "eda_us")
    return derive(
        (stream(SignalKind.ECG, rate_hz=NEUROKIT_HZ), 1000.0 * told["ecg_mv"]),
        (stream(SignalKind.RESPIRATION, rate_hz=NEUROKIT_HZ), told["rsp_au"]),
        (stream(SignalKind.SKIN_CONDUCTANCE, rate_hz=NEUROKIT_HZ), told["eda_us"]),
    )


def panels(derived: Sequence[Derived], names: Iterable[tuple[str, str]], *, title: str) -> Figure:
    """Draw six indices on one time axis."""
    figure, grid = plt.subplots(3, 2, figsize=(11, 7), sharex=True, layout="constrained")
    for axes, (name, words) in zip(grid.flat, names, strict=True):
        band(axes, derived, name, color=BLUE)
        axes.set(title=words)
    for axes in grid[-1]:
        axes.set_xlabel("s")
    figure.suptitle(f"{title}; band: 95 % bound; grey: withheld")
    return figure


def band(axes: Axes, derived: Sequence[Derived], name: str, *, color: str, label: str | None = None) -> None:
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


def seconds_of(times_ns: Iterable[int]) -> list[float]:
    """Return session times in seconds."""
    return [t_ns / NS_PER_S for t_ns in times_ns]


def draw_flags(axes: Axes, settled: Sequence[Beat]) -> None:
    """Draw intervals as they were measured, in the colour of their flag."""
    for flag, color in FLAGS.items():
        mine = [b for b in settled if b.flag is flag and b.rr_ms is not None]
        if mine:
            at_s = [b.t_ns / NS_PER_S for b in mine]
            axes.plot(at_s, [b.rr_ms or 0.0 for b in mine], ".", color=color, ms=4, label=f"becalm: {flag.value}")
