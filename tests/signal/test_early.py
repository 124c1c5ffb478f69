"""Early beats among swings as large: found where they can be, and hearts without any left alone."""

import numpy as np
import pytest

from becalm_signal.differences import ABOUT
from becalm_signal.early import MIN_LEARNED, N_AFTER, EarlyWatch
from becalm_signal.intervals import Interval


def heart(seed: int, n_beats: int = 200) -> list[float]:
    """Return intervals of a trained heart: 1000 ms, breath of 4 s, its differences some 90 ms."""
    rng, t_s = np.random.default_rng(seed), 0.0
    rr_ms: list[float] = []
    for _ in range(n_beats):
        swing = 80.0 * np.sin(2.0 * np.pi * 0.25 * t_s) + 30.0 * np.sin(2.0 * np.pi * 0.1 * t_s)
        rr_ms.append(float(1000.0 + swing + rng.normal(0.0, 15.0)))
        t_s += rr_ms[-1] / 1000.0
    return rr_ms


def hear(rr_ms: list[float], *, flagged: set[int] = frozenset(), breaks: set[int] = frozenset()) -> list[Interval]:  # type: ignore[assignment]
    watch, heard, t_ns = EarlyWatch(), [], 0
    for k, rr in enumerate(rr_ms):
        t_ns += round(rr * 1e6)
        heard.append(Interval(t_ns, rr, k not in flagged, k not in breaks, 0.5))
        watch.hear(heard[-1])
    return heard


def test_a_beat_and_its_pause_are_taken_back() -> None:
    for seed in range(8):
        rr_ms = heart(seed)
        rr_ms[120] -= 160.0
        rr_ms[121] += 160.0
        heard = hear(rr_ms)
        assert heard[120].rhythm_ms - rr_ms[120] == pytest.approx(160.0, abs=4.0 * heard[120].rhythm_error_ms)
        assert heard[121].rhythm_ms + heard[120].rhythm_ms == pytest.approx(rr_ms[121] + rr_ms[120])
        assert heard[120].rr_ms == rr_ms[120]  # what was measured stays


def test_a_beat_without_a_pause_is_doubted() -> None:
    n_doubted = 0
    for seed in range(20):
        rr_ms = heart(seed)
        rr_ms[120] -= 110.0  # as much as neighbours differ anyway
        found = hear(rr_ms)[120]
        n_doubted += found.early_ms > 0.0 or found.rhythm_error_ms > 0.0
        if found.early_ms > 0.0:
            assert found.early_ms == pytest.approx(110.0, abs=60.0)
            assert 0.0 < found.unseen_ms < 110.0
    assert n_doubted >= 15


def test_hearts_without_early_beats_are_left_alone() -> None:
    heard = [rr for seed in range(10) for rr in hear(heart(seed))]
    assert sum(rr.early_ms > 0.0 for rr in heard) < 0.025 * len(heard)
    assert not any(rr.rhythm_error_ms for rr in heard)
    assert all(rr.rhythm_ms == rr.rr_ms for rr in heard)


def test_early_beats_are_soon_about_where_some_are_and_hardly_where_none_is() -> None:
    assert sum(hear(heart(seed, 400))[-1].early_about > ABOUT for seed in range(100, 160)) <= 6
    rng = np.random.default_rng(7)
    spoilt = [np.array(heart(seed, 400)) * (1.0 - 0.14 * (rng.random(400) < 0.04)) for seed in range(100, 120)]
    assert sum(hear(rr_ms.tolist())[-1].early_about > ABOUT for rr_ms in spoilt) >= 18


def test_what_has_a_neighbour_as_short_is_a_swing_unless_early_beats_are_about() -> None:
    calm = [rr for seed in range(20) for rr in hear(heart(seed))]
    n_anyway, n_left = (sum(rr.may_be_early(has_early=has_early) for rr in calm) for has_early in (True, False))
    assert n_anyway > 10
    assert n_left < 0.3 * n_anyway
    early = []
    for seed in range(20):
        rr_ms = heart(seed)
        rr_ms[120] -= 130.0
        early.append(hear(rr_ms)[120])
    assert sum(rr.may_be_early(has_early=False) or rr.rhythm_error_ms > 0.0 for rr in early) >= 17


def test_a_heart_that_changes_its_rate_has_no_early_beat() -> None:
    for seed in range(8):
        rr_ms = heart(seed)
        rr_ms[120:] = [rr - 200.0 for rr in rr_ms[120:]]
        assert not any(rr.rhythm_error_ms for rr in hear(rr_ms))


def test_one_of_the_first_is_found_when_they_have_made_a_model() -> None:
    rr_ms = heart(5)
    rr_ms[15] -= 250.0
    rr_ms[16] += 250.0
    heard = hear(rr_ms[: MIN_LEARNED + N_AFTER])
    assert heard[15].rhythm_ms + heard[15].early_ms - rr_ms[15] == pytest.approx(250.0, abs=80.0)


def test_neither_flags_nor_breaks_are_early_beats() -> None:
    rr_ms = heart(6)
    rr_ms[100] *= 2.0
    rr_ms[140:146] = [300.0] * 6
    heard = hear(rr_ms, flagged={100, *range(140, 146)}, breaks={170})
    assert not any(heard[k].early_ms or heard[k].rhythm_error_ms for k in (100, *range(140, 146)))
    assert not any(rr.rhythm_error_ms for rr in heard)
