"""Noise that is there at once, told from a QRS however wide, and from noise that beats go on in."""

import numpy as np
import pytest

from becalm_signal.ecg_rise import NoiseRise

CALM = 5.0


def bends(seconds: float, rate_hz: float, *, size: float = CALM) -> list[float]:
    return [abs(x) for x in np.random.default_rng(2).normal(0.0, size, round(seconds * rate_hz)).tolist()]


def heard(rate_hz: float, *, qrs_s: float = 0.1, n_beats: int = 6) -> tuple[NoiseRise, int]:
    """A watch that has heard so many beats, and the sample that comes next."""
    rise, n = NoiseRise(rate_hz), 0
    for _ in range(n_beats):
        for part in (bends(0.4, rate_hz), bends(qrs_s, rate_hz, size=400.0), bends(0.4, rate_hz)):
            rise.feed(part, first=n)
            n += len(part)
        rise.beat(n - 0.4 * rate_hz, calm=CALM)
    return rise, n


@pytest.mark.parametrize("rate_hz", [100.0, 130.0, 500.0])
def test_noise_is_heard_within_three_tenths_of_a_second(rate_hz: float) -> None:
    rise, n = heard(rate_hz)
    assert rise.rose_at is None
    rise.feed(bends(1.0, rate_hz, size=300.0), first=n)
    assert rise.rose_at is not None
    assert 0.2 <= (rise.rose_at - n) / rate_hz <= 0.3


@pytest.mark.parametrize("rate_hz", [100.0, 130.0, 500.0])
def test_a_wide_beat_is_none_and_where_all_are_wide_noise_has_to_last_longer(rate_hz: float) -> None:
    rise, n = heard(rate_hz)
    rise.feed([*bends(0.18, rate_hz, size=400.0), *bends(1.0, rate_hz)], first=n)
    assert rise.rose_at is None
    wide, n = heard(rate_hz, qrs_s=0.19)
    wide.feed([*bends(0.22, rate_hz, size=400.0), *bends(1.0, rate_hz)], first=n)
    assert wide.rose_at is None


def test_a_beat_in_the_noise_ends_the_doubt_one_before_it_does_not() -> None:
    rise, n = heard(130.0)
    rise.feed(bends(0.5, 130.0, size=300.0), first=n)
    rose_at = rise.rose_at
    rise.beat(n - 10.0, calm=CALM)
    assert rise.rose_at == rose_at
    rise.beat(n + 50.0, calm=300.0)
    assert rise.rose_at is None
    for _ in range(3):
        rise.feed(bends(0.8, 130.0, size=300.0), first=n)
        rise.beat(n + 500.0, calm=300.0)
    rise.feed(bends(3.0, 130.0, size=300.0), first=n)
    assert rise.rose_at is None, "by now it is the usual noise"


@pytest.mark.parametrize("noise_s", [1.0, 10.0, 600.0])
def test_noise_of_any_length_is_forgotten_in_as_many_beats(noise_s: float) -> None:
    rise, n = heard(130.0)
    for size, seconds in ((300.0, noise_s), (CALM, 2.0)):
        rise.feed(bends(seconds, 130.0, size=size), first=n)
        n += round(seconds * 130.0)
    for _ in range(5):
        rise.beat(float(n), calm=CALM)
        rise.feed(bends(0.8, 130.0), first=n)
        n += round(0.8 * 130.0)
    assert rise.rose_at is None
    rise.feed(bends(1.0, 130.0, size=300.0), first=n)
    assert rise.rose_at is not None
    assert rise.rose_at - n <= 0.3 * 130.0


def test_nothing_is_told_before_some_beats_nor_after_a_gap() -> None:
    rise, n = heard(130.0, n_beats=3)
    rise.feed(bends(2.0, 130.0, size=300.0), first=n)
    assert rise.rose_at is None
    rise, n = heard(130.0)
    rise.restart()
    rise.feed(bends(2.0, 130.0, size=300.0), first=0)
    assert rise.rose_at is None
