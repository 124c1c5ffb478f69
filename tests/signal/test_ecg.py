"""The ECG stage where a lead starts badly or turns bad: no beat of the artefact, no rate while it lasts, soon back."""

from typing import Any

import numpy as np
import pytest

from becalm_protocol.derived import Beat, BeatFlag, Metrics, Reason, SignalQuality
from becalm_protocol.events import SignalKind

RATE_HZ = 250.0
BAD_S = 5.0


def bad_lead(name: str, n_samples: int) -> Any:
    noise = np.random.default_rng(0).normal(0.0, 3000.0, n_samples)
    return {"zeros": np.zeros(n_samples), "rail": np.full(n_samples, 5000.0), "burst": noise}[name]


@pytest.mark.parametrize("name", ["zeros", "rail", "burst"])
def test_after_a_bad_start_only_true_beats_within_five_seconds(
    make_ecg: Any, make_rr: Any, make_track: Any, run_tracks: Any, name: str
) -> None:
    heart = make_ecg(make_rr(80), rate_hz=RATE_HZ)
    samples = heart.samples.copy()
    n_bad = round(BAD_S * RATE_HZ)
    samples[:n_bad] = bad_lead(name, n_bad)
    derived = run_tracks(make_track(samples, kind=SignalKind.ECG, rate_hz=RATE_HZ))
    beats = [event for event in derived if isinstance(event, Beat) and event.confirmed]
    true_s = heart.beats_s[heart.beats_s > BAD_S + 1.5]
    assert all(min(abs(heart.beats_s - beat.t_ns / 1e9)) < 0.02 for beat in beats)
    assert all(min(abs(beat.t_ns / 1e9 - t_s) for beat in beats) < 0.02 for t_s in true_s[:-1])
    assert [beat.flag for beat in beats] == [BeatFlag.FIRST] + [BeatFlag.OK] * (len(beats) - 1)
    ticks = [event for event in derived if isinstance(event, Metrics)]
    shown = [tick for tick in ticks if tick.heart_rate_bpm.value is not None]
    assert shown[0].t_ns / 1e9 <= BAD_S + 5.0
    assert all(tick.heart_rate_bpm.value == pytest.approx(66.7, abs=6.0) for tick in shown)


def test_no_heart_rate_while_the_lead_is_noisy(make_ecg: Any, make_rr: Any, make_track: Any, run_tracks: Any) -> None:
    heart = make_ecg(make_rr(70), rate_hz=RATE_HZ)
    samples = heart.samples.copy()
    burst = slice(round(20 * RATE_HZ), round(35 * RATE_HZ))
    samples[burst] += np.random.default_rng(0).normal(0.0, 1500.0, burst.stop - burst.start)
    derived = run_tracks(make_track(samples, kind=SignalKind.ECG, rate_hz=RATE_HZ))
    said = {event.t_ns: event.reason for event in derived if isinstance(event, SignalQuality)}
    assert Reason.NOISY in said.values()
    for tick in (event for event in derived if isinstance(event, Metrics)):
        reason = next((said[t_ns] for t_ns in sorted(said, reverse=True) if t_ns <= tick.t_ns), None)
        assert reason is None or tick.heart_rate_bpm.value is None
    after = [event for event in derived if isinstance(event, Beat) and event.confirmed and event.t_ns > 38e9]
    assert {beat.flag for beat in after[1:]} == {BeatFlag.OK}, "intervals found in noise are no measure of those after"
