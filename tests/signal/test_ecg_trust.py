"""Beats count once they look like those of a heart: alike in shape and size."""

from typing import Any

import numpy as np
import pytest

from becalm_protocol.derived import Beat, Reason, SignalQuality
from becalm_protocol.events import SignalKind
from becalm_signal.ecg_trust import HeartTrust
from becalm_signal.qrs_peak import Peak
from becalm_signal.qrs_shapes import Shape

RATE_HZ = 130.0


def peak(at: float, *, is_steady: bool) -> Peak:
    return Peak(at=at, height=1.0, is_known=is_steady, is_steady=is_steady)


def test_beats_are_held_until_three_of_five_are_steady_then_told_with_those_before() -> None:
    trust = HeartTrust()
    told = [trust.hear(peak(float(at), is_steady=is_steady)) for at, is_steady in enumerate([False, True, True, True])]
    assert told[:3] == [[], [], []]
    assert [beat.at for beat in told[3]] == [0.0, 1.0, 2.0, 3.0]
    assert trust.hear(peak(4.0, is_steady=False)) == [peak(4.0, is_steady=False)]


def test_once_doubted_two_steady_beats_are_asked_for() -> None:
    trust = HeartTrust()
    for at in range(3):
        trust.hear(peak(float(at), is_steady=True))
    trust.doubt()
    assert trust.hear(peak(4.0, is_steady=True)) == []
    assert len(trust.hear(peak(5.0, is_steady=True))) == 2


def test_another_heart_than_before_has_to_show_three() -> None:
    trust = HeartTrust()
    for at in range(3):
        trust.hear(peak(float(at), is_steady=True))
    trust.doubt()
    told = [trust.hear(Peak(float(at), 1.0, is_steady=True, is_strange=True)) for at in range(4, 7)]
    assert [len(beats) for beats in told] == [0, 0, 3]
    assert trust.is_trusted


def test_beats_of_two_kinds_do_not_vouch_for_each_other() -> None:
    kinds = [Shape([1.0], 1.0, 1.0), Shape([-1.0], 1.0, -1.0)]
    trust = HeartTrust()
    told = [trust.hear(Peak(float(at), 1.0, is_steady=at > 1, kind=kinds[at % 2])) for at in range(6)]
    assert [len(beats) for beats in told] == [0, 0, 0, 0, 0, 0]
    told_last = trust.hear(Peak(6.0, 1.0, is_steady=True, kind=kinds[0]))
    assert [beat.at for beat in told_last] == [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]


def test_what_came_before_the_first_of_a_kind_is_not_told() -> None:
    noise, heart = Shape([1.0], 1.0, 1.0), Shape([-1.0], 1.0, -1.0)
    trust = HeartTrust()
    trust.hear(Peak(0.0, 1.0, is_steady=True, kind=noise))
    told = [trust.hear(Peak(float(at), 1.0, is_steady=at > 1, kind=heart)) for at in range(1, 5)]
    assert [beat.at for beat in told[-1]] == [1.0, 2.0, 3.0, 4.0]


def test_eight_unsteady_beats_are_refused() -> None:
    trust = HeartTrust()
    assert [trust.hear(peak(float(at), is_steady=False)) for at in range(8)] == [[]] * 8
    assert trust.is_refused


@pytest.mark.parametrize("seed", range(4))
def test_bursts_of_a_muscle_before_any_heart_give_no_beat(make_track: Any, run_tracks: Any, seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = round(30 * RATE_HZ)
    swell = np.clip(np.convolve(rng.normal(size=n), np.ones(130) / 12.0, "same"), 0.0, None)
    samples = 600.0 * swell * rng.normal(size=n) + rng.normal(0.0, 10.0, n)
    derived = run_tracks(make_track(samples, kind=SignalKind.ECG, rate_hz=RATE_HZ))
    assert [event for event in derived if isinstance(event, Beat)] == []
    assert Reason.NOISY in {event.reason for event in derived if isinstance(event, SignalQuality)}


def test_a_heart_is_told_of_within_five_seconds(make_ecg: Any, make_rr: Any, make_track: Any, run_tracks: Any) -> None:
    heart = make_ecg(make_rr(20, mean_ms=1000.0), rate_hz=RATE_HZ, noise_uv=15.0)
    derived = run_tracks(make_track(heart.samples, kind=SignalKind.ECG, rate_hz=RATE_HZ))
    first = next(event for event in derived if isinstance(event, Beat))
    assert first.emitted_ns < 5e9
