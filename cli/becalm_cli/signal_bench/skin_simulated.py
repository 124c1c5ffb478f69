"""Skin-conductance responses of NeuroKit2's own simulator: onset, peak, amplitude and half recovery are known."""

import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import neurokit2 as nk
import numpy as np

from becalm_cli.signal_bench import rivals
from becalm_cli.signal_bench.f1 import Counts, count, total
from becalm_cli.signal_bench.records import Samples, derive, resampled, stream, times_ns
from becalm_protocol.derived import Derived, SkinRecovery, SkinResponse
from becalm_protocol.events import SignalKind, value
from becalm_protocol.units import NS_PER_S, s_from_ns

RATES_HZ = (4, 8, 10, 16, 32, 100, 1000)
AMPLITUDES_US = (0.1, 0.3, 1.0, 5.0)
SIMULATED_HZ = 1000
SLOWEST_HZ = 4
SECONDS = 120
LEVEL_US, DRIFT, NOISE = 5.0, -0.01, 0.01
"""uS, uS/s, and a share of the spread of responses of 1 uS: the last two are the same for all sizes."""
# The first seconds are learnt from.
SCORED_NS = range(5 * NS_PER_S, SECONDS * NS_PER_S)
WITHIN_MS = 1_000.0
FOOT_SHARE = 0.05


@value
class Simulated:
    """One true response."""

    onset_s: float
    """Where it has come to 5 % of its height."""
    peak_s: float
    half_s: float


def simulated_skin(data: Path, *, quick: bool) -> dict[str, Any]:
    """Score responses of `nk.eda_simulate` at several rates and sizes: up in 0.24 s and half gone 0.5 s later."""
    del data
    rates_hz = (8, 100) if quick else RATES_HZ
    n_seeds = 1 if quick else 3
    scores = {f"{rate_hz} Hz": _at_rate(rate_hz, n_seeds=n_seeds) for rate_hz in rates_hz}
    return scores | {f"{SLOWEST_HZ} Hz, simulated at that": _simulated_slowly(n_seeds=n_seeds)}


def _simulated_slowly(*, n_seeds: int) -> dict[str, Any]:
    """Score responses that are up in one sample; the simulator leaves out what noise it cannot draw at this rate."""
    tallies: dict[str, list[Counts]] = {"becalm": [], "neurokit2": []}
    for seed in range(n_seeds):
        _, _, truth = _simulate(seed)
        drawn = _drawn(seed, rate_hz=SLOWEST_HZ, drift=DRIFT, noise=NOISE)
        drift_us = DRIFT * np.linspace(0.0, SECONDS, len(drawn))
        for amplitude_us in AMPLITUDES_US:
            eda_us = LEVEL_US + amplitude_us * (drawn - drift_us) + drift_us
            derived = derive((stream(SignalKind.SKIN_CONDUCTANCE, rate_hz=SLOWEST_HZ), eda_us))
            _tally(tallies, derived, eda_us, rate_hz=SLOWEST_HZ, truth=truth)
    return {name: total(parts).as_dict() for name, parts in tallies.items()}


def _at_rate(rate_hz: int, *, n_seeds: int) -> dict[str, Any]:
    tallies: dict[str, list[Counts]] = {"becalm": [], "neurokit2": []}
    errors: list[tuple[float, ...]] = []
    for seed in range(n_seeds):
        pure, other_us, truth = _simulate(seed)
        for amplitude_us in AMPLITUDES_US:
            whole_us = LEVEL_US + amplitude_us * pure + other_us
            eda_us = resampled(whole_us, up=rate_hz, down=SIMULATED_HZ)
            derived = derive((stream(SignalKind.SKIN_CONDUCTANCE, rate_hz=rate_hz), eda_us))
            errors += _errors(derived, truth, amplitude_us=amplitude_us)
            _tally(tallies, derived, eda_us, rate_hz=rate_hz, truth=truth)
    scores: dict[str, Any] = {name: total(parts).as_dict() for name, parts in tallies.items()}
    return scores | {"becalm_error_median_and_p95_abs": _summary(errors)}


def _tally(
    tallies: dict[str, list[Counts]],
    derived: Sequence[Derived],
    eda_us: Samples,
    *,
    rate_hz: int,
    truth: Sequence[Simulated],
) -> None:
    """Count what either found of one signal."""
    ours_ns = [event.onset_ns for event in derived if isinstance(event, SkinResponse)]
    theirs_ns = times_ns(rivals.skin_responses_s(eda_us, rate_hz=rate_hz))
    true_ns = times_ns(np.array([response.onset_s for response in truth]))
    for name, found_ns in (("becalm", ours_ns), ("neurokit2", theirs_ns)):
        tallies[name].append(count(true_ns, found_ns, within_ms=WITHIN_MS, window_ns=SCORED_NS))


def _drawn(seed: int, *, rate_hz: int, drift: float, noise: float) -> Samples:
    """Return what the simulator draws, its level left out."""
    signal = nk.eda_simulate(
        duration=SECONDS,
        sampling_rate=rate_hz,
        scr_number=_n_responses(seed),
        drift=drift,
        noise=noise,
        random_state=seed,
    )
    return np.asarray(signal, dtype=np.float64) - 1.0


def _n_responses(seed: int) -> int:
    return int(np.random.default_rng(seed).integers(3, 10))


def _simulate(seed: int) -> tuple[Samples, Samples, list[Simulated]]:
    """Return responses of height 1 at 1000 Hz, the drift and noise beside them, and the truth."""
    pure = _drawn(seed, rate_hz=SIMULATED_HZ, drift=0.0, noise=0.0)
    begins = np.linspace(0, len(pure), _n_responses(seed), endpoint=False).astype(int)
    truth = [
        _response(pure[begin:end], begin=int(begin))
        for begin, end in zip(begins, [*begins[1:], len(pure)], strict=True)
    ]
    return pure, _drawn(seed, rate_hz=SIMULATED_HZ, drift=DRIFT, noise=NOISE) - pure, truth


def _response(part: Samples, *, begin: int) -> Simulated:
    peak = int(np.argmax(part))
    height = part[peak]
    onset = int(np.flatnonzero(part[:peak] <= FOOT_SHARE * height)[-1])
    half = peak + int(np.flatnonzero(part[peak:] <= height / 2.0)[0])
    onset_s, peak_s, half_s = ((begin + at) / SIMULATED_HZ for at in (onset, peak, half))
    return Simulated(onset_s=onset_s, peak_s=peak_s, half_s=half_s)


def _errors(
    derived: Sequence[Derived], truth: Sequence[Simulated], *, amplitude_us: float
) -> Iterable[tuple[float, ...]]:
    """Return the errors of each response that was found: onset, peak and recovery in ms, amplitude in percent."""
    recovered_ns = {event.onset_ns: event.recovered_ns for event in derived if isinstance(event, SkinRecovery)}
    for event in derived:
        if not isinstance(event, SkinResponse) or event.onset_ns not in SCORED_NS:
            continue
        true = min(truth, key=lambda response: abs(response.onset_s - s_from_ns(event.onset_ns)))
        if abs(true.onset_s - s_from_ns(event.onset_ns)) * 1e3 <= WITHIN_MS:
            half_ns = recovered_ns.get(event.onset_ns)
            yield (
                1e3 * (s_from_ns(event.onset_ns) - true.onset_s),
                1e3 * (s_from_ns(event.peak_ns) - true.peak_s),
                math.nan if half_ns is None else 1e3 * (s_from_ns(half_ns) - true.half_s),
                100.0 * (event.amplitude_us / amplitude_us - 1.0),
            )


def _summary(errors: Sequence[tuple[float, ...]]) -> dict[str, list[float]]:
    names = ("onset_ms", "peak_ms", "half_recovery_ms", "amplitude_pct")
    return {
        name: [round(float(np.nanmedian(column)), 1), round(float(np.nanquantile(np.abs(column), 0.95)), 1)]
        for name, column in zip(names, np.array(errors).T, strict=True)
    }
