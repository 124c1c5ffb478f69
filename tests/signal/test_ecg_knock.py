"""Knocks: without a wave, and uneven, one after the other; a heart that looks otherwise is rarely both."""

from collections.abc import Iterable

import numpy as np
import pytest

from becalm_signal.ecg_knock import N_EVEN, N_PASSING, KnockWatch
from becalm_signal.qrs_shapes import Shape

WAVE = np.exp(-0.5 * ((np.arange(12) - 7.0) / 2.0) ** 2)
WAVE -= WAVE.mean()
HEART, EARLY = Shape([], 1.0, 1.0), Shape([], 1.0, 1.0)
UNEVEN = [620.0, 1100.0, 800.0, 1300.0, 640.0, 900.0, 540.0, 1200.0]
EVEN = [1000.0, 1030.0, 980.0, 1010.0, 990.0, 1040.0, 1000.0, 970.0]


class Heard:
    """A watch that has heard a heart for a minute; `n_knocks` of what it hears then."""

    def __init__(self, *, noise: float = 5.0) -> None:
        self.watch, self._noise, self._rng = KnockWatch(), noise, np.random.default_rng(3)
        assert self.hear(1000.0 * (1.0 + 0.03 * self._rng.standard_normal(60))) == [False] * 60

    def hear(self, sizes: Iterable[float], *, shape: Shape | None = HEART, share: float = 1.0) -> list[bool]:
        """Return what is said of each beat of such sizes; `share`: of a T wave of a tenth of its size."""
        return [
            self.watch.hears(
                (0.1 * share * size * WAVE + self._rng.normal(0.0, self._noise, len(WAVE))).tolist(),
                size=float(size),
                shape=shape,
                noise=1.0,
            )
            for size in sizes
        ]


def knock() -> Shape:
    return Shape([], 1.0, 1.0)


def test_uneven_beats_of_another_shape_without_a_wave_are_knocks_from_the_third_or_fourth_on() -> None:
    told = Heard().hear(UNEVEN, shape=knock(), share=0.0)
    assert told[:2] == [False] * 2
    assert all(told[3:])


@pytest.mark.parametrize("scale", [0.3, 3.0])
def test_they_may_be_of_any_size(scale: float) -> None:
    assert all(Heard().hear([scale * size for size in UNEVEN], shape=knock(), share=0.0)[4:])


def test_knocks_that_look_like_the_heart_are_known_later() -> None:
    told = Heard().hear(UNEVEN * 2, share=0.0)
    assert not any(told[:3])
    assert told[-1]


@pytest.mark.parametrize(
    ("sizes", "share"),
    [(UNEVEN, 1.0), (UNEVEN, 0.6), (UNEVEN, -1.0), (EVEN, 0.0), (EVEN, 1.0), ([0.3 * x for x in EVEN], 1.0)],
)
def test_a_heart_that_looks_otherwise_has_its_wave_or_is_even(sizes: list[float], share: float) -> None:
    assert not any(Heard().hear(sizes, shape=knock(), share=share))
    assert not any(Heard().hear(sizes, share=share))


def test_the_wave_may_shrink_as_the_body_moves() -> None:
    heard = Heard()
    assert not any(heard.hear(EVEN * 4, share=0.25))
    heard = Heard()
    assert not any(heard.hear([1000.0, 1100.0, 950.0, 1080.0, 960.0] * 20, share=0.25))


def test_the_heart_is_known_again_at_once_and_another_in_a_few_beats() -> None:
    for shape, scale, most in ((HEART, 1.0, 0), (HEART, 0.4, 0), (knock(), 2.5, 2)):
        heard = Heard()
        assert heard.hear(UNEVEN, shape=knock(), share=0.0)[-1]
        assert sum(heard.hear([scale * size for size in EVEN * 2], shape=shape)) <= most


def test_electrodes_put_back_turned_end_it_as_they_are_even() -> None:
    heard = Heard()
    assert heard.hear(UNEVEN, shape=knock(), share=0.0)[-1]
    assert not any(heard.hear(EVEN, shape=knock(), share=-1.0)[3:])


def test_early_beats_that_come_again_and_again_are_this_hearts() -> None:
    heard, uneven = Heard(), [900.0, 500.0, 1100.0]
    for _ in range(2):
        assert not any(heard.hear(uneven[:2], shape=EARLY, share=0.0) + heard.hear(EVEN))
    assert not any(heard.hear(UNEVEN, shape=EARLY, share=0.0))


def test_beats_between_knocks_are_not_adopted_at_once() -> None:
    heard, shape = Heard(), knock()
    heard.hear(UNEVEN[:N_PASSING], shape=shape, share=0.0)
    heard.hear(EVEN)
    assert heard.hear(UNEVEN, shape=shape, share=0.0)[-1]


def test_another_heart_without_that_wave_is_learned_where_it_is_even() -> None:
    heard, shape = Heard(), knock()
    assert not any(heard.hear(EVEN[:N_EVEN], shape=shape, share=0.0))
    assert not any(heard.hear([1100.0, 800.0, 1250.0, 900.0], shape=shape, share=0.0))


def test_a_wave_that_drowns_in_noise_is_not_missed() -> None:
    assert not any(Heard(noise=150.0).hear(UNEVEN, shape=knock(), share=0.0)[:4])


def test_nothing_is_said_in_the_first_beats_nor_of_beats_of_which_too_little_was_seen() -> None:
    watch = KnockWatch()
    assert not any(watch.hears([0.0] * 12, size=size, shape=knock(), noise=1.0) for size in UNEVEN)
    assert not any(Heard().hear(UNEVEN, shape=None, share=0.0))
    assert not any(Heard().hear([0.0] * 4, shape=knock(), share=0.0))


def test_after_a_gap_the_heart_is_still_known() -> None:
    heard = Heard()
    assert heard.hear(UNEVEN, shape=knock(), share=0.0)[-1]
    heard.watch.restart()
    assert not any(heard.hear(UNEVEN[:2], shape=knock(), share=0.0))
    assert all(heard.hear(UNEVEN, shape=knock(), share=0.0)[3:])
