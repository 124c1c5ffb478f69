"""RR flags: clean series untouched, missed, extra and early beats named, raw intervals kept."""

from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from becalm_protocol.derived import Beat, BeatFlag
from becalm_protocol.events import SignalKind
from becalm_signal.rr import RrFlagger


def flag_all(rr_ms: list[float]) -> list[Beat]:
    flagger = RrFlagger(SignalKind.ECG)
    t_ns = 0
    beats = flagger.push(t_ns, rr_ms=None, emitted_ns=t_ns)
    for rr in rr_ms:
        t_ns += round(rr * 1e6)
        beats += flagger.push(t_ns, rr_ms=rr, emitted_ns=t_ns)
    return [*beats, *flagger.flush(emitted_ns=t_ns)]


def confirmed(rr_ms: list[float]) -> list[Beat]:
    return [beat for beat in flag_all(rr_ms) if beat.confirmed]


def test_a_clean_series_is_left_alone(make_rr: Any) -> None:
    rr = make_rr(200)
    beats = confirmed(rr)
    assert Counter(beat.flag for beat in beats) == {BeatFlag.FIRST: 1, BeatFlag.OK: 200}
    assert [beat.rr_ms for beat in beats[1:]] == rr
    assert [beat.rr_corrected_ms for beat in beats[1:]] == rr


def test_a_very_regular_heart_has_no_artefacts() -> None:
    beats = confirmed([800.0 + (k % 3) for k in range(100)])
    assert {beat.flag for beat in beats[1:]} == {BeatFlag.OK}


def test_breathing_at_six_a_minute_is_no_artefact(make_rr: Any) -> None:
    rr = make_rr(200, rsa_ms=120.0, seed=3)
    flags = Counter(beat.flag for beat in confirmed(rr))
    assert flags[BeatFlag.OK] >= 196


def test_a_missed_beat_is_named_and_halved(make_rr: Any) -> None:
    rr = make_rr(80)
    rr[50:52] = [rr[50] + rr[51]]
    beats = confirmed(rr)
    odd = [beat for beat in beats if beat.flag not in (BeatFlag.OK, BeatFlag.FIRST)]
    assert [(beat.flag, beat.beat_idx) for beat in odd] == [(BeatFlag.MISSED, 51)]
    assert odd[0].rr_ms == rr[50]
    assert odd[0].rr_corrected_ms == rr[50] / 2


@pytest.mark.parametrize("share", [0.3, 0.5, 0.7])
def test_an_extra_beat_is_named_and_never_accepted(make_rr: Any, share: float) -> None:
    rr = make_rr(80)
    rr[50:51] = [rr[50] * share, rr[50] * (1 - share)]
    beats = confirmed(rr)
    odd = {beat.beat_idx: beat.flag for beat in beats if beat.flag not in (BeatFlag.OK, BeatFlag.FIRST)}
    assert {51, 52} <= set(odd)
    assert len(odd) <= 3


def test_an_early_beat_and_its_pause_are_ectopic(make_rr: Any) -> None:
    rr = make_rr(80)
    early = 0.6 * rr[50]
    rr[51] += rr[50] - early
    rr[50] = early
    beats = confirmed(rr)
    odd = {beat.beat_idx: beat.flag for beat in beats if beat.flag not in (BeatFlag.OK, BeatFlag.FIRST)}
    assert odd == {51: BeatFlag.ECTOPIC, 52: BeatFlag.ECTOPIC}


@pytest.mark.parametrize("rr_ms", [0.0, 120.0, 2600.0, 60_000.0])
def test_absurd_intervals_are_out_of_range(make_rr: Any, rr_ms: float) -> None:
    rr = make_rr(40)
    rr.insert(20, rr_ms)
    flags = {beat.beat_idx: beat.flag for beat in confirmed(rr)}
    assert flags[21] is BeatFlag.OUT_OF_RANGE
    assert flags[10] is BeatFlag.OK
    assert flags[35] is BeatFlag.OK


def test_a_usual_beat_is_confirmed_with_the_next_one(make_rr: Any) -> None:
    beats = flag_all(make_rr(60))
    provisional_ns = {beat.beat_idx: beat.emitted_ns for beat in beats if not beat.confirmed}
    for beat in beats:
        if beat.confirmed and 1 <= beat.beat_idx < 59:
            assert beat.emitted_ns == provisional_ns[beat.beat_idx + 1]


@given(st.lists(st.none() | st.floats(0.0, 10_000.0), max_size=60))
def test_every_beat_is_confirmed_exactly_once_in_order(intervals: list[float | None]) -> None:
    flagger = RrFlagger(SignalKind.RR)
    beats: list[Beat] = []
    for k, rr_ms in enumerate(intervals):
        beats += flagger.push(k, rr_ms=rr_ms, emitted_ns=k)
    beats += flagger.flush(emitted_ns=len(intervals))
    assert [beat.beat_idx for beat in beats if not beat.confirmed] == list(range(len(intervals)))
    assert [beat.beat_idx for beat in beats if beat.confirmed] == list(range(len(intervals)))
    for beat in beats:
        assert beat.rr_ms == intervals[beat.beat_idx]
        if beat.flag is BeatFlag.OK:
            assert beat.rr_corrected_ms == beat.rr_ms


@pytest.mark.parametrize(("break_s", "trusted"), [(2, False), (11, True)])
def test_after_a_long_break_another_rate_is_no_artefact(make_rr: Any, break_s: int, trusted: bool) -> None:
    flagger = RrFlagger(SignalKind.ECG)
    for rr_ms in (None, *[430.0] * 30):
        flagger.push(0, rr_ms=rr_ms, emitted_ns=0)
    t_ns = break_s * 1_000_000_000
    beats = [beat for rr in (None, *make_rr(5)) for beat in flagger.push(t_ns, rr_ms=rr, emitted_ns=t_ns)]
    after = [beat.flag for beat in beats if beat.confirmed and beat.beat_idx > 31]
    assert (set(after) == {BeatFlag.OK}) is trusted


def test_what_begins_at_an_early_beat_is_no_interval_of_the_rhythm(make_rr: Any) -> None:
    rr = make_rr(80)
    rr[50] = 0.65 * rr[50]  # from an atrium: the pause after it is hardly longer than usual
    rr[51] = 1.04 * rr[51]
    flags = {beat.beat_idx: beat.flag for beat in confirmed(rr) if beat.flag not in (BeatFlag.OK, BeatFlag.FIRST)}
    assert flags == {51: BeatFlag.ECTOPIC, 52: BeatFlag.ECTOPIC}


@pytest.mark.parametrize(("before", "expected"), [(False, {51, 52}), (True, {50, 51, 52})])
def test_of_two_beats_too_close_the_one_in_the_rhythm_is_kept(make_rr: Any, before: bool, expected: set[int]) -> None:
    rr = make_rr(80)
    short = 180.0
    if before:  # a false beat shortly before the true one
        rr[49:50] = [rr[49] - short, short]
    else:  # shortly after it
        rr[50:51] = [short, rr[50] - short]
    odd = {beat.beat_idx for beat in confirmed(rr) if beat.flag not in (BeatFlag.OK, BeatFlag.FIRST)}
    assert odd == expected


def test_a_quick_change_of_rate_is_no_artefact(make_rr: Any) -> None:
    rr = make_rr(60, rsa_ms=15.0)
    standing = [float(ms) for ms in range(880, 600, -35)]
    flags = Counter(beat.flag for beat in confirmed([*rr, *standing, *make_rr(40, mean_ms=610.0, rsa_ms=10.0)]))
    assert flags == {BeatFlag.FIRST: 1, BeatFlag.OK: 108}


def test_a_heart_that_swings_widely_is_left_alone(make_rr: Any) -> None:
    flags = Counter(beat.flag for beat in confirmed(make_rr(300, mean_ms=1050.0, rsa_ms=180.0)))
    assert flags[BeatFlag.OK] >= 299


def test_an_open_beat_that_was_none_is_disowned() -> None:
    flagger = RrFlagger(SignalKind.ECG)
    told = [beat for k in range(10) for beat in flagger.push(k * 800_000_000, rr_ms=800.0 if k else None, emitted_ns=0)]
    flagger.disown(after_ns=8 * 800_000_000)
    told += flagger.flush(emitted_ns=0)
    flags = {beat.beat_idx: beat.flag for beat in told if beat.confirmed}
    assert (flags[8], flags[9]) == (BeatFlag.OK, BeatFlag.OUT_OF_RANGE)


def test_what_noise_was_taken_for_does_not_make_a_slow_heart_look_odd() -> None:
    flagger, t_ns, told = RrFlagger(SignalKind.ECG), 0, []
    for rr_ms in (None, *[1600.0] * 12, *[450.0, 600.0] * 4, None, *[1600.0] * 6):
        if rr_ms is None and t_ns:
            flagger.forget_doubted()
        t_ns += round((rr_ms or 2000.0) * 1e6)
        told += flagger.push(t_ns, rr_ms=rr_ms, emitted_ns=t_ns)
    flags = {beat.beat_idx: beat.flag for beat in told if beat.confirmed}
    assert [flags[k] for k in range(22, 27)] == [BeatFlag.OK] * 5


def test_a_pause_that_a_break_cut_off_from_its_early_beat_is_no_interval_of_the_rhythm(make_rr: Any) -> None:
    flagger, t_ns = RrFlagger(SignalKind.ECG), 0
    beats = flagger.push(0, rr_ms=None, emitted_ns=0)
    for rr in [*make_rr(60, mean_ms=1000.0), None, 1380.0, *make_rr(20, mean_ms=1000.0, seed=4)]:
        t_ns += round((rr or 3000.0) * 1e6)
        beats += flagger.push(t_ns, rr_ms=rr, emitted_ns=t_ns)
    flags = {beat.rr_ms: beat.flag for beat in beats if beat.confirmed and beat.rr_ms is not None}
    assert flags.pop(1380.0) is not BeatFlag.OK
    assert set(flags.values()) == {BeatFlag.OK}
