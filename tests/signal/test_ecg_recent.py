"""The last seconds, by position since the start."""

from becalm_signal.ecg_recent import KEPT_S, RecentSamples


def test_samples_keep_their_positions_and_the_oldest_go() -> None:
    recent = RecentSamples(100.0)
    for first in range(0, 3_000, 7):
        recent.feed([float(k) for k in range(first, first + 7)])
    assert recent.between(2_990, 2_995) == [2990.0, 2991.0, 2992.0, 2993.0, 2994.0]
    assert recent.between(3_003 - round(100.0 * KEPT_S), 3_003)[0] == 3_003 - 100.0 * KEPT_S
    assert recent.between(0, 1_000) == []
    assert recent.last(2) == [3_001.0, 3_002.0]
    assert recent.last(0) == []
    recent.restart()
    recent.feed([1.0, 2.0])
    assert recent.between(-3, 9) == [1.0, 2.0]
