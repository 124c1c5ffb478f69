"""Where a heart has no rhythm: told from early and misread beats by what flags are on."""

import pytest

from becalm_signal.intervals import Interval
from becalm_signal.rhythm import LOST_NS, RhythmWatch

USUAL_MS = 850.0
SOUND = [USUAL_MS + swing for swing in (-20.0, 15.0, 25.0, -10.0, 5.0) * 4]


def hear(parts: list[tuple[list[float], str]]) -> tuple[list[Interval], list[int | None]]:
    """Return the intervals of these parts, each sound, flagged, misplaced or after a break, and what was told."""
    watch, t_ns = RhythmWatch(), 0
    heard: list[Interval] = []
    told: list[int | None] = []
    for rr_ms, kind in parts:
        for k, rr in enumerate(rr_ms):
            t_ns += round(rr * 1e6)
            joined = kind != "after_break" or k > 0
            heard.append(Interval(t_ns, rr, kind in {"sound", "after_break"}, joined, 0.5))
            told.append(watch.hear(heard[-1], is_placed=kind != "misplaced"))
    return heard, told


def test_flags_on_intervals_that_nothing_explains_are_a_heart_without_a_rhythm() -> None:
    heard, told = hear([(SOUND, "sound"), ([520.0, 1090.0, 610.0, 980.0, 1220.0], "flagged"), (SOUND, "sound")])
    assert told[24] is None
    assert told[25] == heard[25].t_ns - LOST_NS
    assert any(rr.is_doubted for rr in heard[20:25])
    assert not any(rr.is_doubted for rr in heard[:20])
    assert told[-1] is not None
    _, told = hear([(SOUND, "sound"), ([520.0, 1090.0, 610.0, 980.0, 1220.0], "flagged"), (SOUND * 2, "sound")])
    assert told[-1] is None


@pytest.mark.parametrize(
    "flagged",
    [
        [530.0, 1170.0],  # ventricular, with its whole pause
        [600.0, 900.0],  # atrial
        [530.0, 1170.0, 530.0, 1170.0],
        [1700.0],  # one beat missed
        [400.0, 450.0],  # one too many
        [780.0, 920.0],  # one out of place
        [9600.0],  # nobody heard any
    ],
)
def test_early_and_misread_beats_leave_a_rhythm(flagged: list[float]) -> None:
    twice = [(flagged, "flagged"), (SOUND[:3], "sound"), (flagged, "flagged"), (SOUND, "sound")]
    heard, told = hear([(SOUND, "sound"), *twice])
    assert set(told) == {None}
    assert not any(rr.is_doubted for rr in heard)


def test_beats_that_lie_on_noise_say_nothing_of_the_rhythm() -> None:
    heard, told = hear([(SOUND, "sound"), ([520.0, 1090.0, 610.0, 980.0, 1220.0], "misplaced"), (SOUND, "sound")])
    assert set(told) == {None}
    assert not any(rr.is_doubted for rr in heard)


def test_a_break_ends_an_early_beat_before_its_pause_is_heard() -> None:
    heard, told = hear([(SOUND, "sound"), ([530.0], "flagged"), (SOUND, "after_break")])
    assert set(told) == {None}
    assert not any(rr.is_doubted for rr in heard)
    _, told = hear([(SOUND, "sound"), ([1090.0, 610.0, 1250.0], "flagged"), (SOUND, "after_break")])
    assert told[23] is not None
