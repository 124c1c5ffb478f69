"""NeuroKit2 on the virtual people of `bounds` and `ghosts`: what it finds without a body, and errors of its indices."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from becalm_cli.happenings import Happenings
from becalm_cli.score import happened, staged_body
from becalm_cli.score_ghosts import GHOSTS
from becalm_cli.signal_bench import rivals
from becalm_cli.signal_bench.records import Samples
from becalm_cli.truth import Truth
from becalm_protocol.events import Gap, SampleBlock, SignalKind
from becalm_protocol.units import NS_PER_S
from becalm_simulator.blocks import STREAMS, sample_blocks

STEP_S, WINDOW_S, N_BEATS = 5, 60, 5


def rival_scores(seeds: Sequence[int], *, seconds: int) -> dict[str, Any]:
    """Return ghosts by their name, and errors of heart rate and RMSSD, of NeuroKit2 over whole sessions."""
    n_found, lasted_s = dict.fromkeys(GHOSTS, 0), dict.fromkeys(GHOSTS, 0.0)
    errors: dict[str, list[float]] = {"heart_rate_bpm": [], "rmssd_ms": []}
    for seed in seeds:
        body = staged_body(seed, seconds=seconds)
        heard = _heard(sample_blocks(body, seconds=seconds), seconds=seconds)
        found_s = {name: _found_s(kind, heard[kind]) for name, (kind, _) in GHOSTS.items()}
        episodes = happened(body)
        for name, (kind, episode_kind) in GHOSTS.items():
            during = Happenings(episodes, kind)
            times_ns = np.rint(found_s[name] * NS_PER_S).astype(np.int64).tolist()
            n_found[name] += sum(during.is_under_way(episode_kind, t_ns) for t_ns in times_ns)
            lasted_s[name] += during.lasted_ns(episode_kind, until_ns=seconds * NS_PER_S) / NS_PER_S
        truth = Truth(body)
        for end_s in range(WINDOW_S + STEP_S, seconds - STEP_S, STEP_S):
            for name, value in _indices(found_s["beats"], end_s).items():
                true = truth.index(name, end_s * NS_PER_S, tick_ns=end_s * NS_PER_S)
                if value is not None and true is not None:
                    errors[name].append(value - true)
    return {
        "people": len(seeds),
        "ghosts": {
            name: {"found": n, "found_pct_of_seconds": round(100.0 * n / lasted_s[name], 2) if lasted_s[name] else None}
            for name, n in n_found.items()
        },
        "errors": {name: _sizes(told) for name, told in errors.items()},
    }


def _heard(events: Iterable[SampleBlock | Gap], *, seconds: int) -> dict[SignalKind, tuple[Samples, float]]:
    """Return each signal in its unit with its rate; NeuroKit2 takes no holes: the value before a dropout fills it."""
    counts = {info.stream_id: np.full(round(seconds * (info.sample_rate_hz or 1.0)), np.nan) for info in STREAMS}
    for event in events:
        if isinstance(event, SampleBlock):
            first = event.first_sample_idx
            counts[event.stream_id][first : first + len(event.counts)] = event.counts
    heard = {}
    for info in STREAMS:
        track = counts[info.stream_id]
        known = np.flatnonzero(np.isfinite(track))
        whole = track[known[np.maximum(np.searchsorted(known, np.arange(len(track)), side="right") - 1, 0)]]
        heard[info.kind] = (whole * info.unit_per_count, info.sample_rate_hz or 1.0)
    return heard


def _found_s(kind: SignalKind, heard: tuple[Samples, float]) -> Samples:
    samples, rate_hz = heard
    if kind is SignalKind.ECG:
        return np.asarray(rivals.peak_positions(samples / 1000.0, rate_hz=rate_hz) / rate_hz)
    if kind is SignalKind.RESPIRATION:
        found_s = rivals.breath_tops_s(samples, rate_hz=rate_hz)
        return np.array([]) if found_s is None else found_s
    return rivals.skin_responses_s(samples, rate_hz=rate_hz)


def _indices(beats_s: Samples, end_s: float) -> dict[str, float | None]:
    """Return the rate of the last five intervals, and RMSSD of the last minute after NeuroKit2's own correction."""
    until = beats_s[beats_s <= end_s]
    rr_ms = 1000.0 * np.diff(until[until > end_s - WINDOW_S])
    if len(rr_ms) < 2 * N_BEATS:
        return {}
    bpm = 60_000.0 / float(np.mean(rr_ms[-N_BEATS:]))
    return {"heart_rate_bpm": bpm, "rmssd_ms": rivals.corrected_rmssd_ms(rr_ms)}


def _sizes(errors: Sequence[float]) -> dict[str, Any]:
    size = np.abs(np.array(errors))
    quantiles = {f"p{p}_abs": round(float(np.quantile(size, p / 100)), 2) if len(size) else None for p in (50, 95, 99)}
    return {"values": len(size), **quantiles}
