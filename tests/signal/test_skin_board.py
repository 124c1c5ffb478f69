"""Level and responses a minute from what the stage told."""

import pytest

from becalm_protocol.derived import Reason, SkinResponse
from becalm_signal.skin_board import SkinBoard
from becalm_signal.stage import SkinLevel

STEP_NS = 250_000_000


def level(
    t_ns: int,
    *,
    level_us: float = 5.0,
    sees_responses: bool = True,
    is_first: bool = False,
    may_have_moved: bool = False,
    dried_us: float = 0.0,
) -> SkinLevel:
    return SkinLevel(
        t_ns=t_ns - 2_700_000_000,
        emitted_ns=t_ns,
        level_us=level_us,
        bound_us=0.1,
        dried_us=dried_us,
        sees_responses=sees_responses,
        is_first=is_first,
        may_have_moved=may_have_moved,
    )


def response(peak_s: float) -> SkinResponse:
    peak_ns = round(peak_s * 1e9)
    return SkinResponse(onset_ns=peak_ns - 1_000_000_000, peak_ns=peak_ns, emitted_ns=peak_ns, amplitude_us=0.2)


def watch(board: SkinBoard, begin_s: int, end_s: int, *, sees_responses: bool = True, is_broken: bool = False) -> int:
    begin_ns = begin_s * 10**9
    for t_ns in range(begin_ns, end_s * 10**9, STEP_NS):
        board.apply(level(t_ns, sees_responses=sees_responses, is_first=is_broken and t_ns == begin_ns))
    return end_s * 10**9


def test_responses_are_counted_over_the_last_minute() -> None:
    board = SkinBoard()
    assert board.response_rate(0).reason is Reason.WARMING_UP
    assert board.response_rate(watch(board, 0, 29)).reason is Reason.WARMING_UP
    now_ns = watch(board, 29, 100)
    for peak_s in (10.0, 45.0, 70.0, 99.0):
        board.apply(response(peak_s))
    told = board.response_rate(now_ns)
    assert told.value == pytest.approx(3.0, rel=0.02)
    assert told.bound is not None
    assert 1.0 < told.bound < 3.0


def test_the_first_half_minute_is_scaled_to_a_minute() -> None:
    board = SkinBoard()
    now_ns = watch(board, 0, 40)
    board.apply(response(20.0))
    assert board.response_rate(now_ns).value == pytest.approx(1.5, rel=0.02)


def test_time_that_was_not_seen_widens_the_bound_and_is_left_out() -> None:
    whole, holed = SkinBoard(), SkinBoard()
    watch(whole, 0, 100)
    watch(holed, 0, 60)
    watch(holed, 60, 85, sees_responses=False)
    now_ns = watch(holed, 85, 100)
    for board in (whole, holed):
        board.apply(response(95.0))
    seen, hidden = whole.response_rate(now_ns), holed.response_rate(now_ns)
    assert seen.value == pytest.approx(1.0, rel=0.02)
    assert hidden.value == pytest.approx(60.0 / 35.0, rel=0.05)
    assert seen.bound is not None
    assert hidden.bound is not None
    assert hidden.bound > 1.3 * seen.bound


def test_responses_of_time_that_was_not_seen_are_left_out_as_well() -> None:
    board = SkinBoard()
    watch(board, 0, 60)
    watch(board, 60, 85, sees_responses=False)
    now_ns = watch(board, 85, 100)
    for peak_s in (50.0, 65.0, 72.0, 80.0):
        board.apply(response(peak_s))
    told = board.response_rate(now_ns)
    assert told.value is not None
    assert told.bound is not None
    assert told.value == pytest.approx(60.0 / 35.0, rel=0.05)
    assert told.value + told.bound >= 4.0


def test_what_hides_responses_may_rouse_as_well() -> None:
    board = SkinBoard()
    watch(board, 0, 60)
    now_ns = watch(board, 80, 100, is_broken=True)  # three responses were hidden from 60 to 80 s, none was seen
    told = board.response_rate(now_ns)
    assert told.value == 0.0
    assert told.bound is not None
    assert told.bound >= 3.0


def test_the_moments_before_a_break_are_not_seen() -> None:
    whole, broken = SkinBoard(), SkinBoard()
    for board in (whole, broken):
        watch(board, 0, 60)
        board.apply(response(50.0))
    now_ns = watch(broken, 62, 80, is_broken=True)
    watch(whole, 60, 80)
    assert whole.response_rate(now_ns).value == pytest.approx(1.0, rel=0.01)
    assert broken.response_rate(now_ns).value == pytest.approx(60.0 / 56.25, rel=0.01)


def test_the_moments_before_a_break_are_not_seen_either_where_responses_are_hidden_after_it() -> None:
    board = SkinBoard()
    watch(board, 0, 60)
    board.apply(response(50.0))
    watch(board, 62, 66, sees_responses=False, is_broken=True)
    now_ns = watch(board, 66, 80)
    assert board.response_rate(now_ns).value == pytest.approx(60.0 / 52.5, rel=0.01)


def test_noise_withholds_the_rate_alone_and_silence_both() -> None:
    board = SkinBoard()
    now_ns = watch(board, 0, 60, sees_responses=False)
    assert board.response_rate(now_ns).reason is Reason.NOISY
    assert board.level(now_ns).value == 5.0
    assert board.level(now_ns + 4 * 10**9).reason is Reason.SENSOR_LOST
    assert board.response_rate(now_ns + 4 * 10**9).reason is Reason.SENSOR_LOST


def test_the_doubt_about_electrodes_is_in_what_is_shown_but_not_in_what_arousal_weighs() -> None:
    board = SkinBoard()
    board.apply(level(10**10, dried_us=0.4))
    told, weighed = board.level(10**10), board.reading()
    assert told.bound == pytest.approx(0.5)
    assert told.sample_ns == 7_300_000_000
    assert weighed is not None
    assert weighed.bound == 0.1


def moved_us(board: SkinBoard) -> float:
    reading = board.reading()
    assert reading is not None
    assert reading.bound == 0.1  # what is shown is what lies between the electrodes
    return reading.moved


def after_bad_contact(board: SkinBoard, begin_s: int, *, level_us: float, may_have_moved: bool = True) -> None:
    for second in range(begin_s, begin_s + 15):
        is_first = second == begin_s
        told = level(second * 10**9, level_us=level_us, is_first=is_first, may_have_moved=is_first and may_have_moved)
        board.apply(told)


def test_what_bad_contact_moved_the_level_by_is_doubted() -> None:
    board = SkinBoard()
    watch(board, 0, 60)
    after_bad_contact(board, 70, level_us=4.2)
    assert moved_us(board) == pytest.approx(-0.8)
    board.apply(level(100 * 10**9, level_us=3.0))  # the skin, since contact is good
    assert moved_us(board) == pytest.approx(-0.8)
    after_bad_contact(board, 110, level_us=3.8)  # and back
    assert moved_us(board) == pytest.approx(0.0)


@pytest.mark.parametrize(("begin_s", "is_doubted"), [(61, False), (90, True)])
def test_lost_packets_move_no_electrodes_unless_there_was_time_for_it(begin_s: int, *, is_doubted: bool) -> None:
    board = SkinBoard()
    watch(board, 0, 60)
    after_bad_contact(board, begin_s, level_us=4.2, may_have_moved=False)
    assert moved_us(board) == pytest.approx(-0.8 if is_doubted else 0.0)


def test_electrodes_creep_where_they_moved() -> None:
    board = SkinBoard()
    watch(board, 0, 60)
    for second in range(6):
        board.apply(level((70 + second) * 10**9, level_us=4.0 + second / 5.0, is_first=second == 0))
    assert moved_us(board) == pytest.approx(0.0)
