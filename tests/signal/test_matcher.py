"""Intervals laid on ECG beats by their pattern: right at any lag, quick after a loss, and in doubt where it must be."""

import math
import random

import pytest

from becalm_signal.matcher import N_HYPOTHESES, Matcher, Place

NS = 1_000_000_000
ECG_DELAY_S = 0.15


def heart_s(n_beats: int, *, rsa_s: float = 0.04, noise_s: float = 0.012, seed: int = 5) -> list[float]:
    rng = random.Random(seed)
    beats = [1.0]
    for _ in range(n_beats):
        beats.append(beats[-1] + 0.9 + rsa_s * math.sin(1.3 * beats[-1]) + rng.gauss(0.0, noise_s))
    return beats


def placed(
    told_s: list[float], ecg_s: list[float], *, lags_s: list[float], sums_s: list[float] | None = None
) -> list[tuple[Place | None, float]]:
    """Return each placement with the true time, everything in the order in which it is known."""
    sums = sums_s or told_s
    events = [(t + ECG_DELAY_S, 0, t, 0.0) for t in ecg_s]
    events += [(t + lags_s[k % len(lags_s)], 1, t, sums[k]) for k, t in enumerate(told_s)]
    matcher = Matcher()
    found: list[tuple[Place | None, float]] = []
    for known_s, is_told, t_s, sum_s in sorted(events):
        if is_told:
            found.append((matcher.place(round(sum_s * NS), arrived_ns=round(known_s * NS)), t_s))
        else:
            matcher.hear(round(t_s * NS))
    return found


def errors_ms(found: list[tuple[Place | None, float]]) -> list[float]:
    return [abs(place.t_ns / 1e6 - 1000.0 * t_s) if place is not None else math.inf for place, t_s in found]


@pytest.mark.parametrize("lag_s", [0.0, 0.2, 1.0, 3.9])
@pytest.mark.parametrize("seed", range(3))
def test_any_lag_is_seen_through(lag_s: float, seed: int) -> None:
    beats = heart_s(60, seed=seed)
    found = placed(beats, beats, lags_s=[lag_s])
    assert max(errors_ms(found)[15:]) < 10.0
    assert all(place is not None and place.error_ns < 20e6 for place, _ in found[20:])


def test_where_the_sum_began_does_not_matter() -> None:
    beats = heart_s(40)
    lags = [random.Random(2).uniform(1.0, 1.4) for _ in beats]
    plain = placed(beats, beats, lags_s=lags)
    shifted = placed(beats, beats, lags_s=lags, sums_s=[beat + 1e5 for beat in beats])
    assert errors_ms(shifted) == pytest.approx(errors_ms(plain), abs=1e-3)


def test_missed_and_extra_ecg_beats_do_not_lose_the_thread() -> None:
    beats = heart_s(120)
    ecg = [beat for k, beat in enumerate(beats) if k % 5] + [beat + 0.31 for beat in beats[::7]]
    found = placed(beats, ecg, lags_s=[1.5, 1.7, 1.9])
    assert max(errors_ms(found)[20:]) < 10.0


@pytest.mark.parametrize("n_lost", [1, 2, 3])
def test_lost_intervals_are_got_over_within_four_beats(n_lost: int) -> None:
    beats = heart_s(80)
    told = beats[:40] + beats[40 + n_lost :]
    sums = beats[:40] + [beat - (beats[39 + n_lost] - beats[39]) for beat in beats[40 + n_lost :]]
    found = placed(told, beats, lags_s=[1.2], sums_s=sums)
    errors = errors_ms(found)
    assert max(errors[20:40]) < 10.0
    assert max(errors[44:]) < 10.0


def test_a_heart_like_a_clock_leaves_a_doubt_that_holds_the_truth() -> None:
    beats = [1.0 + 0.9 * k for k in range(60)]
    found = placed(beats, beats, lags_s=[2.0])
    for place, t_s in found[2:]:
        assert place is not None
        assert abs(place.t_ns / 1e6 - 1000.0 * t_s) <= place.error_ns / 1e6
        assert place.error_ns > 0.8 * NS


def test_without_an_ecg_nothing_is_said() -> None:
    beats = heart_s(10)
    assert all(place is None for place, _ in placed(beats, [], lags_s=[1.0]))


def test_past_the_end_of_an_ecg_the_sum_goes_on_and_the_error_grows() -> None:
    beats = heart_s(90)
    found = placed(beats, beats[:50], lags_s=[0.3])
    assert max(errors_ms(found)[20:]) < 10.0
    first, last = found[55][0], found[-1][0]
    assert first is not None
    assert last is not None
    assert last.matched is None
    assert last.error_ns > first.error_ns


def test_memory_is_bounded() -> None:
    rng = random.Random(1)
    beats = [0.26 * k + rng.uniform(0.0, 0.05) for k in range(400)]
    matcher = Matcher()
    for beat in beats:
        matcher.hear(round(beat * NS))
        matcher.place(round(rng.uniform(0.0, 3.0) * NS + beat * NS), arrived_ns=round((beat + 2.0) * NS))
        assert len(matcher._hypotheses) <= N_HYPOTHESES
