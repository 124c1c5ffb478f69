"""Simulated straps whose intervals come 0 to 4 s late, with and without an ECG beside them: errors of beat times."""

import math
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from becalm_protocol.derived import Beat, BeatFlag
from becalm_protocol.events import RrBlock, SignalKind
from becalm_signal.anchor import Anchor
from becalm_signal.stage import Output
from becalm_signal.strap import StrapStage

MAX_LAG_S = 4.0
ECG_DELAY_S = 0.15
STRAP_JITTER_S = 0.001
ECG_JITTER_S = 0.0007


@dataclass(frozen=True, slots=True)
class Heart:
    """A heart, how well its ECG is read, and what the strap loses."""

    rsa_ms: float = 40.0
    noise_ms: float = 12.0
    ectopic_share: float = 0.02
    ecg_missed_share: float = 0.02
    ecg_extra_share: float = 0.01
    lost_share: float = 0.0
    """Notifications that never come."""


HEARTS = {
    "rest": Heart(),
    "little_variability": Heart(rsa_ms=5.0, noise_ms=4.0),
    "fibrillation": Heart(noise_ms=150.0),
    "ectopic_15_pct": Heart(ectopic_share=0.15),
    "ecg_misses_15_adds_15_pct": Heart(ecg_missed_share=0.15, ecg_extra_share=0.15),
    "strap_loses_1_pct": Heart(lost_share=0.01),
    "metronome": Heart(rsa_ms=0.0, noise_ms=0.5, ectopic_share=0.0),
}
"""The last cannot be told apart by any pattern: only its stated error can be right."""


@dataclass(frozen=True, slots=True)
class Run:
    """What happened, in the order in which it could be known."""

    arrivals: list[tuple[float, Beat | RrBlock]]
    truth_s: dict[int, float]
    """True time of each beat that the strap told of, by its number."""


def simulate(heart: Heart, *, seed: int, seconds: float) -> Run:
    """Return the ECG's beats and the strap's notifications."""
    rng = random.Random(seed)
    beats_s = _beats(heart, rng, seconds=seconds)
    arrivals: list[tuple[float, Beat | RrBlock]] = []
    for beat_s in beats_s:
        if rng.random() >= heart.ecg_missed_share:
            arrivals.append(_ecg_beat(beat_s + rng.gauss(0.0, ECG_JITTER_S)))
        if rng.random() < heart.ecg_extra_share:
            arrivals.append(_ecg_beat(beat_s + 0.3))
    strap_s = [beat_s + rng.gauss(0.0, STRAP_JITTER_S) for beat_s in beats_s]
    truth_s: dict[int, float] = {}
    arrived_s, k = 0.0, 1
    while k < len(strap_s):
        told = range(k, min(k + rng.choice((1, 1, 2)), len(strap_s)))
        k = told[-1] + 1
        arrived_s = max(arrived_s + 0.001, strap_s[told[-1]] + rng.uniform(0.0, MAX_LAG_S))
        if rng.random() < heart.lost_share:
            continue
        for beat in told:
            truth_s[len(truth_s)] = beats_s[beat]
        rr_1024 = tuple(round(1024.0 * (strap_s[beat] - strap_s[beat - 1])) for beat in told)
        arrivals.append((arrived_s, RrBlock(stream_id="rr", received_ns=round(1e9 * arrived_s), rr_1024=rr_1024)))
    return Run(sorted(arrivals, key=lambda arrival: arrival[0]), truth_s)


def _beats(heart: Heart, rng: random.Random, *, seconds: float) -> list[float]:
    beats_s = [1.0]
    while beats_s[-1] < seconds:
        rr_ms = 900.0 + heart.rsa_ms * math.sin(2.0 * math.pi * 0.2 * beats_s[-1]) + rng.gauss(0.0, heart.noise_ms)
        early = 0.7 if rng.random() < heart.ectopic_share else 1.0
        beats_s.append(beats_s[-1] + max(0.3, early * rr_ms / 1000.0))
    return beats_s


def _ecg_beat(beat_s: float) -> tuple[float, Beat]:
    known_s = beat_s + ECG_DELAY_S
    beat = Beat(
        beat_idx=0,
        t_ns=round(1e9 * beat_s),
        emitted_ns=round(1e9 * known_s),
        source=SignalKind.ECG,
        flag=BeatFlag.OK,
        confirmed=False,
    )
    return known_s, beat


def score_beats(heart: Heart, *, seeds: Sequence[int], seconds: float, with_ecg: bool) -> dict[str, Any]:
    """Return percentiles of the error of settled beat times, and how often the stated error held."""
    errors_ms: list[float] = []
    stated_ms: list[float] = []
    took_ns = 0
    for seed in seeds:
        run = simulate(heart, seed=seed, seconds=seconds)
        began_ns = time.process_time_ns()
        settled = place(run, with_ecg=with_ecg)
        took_ns += time.process_time_ns() - began_ns
        errors_ms += [abs(beat.t_ns / 1e6 - 1000.0 * run.truth_s[beat.beat_idx]) for beat in settled]
        stated_ms += [beat.t_error_ms or 0.0 for beat in settled]
    n = len(errors_ms)
    covered = sum(error <= stated for error, stated in zip(errors_ms, stated_ms, strict=True)) / n
    certain = [error for error, stated in zip(errors_ms, stated_ms, strict=True) if stated <= 30.0]
    return {
        "error_ms": _percentiles(errors_ms),
        "stated_ms": _percentiles(stated_ms),
        "covered_pct": round(100.0 * covered, 2),
        "stated_within_30_ms_pct": round(100.0 * len(certain) / n, 1),
        "error_of_those_ms": _percentiles(certain) if certain else None,
        "n_beats": n,
        "cpu_us_per_beat": round(took_ns / 1000.0 / n, 1),
    }


def place(run: Run, *, with_ecg: bool) -> list[Beat]:
    """Return the strap's confirmed beats as the pipeline times them."""
    stage, anchor = StrapStage(), Anchor()
    outputs: list[Output] = []
    for _, arrival in run.arrivals:
        if isinstance(arrival, Beat):
            outputs += anchor.take(arrival) if with_ecg else []
            continue
        for event in stage.feed(arrival):
            outputs += anchor.take(event)
    return [beat for beat in outputs if isinstance(beat, Beat) and beat.confirmed]


def _percentiles(numbers: Sequence[float]) -> dict[str, float]:
    ordered = sorted(numbers)
    places = {"p50": 0.5, "p95": 0.95, "p99": 0.99, "max": 1.0}
    return {name: round(ordered[min(len(ordered) - 1, int(share * len(ordered)))], 1) for name, share in places.items()}
