import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from becalm_kivy.settling import Settling, SettlingWord
from becalm_protocol.derived import Index, Reason
from becalm_protocol.units import ns_from_s


def known(arousal: float) -> Index:
    return Index(value=arousal, bound=5.0, sample_ns=0)


def run(levels: list[float], *, step_s: float = 0.25) -> Settling:
    settling = Settling()
    for idx, level in enumerate(levels):
        settling.add(known(level), t_ns=ns_from_s(idx * step_s))
    return settling


@pytest.mark.parametrize(
    ("arousal", "word"),
    [(50, SettlingWord.STEADY), (54, SettlingWord.STEADY), (70, SettlingWord.ACTIVE), (30, SettlingWord.SETTLING)],
)
def test_a_steady_level_has_its_word(arousal: float, word: SettlingWord) -> None:
    view = run([arousal] * 240).view(ns_from_s(60))
    assert view.word is word
    assert view.level == pytest.approx(1 - arousal / 100)


def test_a_fall_is_easing_wherever_it_starts() -> None:
    falling = [70 - idx / 12 for idx in range(240)]
    assert run(falling).view(ns_from_s(60)).word is SettlingWord.EASING


def test_a_rise_is_told_without_alarm_like_any_level() -> None:
    rising = [40 + idx / 8 for idx in range(240)]
    assert run(rising).view(ns_from_s(60)).word is SettlingWord.ACTIVE


@given(st.lists(st.floats(0, 100), min_size=2, max_size=120))
def test_the_shape_never_jumps(levels: list[float]) -> None:
    settling = Settling()
    shown: list[float] = []
    for idx, level in enumerate(levels):
        settling.add(known(level), t_ns=ns_from_s(idx * 0.25))
        at = settling.view(ns_from_s(idx * 0.25)).level
        assert at is not None
        shown.append(at)
    assert all(abs(later - sooner) <= 0.032 for sooner, later in itertools.pairwise(shown))


@given(st.lists(st.floats(0, 100), min_size=8, max_size=200))
def test_a_word_stays_for_a_breath(levels: list[float]) -> None:
    settling = Settling()
    changes_s: list[float] = []
    word = None
    for idx, level in enumerate(levels):
        settling.add(known(level), t_ns=ns_from_s(idx * 0.25))
        if settling.view(ns_from_s(idx * 0.25)).word is not word:
            word = settling.view(ns_from_s(idx * 0.25)).word
            changes_s.append(idx * 0.25)
    assert all(later - sooner >= 6 for sooner, later in itertools.pairwise(changes_s))


def test_before_any_value_the_reason_is_told() -> None:
    settling = Settling()
    settling.add(Index(reason=Reason.BASELINE), t_ns=0)
    view = settling.view(0)
    assert (view.level, view.word, view.reason) == (None, None, Reason.BASELINE)


def test_an_old_value_is_held_and_marked() -> None:
    view = run([40.0] * 40).view(ns_from_s(21))
    assert (view.is_stale, view.word) == (True, None)
    assert view.level == pytest.approx(0.6)


def test_after_a_long_silence_it_begins_anew() -> None:
    settling = run([70.0] * 40)
    settling.add(known(40.0), t_ns=ns_from_s(100))
    assert settling.view(ns_from_s(100)).level == pytest.approx(0.6)
