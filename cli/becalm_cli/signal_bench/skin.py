"""Skin-conductance responses: a calm rest, four stimuli, and virtual skin whose responses are known."""

from pathlib import Path
from typing import Any

import numpy as np

from becalm_cli.score import PACER
from becalm_cli.signal_bench import rivals
from becalm_cli.signal_bench.f1 import Counts, count, total
from becalm_cli.signal_bench.records import Samples, columns, derive, stream, times_ns
from becalm_protocol.derived import SkinResponse
from becalm_protocol.events import SignalKind
from becalm_protocol.units import NS_PER_S, s_from_ns
from becalm_simulator.body import Body

NEUROKIT_RATE_HZ = 100.0
# A response follows its stimulus by 1 to 5 s (Boucsein 2012).
LATENCY_S = (1.0, 5.0)
VIRTUAL_RATE_HZ = 8.0
# Onsets of the same response may be seen a second apart.
WITHIN_MS = 1_000.0
# What a listener for responses is asked to find; smaller ones are not counted either way.
LEAST_US = 0.05


def calm_rest(data: Path, *, quick: bool) -> dict[str, Any]:
    """Count responses a minute on eight minutes of rest: a calm person has few."""
    del quick
    eda_us = columns(data / "neurokit" / "resting_8min_100hz.csv.gz", "eda_us")["eda_us"]
    minutes = len(eda_us) / NEUROKIT_RATE_HZ / 60.0
    found = {name: len(onsets_s) / minutes for name, onsets_s in _both(eda_us, rate_hz=NEUROKIT_RATE_HZ).items()}
    windows = [eda_us[start : start + 6_000] for start in range(0, len(eda_us) - 6_000, 6_000)]
    found["neurokit2_sliding_60_s"] = float(
        np.mean([len(rivals.skin_responses_s(part, rate_hz=NEUROKIT_RATE_HZ)) for part in windows])
    )
    return {f"{name}_per_min": round(per_min, 2) for name, per_min in found.items()}


def four_stimuli(data: Path, *, quick: bool) -> dict[str, Any]:
    """Find the responses to the stimuli of an experiment; every other response counts as false."""
    del quick
    told = columns(data / "neurokit" / "eventrelated_100hz.csv.gz", "eda_us", "photosensor_v")
    stimuli_s = _stimuli_s(told["photosensor_v"])
    result: dict[str, Any] = {"stimuli_s": [round(t_s, 2) for t_s in stimuli_s]}
    for name, onsets_s in _both(told["eda_us"], rate_hz=NEUROKIT_RATE_HZ).items():
        hits = [[o for o in onsets_s if LATENCY_S[0] <= o - t_s <= LATENCY_S[1]] for t_s in stimuli_s]
        n_found = sum(bool(own) for own in hits)
        result[name] = {"stimuli_found": n_found, "other_responses": len(onsets_s) - n_found}
    return result


def _stimuli_s(photosensor_v: Samples) -> list[float]:
    """Return the moments at which the screen went dark: the photosensor falls below half of its range."""
    middle = (np.nanmin(photosensor_v) + np.nanmax(photosensor_v)) / 2.0
    dark = photosensor_v < middle
    return [float(at) / NEUROKIT_RATE_HZ for at in np.flatnonzero(dark[1:] & ~dark[:-1]) + 1]


def virtual_skin(data: Path, *, quick: bool) -> dict[str, Any]:
    """Score onsets on virtual people whose skin responses are known, at 8 Hz with the sensor's noise."""
    del data
    tallies: dict[str, list[Counts]] = {}
    seconds = 300
    for seed in range(6 if quick else 30):
        body = Body.from_seed(9_000 + seed)
        body.hear(PACER)
        body.until(seconds * NS_PER_S)
        t_ns = np.arange(round(seconds * VIRTUAL_RATE_HZ), dtype=np.int64) * round(NS_PER_S / VIRTUAL_RATE_HZ)
        noise_us = np.random.default_rng(seed).normal(0.0, 0.002, len(t_ns))
        eda_us = body.conductance_us(t_ns) + noise_us
        truth = [r for r in body.responses() if r.amplitude_us >= LEAST_US]
        true_ns = sorted(r.onset_ns for r in truth if 10 * NS_PER_S < r.onset_ns < (seconds - 10) * NS_PER_S)
        for name, onsets_s in _both(eda_us, rate_hz=VIRTUAL_RATE_HZ).items():
            found_ns = times_ns(onsets_s[(onsets_s > 10.0) & (onsets_s < seconds - 10.0)])
            tallies.setdefault(name, []).append(count(true_ns, found_ns, within_ms=WITHIN_MS))
    return {name: total(parts).as_dict() for name, parts in tallies.items()}


def _both(eda_us: Samples, *, rate_hz: float) -> dict[str, Samples]:
    derived = derive((stream(SignalKind.SKIN_CONDUCTANCE, rate_hz=rate_hz), eda_us))
    ours = np.array([s_from_ns(event.onset_ns) for event in derived if isinstance(event, SkinResponse)])
    return {"becalm": ours, "neurokit2": rivals.skin_responses_s(eda_us, rate_hz=rate_hz)}
