"""Electrodes that come off and go back on: what is told meanwhile, how soon it ends, what is called off while on."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import chain, product
from pathlib import Path
from typing import Any

import numpy as np

from becalm_cli.signal_bench import records, rivals
from becalm_cli.signal_bench.attempts import attempt, each
from becalm_cli.signal_bench.heart import DOWN, UP
from becalm_cli.signal_bench.heart_rate import BIDMC_RATE_HZ
from becalm_cli.signal_bench.records import Samples, columns, derive, resampled, stream
from becalm_cli.signal_bench.strap import STRAP_RATE_HZ
from becalm_protocol.derived import Beat, Derived, Index, Metrics, Reason, SignalQuality
from becalm_protocol.events import SignalKind
from becalm_protocol.units import NS_PER_S, ns_from_s
from becalm_signal.intervals import is_sound
from becalm_simulator.body import Body
from becalm_simulator.sensors.strap import NOISE_UV

# Nobody chose a setting on these.
FIRST_PERSON = 30_000
SECONDS = 300
BACK_S = 5.0
RATE_OUTLIVES_S = 3.0
SEEN_S = 1.0
FIRST_OFF_S, OFF_S, LONG_OFF_S, ON_S = 25.0, (2.0, 15.0), (25.0, 60.0), (15.0, 25.0)
WORN = {
    "mitdb": ("ecg_mv", STRAP_RATE_HZ),  # resampled
    "bidmc": ("ecg_mv", BIDMC_RATE_HZ),
    "polar_h10": ("ecg_mV", STRAP_RATE_HZ),
}
Rng = np.random.Generator


def _hanging(n: int, rng: Rng) -> Samples:
    """Free cables: mains, amplifier noise and drift."""
    t_s = np.arange(n) / STRAP_RATE_HZ
    mains_hz = float(rng.choice([50.0, 60.0]))
    shown = rng.uniform(100.0, 600.0) * np.sin(2.0 * np.pi * mains_hz * t_s)
    shown += rng.uniform(20.0, 150.0) * rng.standard_normal(n) + 5.0 * np.cumsum(rng.standard_normal(n))
    return np.asarray(shown)


def _handled(n: int, rng: Rng) -> Samples:
    """Cables in a hand: mains that come and go, and jumps that leak away."""
    shown = _hanging(n, rng) * np.repeat(rng.uniform(0.1, 2.0, n // 65 + 1), 65)[:n]
    for at in np.flatnonzero(rng.random(n) < 1.5 / STRAP_RATE_HZ):
        since_s = np.arange(n - at) / STRAP_RATE_HZ
        shown[at:] += rng.normal(0.0, 2000.0) * np.exp(-since_s / rng.uniform(0.05, 0.35))
    return shown


def _tapped(n: int, rng: Rng) -> Samples:
    """Quiet electrodes that are knocked against something, nearly as even as a heart."""
    shown = rng.normal(0.0, 8.0, n)
    every_s, hz, tau_s, height_uv = (rng.uniform(*of) for of in ((0.5, 1.2), (6.0, 15.0), (0.04, 0.1), (500.0, 2000.0)))
    at_s = rng.uniform(0.1, 0.5)
    while at_s < n / STRAP_RATE_HZ:
        since_s = np.arange(n) / STRAP_RATE_HZ - at_s
        ring = np.sin(2.0 * np.pi * hz * since_s) * np.exp(-np.maximum(since_s, 0.0) / tau_s)
        shown += rng.normal(1.0, 0.25) * height_uv * np.where(since_s > 0.0, ring, 0.0)
        at_s += every_s * rng.normal(1.0, 0.12)
    return shown


TAPPED_FOR_LONG = "tapped_for_long"
HANGING: dict[str, Callable[[int, Rng], Samples]] = {
    "hanging": _hanging,
    "handled": _handled,
    "tapped": _tapped,
    TAPPED_FOR_LONG: _tapped,
}
PUT_BACK = {"as_before": 1.0, "turned": -1.0, "three_times_as_high": 3.0, "a_third_as_high": 1.0 / 3.0}
"""By what the ECG is multiplied afterwards."""


class _Wearer:
    """One virtual person whose electrodes come off again and again, each time in the same way."""

    def __init__(self, seed: int, *, hanging: str, put_back: str) -> None:
        rng = np.random.default_rng([seed, 31])
        body = Body.from_seed(seed)
        body.until(SECONDS * NS_PER_S)
        t_ns = np.rint(np.arange(round(SECONDS * STRAP_RATE_HZ)) * NS_PER_S / STRAP_RATE_HZ).astype(np.int64)
        ecg_uv = np.asarray(body.ecg_uv(t_ns)) + NOISE_UV * rng.standard_normal(len(t_ns))
        self.off_s: list[tuple[float, float]] = []
        begin_s, off_s = FIRST_OFF_S, LONG_OFF_S if hanging == TAPPED_FOR_LONG else OFF_S
        while begin_s < SECONDS - off_s[1] - ON_S[1]:
            end_s = begin_s + rng.uniform(*off_s)
            begin, end = round(begin_s * STRAP_RATE_HZ), round(end_s * STRAP_RATE_HZ)
            ecg_uv[end:] *= PUT_BACK[put_back] if len(self.off_s) % 2 == 0 else 1.0 / PUT_BACK[put_back]
            ecg_uv[begin:end] = HANGING[hanging](end - begin, rng)
            self.off_s.append((begin_s, end_s))
            begin_s = end_s + rng.uniform(*ON_S)
        self.derived = derive((stream(SignalKind.ECG, rate_hz=STRAP_RATE_HZ), ecg_uv))
        self.rival_s = rivals.peak_positions(ecg_uv / 1000.0, rate_hz=STRAP_RATE_HZ) / STRAP_RATE_HZ


def off_the_body(data: Path, *, quick: bool) -> dict[str, Any]:
    """Score what is told of a heart while electrodes hang, are handled or tapped, and how soon it is back.

    That electrodes came off is known once a beat is due: what is told until then of the moment before is no ghost.
    Ghosts are rates of a moment off the body, and those that are still shown a second after they came off.
    """
    del data
    result: dict[str, Any] = {}
    for number, (hanging, put_back) in enumerate(product(HANGING, PUT_BACK)):
        first = FIRST_PERSON + 100 * number
        if not quick or (put_back == "as_before" and hanging != TAPPED_FOR_LONG):
            people = range(first, first + (1 if quick else 6))
            wearers = [_Wearer(seed, hanging=hanging, put_back=put_back) for seed in people]
            result[f"{hanging}, {put_back}"] = _figures(wearers)
    return result


def _figures(wearers: Sequence[_Wearer]) -> dict[str, Any]:
    shown, seen, back_s, called_off, n_ghosts, lasted_s = [], [], [], [], 0, 0.0
    for wearer in wearers:
        settled = {beat.beat_idx: beat for beat in wearer.derived if isinstance(beat, Beat)}
        ticks = [(tick.t_ns, tick.heart_rate_bpm) for tick in wearer.derived if isinstance(tick, Metrics)]
        for begin_s, end_s in wearer.off_s:
            during = range(ns_from_s(begin_s), ns_from_s(end_s))
            n_ghosts += sum(beat.t_ns in during and is_sound(beat) for beat in settled.values())
            lasted_s += end_s - begin_s
            shown += [(index, during) for t_ns, index in ticks if t_ns in during]
            late = range(ns_from_s(begin_s + SEEN_S), during.stop)
            seen += [index.value is not None for t_ns, index in ticks if t_ns in late]
            after_ns = (t_ns for t_ns, index in ticks if _is_of_after(index, during.stop))
            back_s.append(next(after_ns, SECONDS * NS_PER_S) / NS_PER_S - end_s)
        called_off += [
            is_off
            for t_s, is_off in _called_off(wearer.derived)
            if not any(begin_s <= t_s < end_s + BACK_S for begin_s, end_s in wearer.off_s)
        ]
    return {
        "heart_rate_told_pct": _pct([index.value is not None for index, _ in shown]),
        "heart_rate_told_a_second_on_pct": _pct(seen),
        "of_a_moment_off_the_body_pct": _pct(
            [index.sample_ns is not None and index.sample_ns in during for index, during in shown]
        ),
        "beats_accepted_pct_of_seconds": round(100.0 * n_ghosts / lasted_s, 2),
        "back_s": {"median": _quantile(back_s, 0.5), "p95": _quantile(back_s, 0.95)},
        "back_within_5_s_pct": _pct([s <= BACK_S for s in back_s]),
        "called_off_on_the_body_pct": _pct(called_off),
        "neurokit2": _rival(wearers),
    }


def _rival(wearers: Sequence[_Wearer]) -> dict[str, Any]:
    """Return what NeuroKit2 finds in the whole recording while electrodes are off; told: a beat within 3 s, as ours."""
    n_beats, told, lasted_s = 0, [], 0.0
    for wearer in wearers:
        for begin_s, end_s in wearer.off_s:
            found_s = wearer.rival_s[(wearer.rival_s >= begin_s) & (wearer.rival_s < end_s)]
            n_beats, lasted_s = n_beats + len(found_s), lasted_s + end_s - begin_s
            told += [
                bool(np.any((wearer.rival_s <= t_s) & (wearer.rival_s > t_s - RATE_OUTLIVES_S)))
                for t_s in np.arange(begin_s, end_s, 0.25)
            ]
    return {"heart_rate_told_pct": _pct(told), "beats_pct_of_seconds": round(100.0 * n_beats / lasted_s, 2)}


def _is_of_after(index: Index, end_ns: int) -> bool:
    """Return whether an index is told, and of a moment when electrodes were on again."""
    return index.value is not None and index.sample_ns is not None and index.sample_ns >= end_ns


def on_the_body(data: Path, *, quick: bool) -> dict[str, Any]:
    """Score how much of real ECGs, all of them worn, is called off the body; NeuroKit2: unacceptable (Zhao 2018)."""
    result: dict[str, Any] = {}
    for folder in WORN:
        measured, error = attempt(partial(_worn, data / folder, quick=quick))
        result[folder] = measured if error is None else {"error": error}
    return result


def _worn(folder: Path, *, quick: bool) -> dict[str, Any]:
    paths = records.recordings(folder)[: 1 if quick else None]
    scores, errors = each(paths, partial(_verdicts, quick=quick))
    ours, theirs = (list(chain.from_iterable(both[i] for both in scores.values())) for i in (0, 1))
    return {"seconds": len(ours), "called_off_pct": _pct(ours), "neurokit2_unacceptable_pct": _pct(theirs)} | errors


def _verdicts(path: Path, *, quick: bool) -> tuple[list[bool], list[bool]]:
    """Return each second that we call off, and each window of 10 s that NeuroKit2 calls unacceptable."""
    folder = path.parent.name
    column, rate_hz = WORN[folder]
    ecg_mv = columns(path, column)[column]
    ecg_mv = ecg_mv[np.isfinite(ecg_mv)]
    if folder == "mitdb":
        ecg_mv = resampled(ecg_mv[: len(ecg_mv) // 6] if quick else ecg_mv, up=UP, down=DOWN)
    derived = derive((stream(SignalKind.ECG, rate_hz=rate_hz), 1000.0 * ecg_mv))
    return [is_off for _, is_off in _called_off(derived)], rivals.unacceptable(ecg_mv, rate_hz=rate_hz)


def _called_off(derived: Sequence[Derived]) -> Iterator[tuple[float, bool]]:
    """Yield each whole second, and whether the ECG was called off the body by then."""
    is_off = False
    for event in derived:
        if isinstance(event, SignalQuality) and event.kind is SignalKind.ECG:
            is_off = event.reason is Reason.OFF_BODY
        elif isinstance(event, Metrics) and event.t_ns % NS_PER_S == 0:
            yield event.t_ns / NS_PER_S, is_off


def _pct(told: Sequence[bool]) -> float | None:
    return round(100.0 * float(np.mean(told)), 2) if told else None


def _quantile(numbers: Sequence[float], share: float) -> float:
    return round(float(np.quantile(numbers, share)), 2)
