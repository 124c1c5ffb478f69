"""A first session from truth: rest, then practice at 6 breaths a minute. No signals are drawn, so it is fast."""

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np

from becalm_protocol.derived import BreathPhase
from becalm_protocol.events import Pacer, require, value
from becalm_protocol.units import NS_PER_S, ns_from_s
from becalm_simulator.body import STEP_NS, Body
from becalm_simulator.dice import Dice
from becalm_simulator.heart import Heart
from becalm_simulator.person import Person
from becalm_simulator.rhythm import BeatKind

REST_S = 180.0
PRACTICE_S = 360.0
# Compared with rest are the last minutes of practice.
LATE_S = 180.0
INHALE_S, EXHALE_S = 4.0, 6.0
# A single low breath is no hyperventilation: carbon dioxide is the mean over half a minute.
CO2_WINDOW_S = 30.0
DRIVEN_S = 120.0
DRIVEN_BPM = (1.0, 60.0)


@value
class Stretch:
    """Means over one stretch of a session."""

    heart_rate_bpm: float
    sdnn_ms: float
    rmssd_ms: float
    breathing_rate_bpm: float
    scr_per_min: float
    lowest_co2_mmhg: float
    co2_mmhg: float
    arousal: float


@value
class Course:
    """What a session was like for one person."""

    person: Person
    rest: Stretch
    practice: Stretch


def first_session(seed: int) -> Course:
    """Let the person of this seed rest and then practise for the first time."""
    body = Body.from_seed(seed)
    body.until(ns_from_s(REST_S))
    body.hear(Pacer(started_ns=ns_from_s(REST_S), inhale_s=INHALE_S, exhale_s=EXHALE_S))
    body.until(ns_from_s(REST_S + PRACTICE_S))
    end_s = REST_S + PRACTICE_S
    return Course(
        person=body.person,
        rest=measure(body, first_s=0.0, last_s=REST_S),
        practice=measure(body, first_s=end_s - LATE_S, last_s=end_s),
    )


def measure(body: Body, *, first_s: float, last_s: float) -> Stretch:
    """Measure a stretch of a body's life that holds at least a few beats and breaths."""
    first_ns, last_ns = ns_from_s(first_s), ns_from_s(last_s)
    minutes = (last_s - first_s) / 60.0
    beats = [beat for beat in body.beats() if first_ns <= beat.t_ns < last_ns]
    normal = (BeatKind.SINUS, BeatKind.FIBRILLATION)
    # Early beats and the pauses after them are no part of variability.
    pairs = [(a, b) for a, b in pairwise(beats) if a.kind in normal and b.kind in normal]
    rr_ms = np.asarray([1000.0 * b.rr_s for _, b in pairs])
    steps_ms = np.asarray([1000.0 * (b.rr_s - a.rr_s) for (_, a), (b0, b) in pairwise(pairs) if b0 is a])
    inhalations = [t for t in body.turns() if t.phase is BreathPhase.IN and first_ns <= t.t_ns < last_ns]
    breathed_s = (inhalations[-1].t_ns - inhalations[0].t_ns) / NS_PER_S
    co2_mmhg, lowest_mmhg = _co2(body, first_ns=first_ns, last_ns=last_ns)
    times = np.arange(first_ns, last_ns, NS_PER_S, dtype=np.int64)
    return Stretch(
        heart_rate_bpm=len(beats) / minutes,
        sdnn_ms=float(np.std(rr_ms)),
        rmssd_ms=math.sqrt(float(np.mean(steps_ms**2))),
        breathing_rate_bpm=60.0 * (len(inhalations) - 1) / breathed_s,
        scr_per_min=sum(first_ns <= r.onset_ns < last_ns and r.amplitude_us >= 0.05 for r in body.responses())
        / minutes,
        lowest_co2_mmhg=lowest_mmhg,
        co2_mmhg=co2_mmhg,
        arousal=float(np.mean(body.arousal(times))),
    )


def rsa_swing_bpm(person: Person, *, breathing_rate_bpm: float) -> float:
    """Return peak-to-trough heart rate over breaths of habitual depth at this rate, everything else held still."""
    low_bpm, high_bpm = DRIVEN_BPM
    require(
        low_bpm <= breathing_rate_bpm <= high_bpm,
        "breathing_rate_bpm",
        f"{low_bpm:g} to {high_bpm:g}",
        breathing_rate_bpm,
    )
    person = replace(person, vlf_bpm=0.0, mayer_bpm=0.0, fibrillation_share=0.0)
    heart = Heart(person, Dice(np.random.default_rng(0)), step_s=STEP_NS / NS_PER_S)
    heart.settle(1.0, arousal=person.arousal_everyday)
    rates_bpm = []
    for i in range(round(ns_from_s(DRIVEN_S) / STEP_NS)):
        t_ns = i * STEP_NS
        phase = 2.0 * math.pi * breathing_rate_bpm / 60.0 * t_ns / NS_PER_S
        heart.tick(t_ns, volume=0.5 - 0.5 * math.cos(phase))
        rates_bpm.append(heart.rate_bpm)
    settled = rates_bpm[len(rates_bpm) // 2 :]
    return max(settled) - min(settled)


def _co2(body: Body, *, first_ns: int, last_ns: int) -> tuple[float, float]:
    """Return mean end-tidal carbon dioxide and the lowest mean over `CO2_WINDOW_S`."""
    breaths = [b for b in body.end_tidal() if first_ns <= b.t_ns < last_ns]
    means = []
    for i, newest in enumerate(breaths):
        recent = [b.co2_mmhg for b in breaths[: i + 1] if newest.t_ns - b.t_ns < ns_from_s(CO2_WINDOW_S)]
        means.append(sum(recent) / len(recent))
    return sum(b.co2_mmhg for b in breaths) / len(breaths), min(means)
