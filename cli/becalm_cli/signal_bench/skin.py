"""Skin-conductance responses: a calm rest, four stimuli, and virtual skin whose responses are known."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from becalm_cli.score import PACER
from becalm_cli.signal_bench import rivals
from becalm_cli.signal_bench.f1 import Counts, count, total
from becalm_cli.signal_bench.records import Samples, columns, derive, stream, times_ns
from becalm_protocol.derived import SkinResponse
from becalm_protocol.events import SignalKind
from becalm_protocol.units import NS_PER_MS, NS_PER_S, s_from_ns
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
    """Find the responses to the stimuli of an experiment; false: where the recording itself does not rise by 0.05 uS.

    `answer_us` is by how much it rises 1 to 5 s after each stimulus: nothing can be found where it does not.
    """
    del quick
    told = columns(data / "neurokit" / "eventrelated_100hz.csv.gz", "eda_us", "photosensor_v")
    stimuli_s = _stimuli_s(told["photosensor_v"])
    rises = _rises(told["eda_us"])
    answers_us = [
        max((height_us for foot_s, _, height_us in rises if _answers(foot_s, t_s)), default=0.0) for t_s in stimuli_s
    ]
    result: dict[str, Any] = {
        "stimuli_s": [round(t_s, 2) for t_s in stimuli_s],
        "answer_us": [round(height_us, 3) for height_us in answers_us],
        "stimuli_answered": sum(height_us >= LEAST_US for height_us in answers_us),
        "rises_in_all": sum(height_us >= LEAST_US for _, _, height_us in rises),
    }
    for name, onsets_s in _both(told["eda_us"], rate_hz=NEUROKIT_RATE_HZ).items():
        n_found = sum(any(_answers(onset_s, t_s) for onset_s in onsets_s) for t_s in stimuli_s)
        n_false = sum(not _is_in_rise(onset_s, rises) for onset_s in onsets_s)
        result[name] = {
            "stimuli_found": n_found,
            "other_responses": len(onsets_s) - n_found,
            "false_responses": n_false,
        }
    return result


def _answers(onset_s: float, stimulus_s: float) -> bool:
    return LATENCY_S[0] <= onset_s - stimulus_s <= LATENCY_S[1]


def _is_in_rise(onset_s: float, rises: list[tuple[float, float, float]]) -> bool:
    """Whether an onset lies in a rise of 0.05 uS, or within half a second before it."""
    return any(foot_s - 0.5 <= onset_s <= top_s and height_us >= LEAST_US for foot_s, top_s, height_us in rises)


def _rises(eda_us: Samples) -> list[tuple[float, float, float]]:
    """Return every rise of the recording, smoothed over half a second from both sides: foot, top, height."""
    half = round(0.25 * NEUROKIT_RATE_HZ)
    kernel = np.hanning(2 * half + 3)[1:-1]
    smooth = np.convolve(np.pad(eda_us, half, mode="edge"), kernel / kernel.sum(), mode="valid")
    up = np.flatnonzero(np.diff(np.concatenate(([False], np.diff(smooth) > 0.0, [False])).astype(int)))
    return [
        (foot / NEUROKIT_RATE_HZ, top / NEUROKIT_RATE_HZ, float(smooth[top] - smooth[foot]))
        for foot, top in zip(up[::2], up[1::2], strict=True)
    ]


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
        scored_ns = range(10 * NS_PER_S, (seconds - 10) * NS_PER_S)
        lived = [r for r in body.responses() if r.onset_ns in scored_ns]
        true_ns = sorted(r.onset_ns for r in lived if r.amplitude_us >= LEAST_US)
        small_s = np.array([s_from_ns(r.onset_ns) for r in lived if r.amplitude_us < LEAST_US])
        for name, onsets_s in _both(eda_us, rate_hz=VIRTUAL_RATE_HZ).items():
            found_ns = _without_small(times_ns(onsets_s), true_ns, small_ns=times_ns(small_s), scored_ns=scored_ns)
            tallies.setdefault(name, []).append(count(true_ns, found_ns, within_ms=WITHIN_MS))
    return {name: total(parts).as_dict() for name, parts in tallies.items()}


def _without_small(
    found_ns: Sequence[int], true_ns: Sequence[int], *, small_ns: Sequence[int], scored_ns: range
) -> list[int]:
    """Leave out what lies outside, and what is a true response too small to be asked for."""
    within_ns = round(WITHIN_MS * NS_PER_MS)
    return [
        t_ns
        for t_ns in found_ns
        if t_ns in scored_ns
        and (
            any(abs(t_ns - true) <= within_ns for true in true_ns)
            or not any(abs(t_ns - small) <= within_ns for small in small_ns)
        )
    ]


def _both(eda_us: Samples, *, rate_hz: float) -> dict[str, Samples]:
    derived = derive((stream(SignalKind.SKIN_CONDUCTANCE, rate_hz=rate_hz), eda_us))
    ours = np.array([s_from_ns(event.onset_ns) for event in derived if isinstance(event, SkinResponse)])
    return {"becalm": ours, "neurokit2": rivals.skin_responses_s(eda_us, rate_hz=rate_hz)}
