import pytest
from hypothesis import given
from hypothesis import strategies as st

from becalm_kivy.pacer import EASED_NS_PER_S, IDLE, PacerClock, PacerPhase, pose_at
from becalm_protocol.events import Pacer
from becalm_protocol.units import NS_PER_S, ns_from_s

SIX = Pacer(started_ns=0, inhale_s=4.0, exhale_s=6.0)


@pytest.mark.parametrize(
    ("t_s", "phase", "fullness", "left_s"),
    [
        (0.0, PacerPhase.IN, 0.0, 4.0),
        (2.0, PacerPhase.IN, 0.5, 2.0),
        (4.0, PacerPhase.OUT, 1.0, 6.0),
        (7.0, PacerPhase.OUT, 0.5, 3.0),
        (10.0, PacerPhase.IN, 0.0, 4.0),
        (36_007.0, PacerPhase.OUT, 0.5, 3.0),
    ],
)
def test_poses_of_six_breaths_a_minute(t_s: float, phase: PacerPhase, fullness: float, left_s: float) -> None:
    pose = pose_at(SIX, ns_from_s(t_s))
    assert pose.phase is phase
    assert pose.fullness == pytest.approx(fullness, abs=1e-6)
    assert pose.seconds_left == pytest.approx(left_s, abs=1e-6)


def test_before_its_start_it_rests() -> None:
    assert pose_at(SIX, -1) == IDLE


@given(st.floats(1, 10), st.floats(1, 15), st.integers(0, 7200 * NS_PER_S))
def test_it_never_jumps(inhale_s: float, exhale_s: float, elapsed_ns: int) -> None:
    pacer = Pacer(started_ns=0, inhale_s=inhale_s, exhale_s=exhale_s)
    frame_ns = NS_PER_S // 30
    now, later = pose_at(pacer, elapsed_ns), pose_at(pacer, elapsed_ns + frame_ns)
    assert 0 <= now.fullness <= 1
    assert abs(later.fullness - now.fullness) <= 0.06  # pi/2 per shortest half cycle of 1 s, in one frame
    assert later.n_turns - now.n_turns in {0, 1}


def test_it_follows_session_time_at_once_and_then_gently() -> None:
    clock = PacerClock()
    clock.follow(SIX, now_ns=100 * NS_PER_S, session_ns=7 * NS_PER_S)
    assert clock.pose(100 * NS_PER_S).fullness == pytest.approx(0.5)
    for frame in range(1, 31):  # the offset turns out to be 200 ms wrong: one second eases 30 ms of it
        now_ns = 100 * NS_PER_S + frame * NS_PER_S // 30
        clock.follow(SIX, now_ns=now_ns, session_ns=now_ns - 93 * NS_PER_S - 200_000_000)
    pose, expected = clock.pose(101 * NS_PER_S), pose_at(SIX, 8 * NS_PER_S - EASED_NS_PER_S)
    assert pose.fullness == pytest.approx(expected.fullness, abs=1e-3)


def test_a_large_error_is_put_right_at_once() -> None:
    clock = PacerClock()
    clock.follow(SIX, now_ns=0, session_ns=0)
    clock.follow(SIX, now_ns=0, session_ns=4 * NS_PER_S)
    assert clock.pose(0).fullness == pytest.approx(1.0)


def test_it_goes_on_when_session_time_is_gone() -> None:
    clock = PacerClock()
    clock.follow(SIX, now_ns=0, session_ns=0)
    clock.follow(SIX, now_ns=7 * NS_PER_S, session_ns=None)
    assert clock.pose(7 * NS_PER_S).fullness == pytest.approx(0.5)


def test_alone_it_runs_the_default_pattern() -> None:
    clock = PacerClock()
    clock.start_alone(now_ns=5 * NS_PER_S)
    assert clock.pose(9 * NS_PER_S).fullness == pytest.approx(1.0)
    clock.stop()
    assert clock.pose(9 * NS_PER_S) == IDLE
