"""Breathing from a belt, from the ECG alone and from the tilt of a chest; heart and breath together."""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from becalm_cli.signal_bench.records import Samples, columns, derive, stream
from becalm_protocol.derived import BreathPhase, BreathTurn
from becalm_protocol.events import SignalKind
from becalm_protocol.units import NS_PER_S
from becalm_simulator.body import Body
from becalm_simulator.sensors.strap import NOISE_MG
from signal_plots.drawing import BIDMC_HZ, BLUE, GREY, INK, RED, SAND, band, panels, resting, seconds_of


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
    _truth_rate(rates, truth["breath_s"][truth["annotator"] == 1], who="annotator 1")
    band(rates, by_belt, "breathing_rate_bpm", color=BLUE, label="becalm, impedance")
    band(rates, by_ecg, "breathing_rate_bpm", color=RED, label="becalm, ECG alone")
    rates.set(title="breathing rate with its bound: last 3 breaths of impedance; from the ECG alone", xlabel="s")
    rates.set(ylabel="/min")
    rates.legend(loc="upper right", ncols=3, frameon=False)
    return figure


def _truth_rate(axes: Axes, breaths_s: Samples, *, who: str) -> None:
    periods_s = np.convolve(np.diff(breaths_s), np.ones(3) / 3.0, mode="valid")
    axes.plot(breaths_s[3:], 60.0 / periods_s, color=GREY, lw=2.5, label=f"{who}, last 3 breaths")


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
    return panels(resting(data), names, title="a resting adult, breathing freely")


CHEST_HZ, CHEST_SECONDS, CHEST_PERSON = 50.0, 240, 11
AXES = (SignalKind.ACCELERATION_X, SignalKind.ACCELERATION_Y, SignalKind.ACCELERATION_Z)


def draw_chest(data: Path) -> Figure:
    """A virtual person, for no recording holds a strap's acceleration: three axes, turns in them, the rate."""
    del data
    body = Body.from_seed(CHEST_PERSON)
    body.until((CHEST_SECONDS + 1) * NS_PER_S)
    t_ns = (np.arange(round(CHEST_SECONDS * CHEST_HZ)) * NS_PER_S / CHEST_HZ).astype(np.int64)
    noise_mg = NOISE_MG * np.random.default_rng(CHEST_PERSON).standard_normal((len(t_ns), 3))
    shown_mg = body.acceleration_mg(t_ns) + noise_mg
    derived = derive(*((stream(kind, rate_hz=CHEST_HZ), shown_mg[:, n]) for n, kind in enumerate(AXES)))
    figure, (tilt, volume, rates) = plt.subplots(3, 1, figsize=(11, 7.5), layout="constrained")
    start_s, seconds = 120.0, 45.0
    t_s = t_ns / NS_PER_S
    inside = (t_s >= start_s) & (t_s < start_s + seconds)
    for n, (word, color) in enumerate((("across", SAND), ("up", RED), ("out of the chest", INK))):
        tilt.plot(t_s[inside], shown_mg[inside, n] - np.mean(shown_mg[inside, n]), color=color, lw=0.7, label=word)
    tilt.set(title="a virtual chest (no recording has one): acceleration of its strap, less its mean", ylabel="mg")
    tilt.legend(loc="upper right", ncols=3, frameon=False)
    force_n = body.force_n(t_ns)
    volume.plot(t_s[inside], force_n[inside], color=GREY, lw=2.0, label="pull of the chest")
    for phase, color, word in ((BreathPhase.IN, BLUE, "inhalation"), (BreathPhase.OUT, SAND, "exhalation")):
        turns = seconds_of(e.t_ns for e in derived if isinstance(e, BreathTurn) and e.phase is phase)
        near = np.array([t for t in turns if start_s <= t < start_s + seconds])
        volume.plot(near, np.interp(near, t_s, force_n), "o", color=color, ms=5, label=f"becalm: {word} begins")
    volume.set(title="turns out of the acceleration alone, laid on how the chest truly moved", ylabel="N")
    volume.legend(loc="upper right", ncols=3, frameon=False)
    _truth_rate(
        rates, np.array(seconds_of(turn.t_ns for turn in body.turns() if turn.phase is BreathPhase.IN)), who="true"
    )
    band(rates, derived, "breathing_rate_bpm", color=BLUE, label="becalm, acceleration")
    rates.set(title="breathing rate with its bound; grey: withheld", ylabel="/min", xlabel="s")
    rates.legend(loc="upper right", ncols=2, frameon=False)
    return figure
