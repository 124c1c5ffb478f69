"""Arousal at rest, and a whole session with a pacer: what a pacer forces, and how far arousal falls."""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from becalm_cli.score import PACER, live
from becalm_protocol.units import NS_PER_S
from becalm_simulator.blocks import sample_blocks
from becalm_simulator.body import Body
from signal_plots.drawing import BLUE, GREY, SAND, band, panels, resting

PERSON, SECONDS = 7, 900


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
    return panels(resting(data), names, title="a resting adult, no pacer")


def draw_practice(data: Path) -> Figure:
    """A virtual person, for no recording holds a pacer: a minute of rest, then ten seconds a breath."""
    del data
    body = Body.from_seed(PERSON)
    body.hear(PACER)
    derived = live(sample_blocks(body, seconds=SECONDS))
    figure, grid = plt.subplots(4, 2, figsize=(11, 9), sharex=True, layout="constrained")
    for axes, (name, words) in zip(
        grid.flat,
        (
            ("breathing_rate_bpm", "breathing rate, /min"),
            ("adherence", "adherence: share of breaths on the cue"),
            ("rsa_ms", "RSA, ms"),
            ("coherence", "coherence, share of power"),
            ("phase_deg", "phase of heart rate to breath, degrees"),
            ("arousal", "arousal, 50 = own baseline"),
            ("subsidence", "subsidence since the first minute of practice, points"),
            ("half_life_s", "half-life of the fall, s"),
        ),
        strict=True,
    ):
        band(axes, derived, name, color=BLUE)
        axes.axvline(PACER.started_ns / NS_PER_S, color=SAND, lw=1.0, ls=":")
        axes.set(title=words)
    at_s = np.arange(SECONDS)
    latent = np.array([body.arousal_at(int(t_s) * NS_PER_S) for t_s in at_s])
    beside = grid[2, 1].twinx()
    beside.plot(at_s, latent, color=GREY, lw=1.0)
    beside.set(ylabel="true, 0 to 1 (thin grey)")
    for axes in grid[-1]:
        axes.set_xlabel("s")
    figure.suptitle("a virtual person who follows a pacer from the dotted line on; band: 95 % bound; grey: withheld")
    return figure
