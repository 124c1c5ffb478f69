"""NeuroKit2's windows beside the live indices of the same beats."""

from pathlib import Path

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from becalm_cli.signal_bench.records import blocks, columns, stream
from becalm_protocol.derived import Derived
from becalm_protocol.events import SignalKind
from becalm_protocol.handshake import Waveform
from becalm_protocol.units import NS_PER_S
from becalm_server.recent_beats import RecentBeats
from becalm_signal.neurokit_window import window_report
from becalm_signal.pipeline import Pipeline
from signal_plots.drawing import BLUE, NEUROKIT_HZ, RED, band

TRACKS = (
    ("ecg_mv", SignalKind.ECG, 1000.0),
    ("rsp_au", SignalKind.RESPIRATION, 1.0),
    ("eda_us", SignalKind.SKIN_CONDUCTANCE, 1.0),
)
PANELS = (
    ("rmssd_ms", "HRV_RMSSD", "RMSSD of 60 s, ms"),
    ("sdnn_ms", "HRV_SDNN", "SDNN of 60 s, ms"),
    ("sd1_ms", "HRV_SD1", "SD1 of 60 s, ms"),
    ("rsa_ms", "RSA_P2T_Mean", "RSA, ms: six breaths; NeuroKit2: all of 60 s"),
    ("scl_us", "EDA_Tonic_Mean", "level, uS: now; NeuroKit2: mean of 60 s"),
    (None, "HRV_SampEn", "sample entropy: NeuroKit2 alone"),
)


def draw_neurokit(data: Path) -> Figure:
    """Windows of the last 60 s every ten seconds (dots, at their end) on the live index of a resting adult."""
    derived, told = _heard(data)
    figure, grid = plt.subplots(3, 2, figsize=(11, 7), sharex=True, layout="constrained")
    for axes, (name, theirs, words) in zip(grid.flat, PANELS, strict=True):
        if name is not None:
            band(axes, derived, name, color=BLUE, label="becalm, live")
        known = [(t_s, indices[theirs]) for t_s, indices in told if theirs in indices]
        axes.plot(*zip(*known, strict=True), ".", color=RED, ms=6, label=f"NeuroKit2 {theirs}")
        axes.set(title=words)
        axes.legend(loc="best", frameon=False)
    for axes in grid[-1]:
        axes.set_xlabel("s")
    figure.suptitle("a resting adult; band: 95 % bound; grey: withheld")
    return figure


def _heard(data: Path) -> tuple[list[Derived], list[tuple[float, dict[str, float]]]]:
    """Return what the pipeline derives, and by the end of each window of 60 s what NeuroKit2 makes of it."""
    columns_told = columns(data / "neurokit" / "resting_8min_100hz.csv.gz", *(name for name, *_ in TRACKS))
    infos = [stream(kind, rate_hz=NEUROKIT_HZ) for _, kind, _ in TRACKS]
    events = [
        block
        for info, (name, _, factor) in zip(infos, TRACKS, strict=True)
        for block in blocks(info, factor * columns_told[name])
    ]
    pipeline, recent = Pipeline(infos), RecentBeats()
    derived: list[Derived] = []
    told = []
    for event in sorted(events, key=lambda block: block.received_ns):
        for given in pipeline.feed(event):
            recent.feed(given)
            if not isinstance(given, Waveform):
                derived.append(given)
        for window in recent.due(event.received_ns):
            if window.window_s < 100.0:
                report = window_report(rr_ms=window.rr_ms, beats_s=window.beats_s, signals=window.signals)
                told.append((window.t_ns / NS_PER_S, report.indices))
    return derived, told
