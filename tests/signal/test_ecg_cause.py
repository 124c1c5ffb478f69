"""What an ECG without beats is made of."""

from typing import Any

import numpy as np
import pytest

from becalm_protocol.derived import Reason, SignalQuality
from becalm_protocol.events import SignalKind
from becalm_signal.ecg_cause import NoiseCause
from becalm_signal.ecg_recent import RecentSamples

SECONDS = 3.0


def judged(samples: Any, rate_hz: float) -> Reason:
    recent = RecentSamples(rate_hz)
    recent.feed(samples.tolist())
    return NoiseCause(recent, unit_per_count=0.1).judge()


def noise(kind: str, rate_hz: float) -> Any:
    t_s = np.arange(round(SECONDS * rate_hz)) / rate_hz
    rng = np.random.default_rng(3)
    if kind == "white":
        return rng.normal(0.0, 200.0, len(t_s))
    if kind == "clipped":
        return np.minimum(rng.normal(0.0, 400.0, len(t_s)), 300.0)
    wander = 500.0 * np.sin(2 * np.pi * 0.4 * t_s)
    return 300.0 * np.sin(2 * np.pi * float(kind) * t_s + 0.7) + wander + rng.normal(0.0, 20.0, len(t_s))


@pytest.mark.parametrize("rate_hz", [100.0, 125.0, 130.0, 250.0, 1000.0])
@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("50", Reason.POWERLINE),
        ("60", Reason.POWERLINE),
        ("35", Reason.NOISY),
        ("white", Reason.NOISY),
        ("clipped", Reason.CLIPPED),
    ],
)
def test_mains_and_clipping_are_told_at_every_rate(kind: str, reason: Reason, rate_hz: float) -> None:
    assert judged(noise(kind, rate_hz), rate_hz) is reason


def test_mains_alone_are_told_of_once_and_end_once_within_five_seconds(
    make_ecg: Any, make_rr: Any, make_track: Any, run_tracks: Any
) -> None:
    heart = make_ecg(make_rr(30), rate_hz=130.0, noise_uv=5.0)
    samples = heart.samples.copy()
    bad = round(10 * 130.0)
    t_s = np.arange(bad) / 130.0
    samples[:bad] = 400.0 * np.sin(2 * np.pi * 50.0 * t_s) + np.random.default_rng(1).normal(0.0, 20.0, bad)
    derived = run_tracks(make_track(samples, kind=SignalKind.ECG, rate_hz=130.0))
    told = [event for event in derived if isinstance(event, SignalQuality)]
    assert [event.reason for event in told] == [Reason.POWERLINE, None]
    assert told[0].t_ns < 5e9
    assert told[1].t_ns < 15e9
