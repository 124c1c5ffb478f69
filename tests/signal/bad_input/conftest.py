"""A body with a heart, breath and skin of known rates, its packets, and what of the derived events is wrong."""

import math
from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from becalm_protocol.derived import Beat, Derived, Index, Metrics, Reason, SignalQuality
from becalm_protocol.events import Clock, SampleBlock, SignalKind, StreamInfo

Counts = NDArray[np.int64]


S = 1_000_000_000


ECG, BREATH, SKIN = SignalKind.ECG, SignalKind.RESPIRATION, SignalKind.SKIN_CONDUCTANCE


STREAMS = {ECG: ("uV", 1.0, 130.0), BREATH: ("au", 1e-3, 25.0), SKIN: ("uS", 1e-3, 8.0)}


SECONDS, BEGIN_S, END_S = 90, 40, 55


TRUTH = {"heart_rate_bpm": (66.7, 4.0), "breathing_rate_bpm": (15.0, 2.0), "scl_us": (5.0, 0.4)}
"""The body's constant indices, and how far a value may be off before it is wrong whatever its bound."""


RAIL = 2**31 - 1


def info(kind: SignalKind, clock: Clock = Clock.SESSION, *, label: float = 1.0) -> StreamInfo:
    unit, unit_per_count, rate_hz = STREAMS[kind]
    return StreamInfo(
        stream_id=kind.value,
        kind=kind,
        unit=unit,
        unit_per_count=unit_per_count,
        sample_rate_hz=rate_hz * label,
        clock=clock,
        device="test",
    )


@pytest.fixture(scope="module")
def body(make_ecg: Any) -> dict[SignalKind, Counts]:
    """A calm body of 66.7 beats and 15 breaths a minute at 5 uS."""
    rng = np.random.default_rng(3)
    heart = make_ecg([900 + 12 * math.sin(k) + rng.normal(0, 10) for k in range(SECONDS)], rate_hz=130.0)
    told = {ECG: heart.samples[: SECONDS * 130]}
    t_s = np.arange(SECONDS * 25) / 25.0
    told[BREATH] = np.sin(2 * np.pi * 0.25 * t_s) + rng.normal(0, 0.01, len(t_s))
    t_s = np.arange(SECONDS * 8) / 8.0
    told[SKIN] = 5.0 + 0.05 * np.sin(2 * np.pi * t_s / 200.0) + rng.normal(0, 0.002, len(t_s))
    return {kind: np.rint(samples / STREAMS[kind][1]).astype(np.int64) for kind, samples in told.items()}


def packets(kind: SignalKind, counts: Counts, *, at_s: float = 0.0, first: int = 0) -> Iterator[SampleBlock]:
    """Yield a quarter of a second each, as a radio brings them 20 ms later."""
    rate_hz = STREAMS[kind][2]
    size = max(1, round(0.25 * rate_hz))
    for n in range(0, len(counts), size):
        part = tuple(int(count) for count in counts[n : n + size])
        last_ns = round((at_s + (n + len(part) - 1) / rate_hz) * S)
        yield SampleBlock(
            stream_id=kind.value,
            received_ns=last_ns + 20_000_000,
            first_sample_idx=first + n,
            sensor_ns=last_ns,
            counts=part,
        )


def wrong(derived: Iterable[Derived], *, after_s: float = 12.0) -> list[str]:
    """Return every value that is off by more than its bound and more than the truth itself allows."""
    found = []
    for tick in derived:
        if not isinstance(tick, Metrics) or tick.t_ns <= after_s * S:
            continue
        for name, (true, tolerance) in TRUTH.items():
            index: Index = getattr(tick, name)
            if index.value is not None and abs(index.value - true) > max(tolerance, index.bound or 0.0):
                found.append(f"{tick.t_ns / S:.2f} s: {name} {index.value:.1f} +- {index.bound:.1f}")
    return found


def unusable(derived: Iterable[Derived], kind: SignalKind, at_s: float) -> Reason | None:
    """Return why a signal was called unusable at a time."""
    told = [e for e in derived if isinstance(e, SignalQuality) and e.kind is kind and e.t_ns <= at_s * S]
    return told[-1].reason if told else None


def shown(derived: Iterable[Derived], name: str, *, from_s: float, to_s: float) -> list[float]:
    """Return the values of an index within a time."""
    ticks = [e for e in derived if isinstance(e, Metrics) and from_s * S < e.t_ns <= to_s * S]
    return [index.value for tick in ticks if (index := getattr(tick, name)).value is not None]


def told_beats(derived: Iterable[Derived]) -> list[Beat]:
    """Return the confirmed beats; each is later than the one before, and too far from it to be the same."""
    beats = [event for event in derived if isinstance(event, Beat) and event.confirmed]
    assert [(a.t_ns / S, b.t_ns / S) for a, b in pairwise(beats) if b.t_ns - a.t_ns < 0.3 * S] == []
    assert all(beat.emitted_ns > beat.t_ns for beat in beats)
    return beats


def check_label(
    body: dict[SignalKind, Counts], run_events: Callable[..., list[Derived]], *, label: float, clock: Clock
) -> None:
    """No rate is wrong because of the label, at no time, and none is hidden by it a minute on."""
    events = sorted((e for kind, counts in body.items() for e in packets(kind, counts)), key=lambda e: e.received_ns)
    derived = run_events([info(kind, clock, label=label) for kind in STREAMS], events)
    assert [text for text in wrong(derived, after_s=0.0) if "scl" not in text] == []
    told_beats(derived)
    assert shown(derived, "heart_rate_bpm", from_s=20, to_s=21)
    assert shown(derived, "heart_rate_bpm", from_s=60, to_s=61)
    assert shown(derived, "breathing_rate_bpm", from_s=60, to_s=61)
